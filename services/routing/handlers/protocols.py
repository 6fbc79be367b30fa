"""The protocol packs that decide, and taking up what was approved, without a restart."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from services.routing.handlers.attesting import Attestor
from services.routing.packs import PackSource, build_pack_set
from services.routing.repository.packs import PackRepository, StoredPack
from services.routing.rules import PackSet
from services.runtime.clock import Clock
from services.runtime.database import TRANSIENT_ERRORS
from services.runtime.logs import get_logger

log = get_logger()

FOLLOW_SECONDS: Final = 0.5

_NONE: Final = PackSet(())


class Protocols:
    """The approved packs, in memory. A revision is how many approvals PostgreSQL has."""

    def __init__(
        self,
        repository: PackRepository,
        attestor: Attestor,
        *,
        clock: Clock,
        current: PackSet = _NONE,
    ) -> None:
        self._repository = repository
        self._attestor = attestor
        self._clock = clock
        self._current = current
        self._seen = 0
        self._loading = asyncio.Lock()

    @property
    def current(self) -> PackSet:
        """What decides now, for whoever is bound to no batch."""
        return self._current

    @property
    def revision(self) -> int:
        """The newest that was looked at."""
        return self._seen

    async def load_first(self) -> None:
        """Raises PackErrors or AlteredPackError: without packs nothing may be decided."""
        stored = await self._repository.list_packs()
        self._use(await asyncio.to_thread(self._build, stored), revision=_count_approved(stored))

    async def get(self, revision: int) -> PackSet:
        """The packs of this revision or a newer one; if they cannot be loaded, those in force before.

        They are built in a thread: who waits holds up nobody else. Raises one of database.TRANSIENT_ERRORS.
        """
        if revision > self._seen:
            async with self._loading:
                if revision > self._seen:
                    await self._reload()
        return self._current

    async def refresh(self) -> None:
        """Takes up what is approved now. Raises one of database.TRANSIENT_ERRORS."""
        await self.get(await self._repository.find_revision())

    async def follow_for_ever(self) -> None:
        """Takes up what another process approved, before a batch has to wait for it."""
        while True:
            with suppress(*TRANSIENT_ERRORS):
                await self.refresh()
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _reload(self) -> None:
        stored = await self._repository.list_packs()
        revision = _count_approved(stored)
        try:
            packs = await asyncio.to_thread(self._prepare, stored, self._clock.now())
        except Exception as error:
            self._seen = revision
            log.error("packs.not_loaded", revision=revision, exc_info=error)
            return
        self._use(packs, revision=revision)

    def _prepare(self, stored: Sequence[StoredPack], now: datetime) -> PackSet:
        packs = self._build(stored)
        packs.prepare(now)
        return packs

    def _build(self, stored: Sequence[StoredPack]) -> PackSet:
        for each in stored:
            self._attestor.check(each)
        return build_pack_set(list_approved(stored))

    def _use(self, packs: PackSet, *, revision: int) -> None:
        before, self._current, self._seen = self._current, packs, revision
        known = {version.label for version in before.versions}
        announce_packs(packs, known=known)
        log.info("packs.loaded", revision=revision, pack_count=len(packs.versions))


def list_approved(stored: Sequence[StoredPack]) -> list[PackSource]:
    """The approved versions, each with the instant from which it decides."""
    return [
        PackSource(each.publication.label, each.publication.content, each.approval.in_force_from)
        for each in stored
        if each.approval is not None
    ]


def _count_approved(stored: Sequence[StoredPack]) -> int:
    return sum(1 for each in stored if each.approval is not None)


def announce_packs(packs: PackSet, *, known: set[str]) -> None:
    """Which versions are new."""
    for version in packs.versions:
        if version.label not in known:
            log.info(
                "pack.loaded",
                pack=version.label,
                rule_count=len(version.pack.rules),
                sha256=version.sha256,
            )
