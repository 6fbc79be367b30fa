"""Asks the keyring once for what many requests want at the same time."""

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from services.runtime.keyring import CaseKey, Keyring
from services.runtime.patience import wait_within

PACE_SECONDS: Final = 0.01
PATIENCE_SECONDS: Final = 4.0
"""A PostgreSQL that hangs is away, to a source: many hang up after five seconds."""


class KeyDesk:
    """One query at a time and none within 10 ms of the last: load makes queries larger, not more."""

    def __init__(self, keyring: Keyring, *, patience: float = PATIENCE_SECONDS) -> None:
        self._keyring = keyring
        self._patience = patience
        self._turn = asyncio.Lock()
        self._wanted: set[str] = set()
        self._next: asyncio.Task[Mapping[str, CaseKey]] | None = None
        self._next_at = 0.0

    async def ensure_keys(self, case_refs: AbstractSet[str]) -> Mapping[str, CaseKey]:
        """The keys of these references and perhaps of others; a shredded one is absent.

        Raises one of database.TRANSIENT_ERRORS, or SealError if a key does not unwrap.
        """
        known = self._keyring.list_known(case_refs)
        if len(known) == len(case_refs):
            return known
        self._wanted.update(case_refs)
        if self._next is None:
            self._next = asyncio.create_task(self._ask())
        # Others wait for the same answer: one that goes away must not take it from them.
        return await wait_within(self._next, seconds=self._patience)

    async def _ask(self) -> Mapping[str, CaseKey]:
        loop = asyncio.get_running_loop()
        async with self._turn:
            await asyncio.sleep(self._next_at - loop.time())
            self._next_at = loop.time() + PACE_SECONDS
            wanted, self._wanted, self._next = self._wanted, set(), None
            return await self._keyring.ensure_keys(wanted)
