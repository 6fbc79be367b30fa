"""Agencies that left, or whose agreement ended, while something was on its way to them."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from services.routing.handlers.amending import Amender, Unsettled
from services.routing.handlers.batch import Means
from services.routing.handlers.case_keys import find_case_keys
from services.routing.handlers.case_states import CaseBook, UnsettledCase
from services.routing.handlers.climbing import NO_RECORD
from services.routing.handlers.lines import write_lines
from services.routing.handlers.matter import Judged
from services.routing.repository.batch import BatchRepository
from services.routing.repository.follow_ups import FollowUpRepository
from services.routing.repository.rows import KeyedCase, Origin
from services.runtime.crypto import SealError
from services.runtime.database import transaction
from services.runtime.keyring import CaseKey
from services.runtime.logs import get_logger
from services.runtime.repeating import repeat_for_ever

log = get_logger()

LOOK_SECONDS: Final = 5.0
PAGE: Final = 100


class Withdrawals:
    """Looks by itself: an agreement ends without anybody telling us.

    What nobody acknowledged is found by its ladder. Looking again changes nothing.
    """

    def __init__(self, means: Means) -> None:
        self._means = means

    async def look_for_ever(self) -> None:
        await repeat_for_ever(
            self.withdraw,
            seconds=LOOK_SECONDS,
            on_trouble=lambda error: log.warning(
                "alerts.not_withdrawn", reason="unavailable", exc_info=error
            ),
        )

    async def withdraw(self) -> int:
        """How many alerts were amended or stopped. Raises transient errors: the rest is found again."""
        count, after = 0, ""
        while True:
            page, withdrawn = await self._withdraw_page(after=after)
            count += len(withdrawn)
            if len(page) < PAGE:
                return count
            after = page[-1].case_ref

    async def _withdraw_page(self, *, after: str) -> tuple[list[KeyedCase], list[Judged]]:
        async with transaction(self._means.pool) as connection:
            repository, follow_ups = BatchRepository(connection), FollowUpRepository(connection)
            page = await self._find_page(repository, follow_ups, after=after)
            withdrawn = await self._amend(repository, follow_ups, page) if page else []
        for one in withdrawn:
            write_lines(one.lines)
        await self._means.sender.send([row for one in withdrawn for row in one.messages])
        return page, withdrawn

    async def _find_page(
        self, repository: BatchRepository, follow_ups: FollowUpRepository, *, after: str
    ) -> list[KeyedCase]:
        moment = await repository.read_moment()
        directory = await self._means.directories.get(moment.directory_version)
        lapsed = directory.list_lapsed(moment.now)
        return await follow_ups.list_cases_waiting_for(lapsed, after=after, limit=PAGE) if lapsed else []

    async def _amend(
        self, repository: BatchRepository, follow_ups: FollowUpRepository, page: Sequence[KeyedCase]
    ) -> list[Judged]:
        """With the cases' rows locked: what the case says of consents is judged as well."""
        book = CaseBook(
            await repository.lock_cases({case.case_ref for case in page}), self._means.case_memory
        )
        amender = await self._build_amender(repository)
        keys = await find_case_keys(self._means.keyring, {case.key_id for case in page})
        cases = [found for case in page if (found := _open(book, case, keys)) is not None]
        withdrawn = await amender.amend(follow_ups, Unsettled(cases=cases, replaced=()))
        await repository.insert_alerts([row for one in withdrawn for row in one.alerts])
        await repository.insert_messages([row for one in withdrawn for row in one.messages])
        return withdrawn

    async def _build_amender(self, repository: BatchRepository) -> Amender:
        """By what holds once the cases are ours: who had them may have decided by a newer directory."""
        moment = await repository.read_moment()
        return Amender(
            recorder=self._means.recorder,
            packs=await self._means.protocols.get(moment.pack_revision),
            directory=await self._means.directories.get(moment.directory_version),
            origin=Origin(self._means.cluster_id, NO_RECORD, NO_RECORD),
            now=moment.now,
        )


def _open(book: CaseBook, case: KeyedCase, keys: Mapping[UUID, CaseKey | None]) -> UnsettledCase | None:
    """None for a case that does not open: its ladder, which cannot climb either, alarms."""
    key = keys.get(case.key_id)
    try:
        return None if key is None else UnsettledCase(case.case_ref, key, book.open(case.case_ref, key))
    except SealError:
        return None
