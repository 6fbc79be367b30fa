"""Asking for keys: once for many, and not at all for those that are known."""

import asyncio
from collections.abc import Iterable
from typing import cast
from uuid import uuid4

import pytest

from services.intake.handlers.keydesk import KeyDesk
from services.runtime.crypto import new_key
from services.runtime.keyring import CaseKey, Keyring


class Ring:
    """Makes keys, remembers them, and counts how often it was asked to."""

    def __init__(self, *trouble: Exception) -> None:
        self.asked: list[set[str]] = []
        self._keys: dict[str, CaseKey] = {}
        self._trouble = list(trouble)

    def list_known(self, case_refs: Iterable[str]) -> dict[str, CaseKey]:
        return {ref: self._keys[ref] for ref in case_refs if ref in self._keys}

    async def ensure_keys(self, case_refs: Iterable[str]) -> dict[str, CaseKey]:
        self.asked.append(set(case_refs))
        await asyncio.sleep(0)
        if self._trouble:
            raise self._trouble.pop(0)
        return {ref: self._keys.setdefault(ref, CaseKey(uuid4(), new_key())) for ref in self.asked[-1]}


def desk_of(ring: Ring) -> KeyDesk:
    return KeyDesk(cast("Keyring", ring))


async def test_who_asks_at_the_same_time_shares_one_query() -> None:
    ring = Ring()
    desk = desk_of(ring)
    answers = await asyncio.gather(*(desk.ensure_keys({f"case-{number}"}) for number in range(5)))
    assert ring.asked == [{f"case-{number}" for number in range(5)}]
    assert [f"case-{number}" in answer for number, answer in enumerate(answers)] == [True] * 5


async def test_a_known_key_is_not_asked_for() -> None:
    ring = Ring()
    desk = desk_of(ring)
    first = await desk.ensure_keys({"case-1"})
    assert await desk.ensure_keys({"case-1"}) == first
    assert len(ring.asked) == 1
    await desk.ensure_keys({"case-1", "case-2"})
    assert ring.asked[-1] == {"case-1", "case-2"}


async def test_trouble_is_told_to_who_asked_then_and_not_to_the_next() -> None:
    ring = Ring(ConnectionError())
    desk = desk_of(ring)
    outcomes = await asyncio.gather(
        desk.ensure_keys({"case-1"}), desk.ensure_keys({"case-2"}), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [ConnectionError, ConnectionError]
    assert "case-1" in await desk.ensure_keys({"case-1"})


async def test_who_goes_away_takes_no_answer_from_the_others() -> None:
    desk = desk_of(Ring())
    leaving, staying = (asyncio.create_task(desk.ensure_keys({ref})) for ref in ("case-1", "case-2"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert "case-2" in await staying
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_a_key_store_that_hangs_is_away_before_the_source_gives_up() -> None:
    ring, answers = Ring(), asyncio.Event()
    ask = ring.ensure_keys

    async def hang(case_refs: Iterable[str]) -> dict[str, CaseKey]:
        await answers.wait()
        return await ask(case_refs)

    ring.ensure_keys = hang  # type: ignore[method-assign] # it stands still until it is told
    desk = KeyDesk(cast("Keyring", ring), patience=0.01)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await desk.ensure_keys({"case-1"})
    answers.set()
    patient = KeyDesk(cast("Keyring", ring))
    assert "case-1" in await patient.ensure_keys({"case-1"})
