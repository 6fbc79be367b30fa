"""Whether an attempt may begin: asked of PostgreSQL only where another process may have ended it."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.notify.delivery import Channel, Path
from services.notify.repository.rows import Due
from services.notify.worker.claims import TRUSTED, Claims
from tests.unit.notify.records import DECIDED_AT, alert_record

LEASE = timedelta(seconds=35)


@dataclass
class Kept:
    """What PostgreSQL would answer, how often it was asked, and the clock of both."""

    ended: set[UUID] = field(default_factory=set)
    questions: list[int] = field(default_factory=list)
    time: datetime = DECIDED_AT

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return 0.0

    async def find_held(self, dues: Sequence[Due]) -> Collection[UUID]:
        self.questions.append(len(dues))
        await asyncio.sleep(0)
        return {due.delivery_id for due in dues} - self.ended


def build(kept: Kept) -> Claims:
    return Claims(find_held=kept.find_held, lease=LEASE, clock=kept)


def leased(kept: Kept) -> Due:
    """In this moment, for an alert that came to this process."""
    path = Path(Channel.WEBHOOK, "one")
    return Due(uuid4(), alert_record(), path, 1, kept.time + LEASE)


async def test_what_has_just_come_here_is_begun_without_a_question() -> None:
    kept = Kept()
    claims, due = build(kept), leased(kept)
    kept.time += TRUSTED
    assert await claims.holds(due)
    assert kept.questions == []


@pytest.mark.parametrize("why", ["claimed", "waited", "revoked"])
async def test_what_another_process_may_have_ended_is_asked_for(why: str) -> None:
    kept = Kept()
    claims, due = build(kept), leased(kept)
    match why:
        case "claimed":
            due = replace(due, is_claimed=True)
        case "waited":
            kept.time += TRUSTED + timedelta(microseconds=1)
        case _:
            claims.distrust()
    assert await claims.holds(due)
    kept.ended.add(due.delivery_id)
    assert not await claims.holds(due)
    assert kept.questions == [1, 1]


async def test_what_comes_here_after_partitions_were_taken_is_trusted_again() -> None:
    kept = Kept()
    claims = build(kept)
    claims.distrust()
    kept.time += timedelta(microseconds=1)
    assert await claims.holds(leased(kept))
    assert kept.questions == []


async def test_those_that_begin_together_are_asked_for_together() -> None:
    kept = Kept()
    claims, dues = build(kept), [replace(leased(kept), is_claimed=True) for _ in range(50)]
    kept.ended.add(dues[7].delivery_id)
    held = await asyncio.gather(*(claims.holds(due) for due in dues))
    assert held == [due is not dues[7] for due in dues]
    assert len(kept.questions) <= 2


async def test_when_postgresql_is_away_whoever_asked_hears_of_it() -> None:
    async def fail(_: Sequence[Due]) -> Collection[UUID]:
        raise ConnectionError

    kept = Kept()
    claims = Claims(find_held=fail, lease=LEASE, clock=kept)
    with pytest.raises(ConnectionError):
        await claims.holds(replace(leased(kept), is_claimed=True))
