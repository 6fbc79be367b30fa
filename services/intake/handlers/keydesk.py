"""Asks the keyring once for what many requests want at the same time."""

import asyncio
from collections.abc import Iterable, Mapping

from services.runtime.keyring import CaseKey, Keyring


class KeyDesk:
    """Gathers wishes while the database answers the last ones: load makes queries larger, not more."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._turn = asyncio.Lock()
        self._wanted: set[str] = set()
        self._next: asyncio.Task[Mapping[str, CaseKey]] | None = None

    async def ensure_keys(self, case_refs: Iterable[str]) -> Mapping[str, CaseKey]:
        """The keys of these references and perhaps of others; a shredded one is absent.

        Raises one of database.TRANSIENT_ERRORS, or SealError if a key does not unwrap.
        """
        self._wanted.update(case_refs)
        if self._next is None:
            self._next = asyncio.create_task(self._ask())
        # Others wait for the same answer: one that goes away must not take it from them.
        return await asyncio.shield(self._next)

    async def _ask(self) -> Mapping[str, CaseKey]:
        async with self._turn:
            wanted, self._wanted, self._next = self._wanted, set(), None
            return await self._keyring.ensure_keys(wanted)
