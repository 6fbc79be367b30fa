"""What follows an event later, by the clock, is decided by: rungs of ladders and reminders of duties."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.routing.decision import Directory
from services.routing.handlers.batch import Means
from services.routing.handlers.case_keys import find_case_keys
from services.routing.handlers.case_states import CaseBook
from services.routing.repository.follow_ups import FollowUpRepository
from services.routing.repository.rows import Account, Moment
from services.routing.rules import PackSet
from services.runtime.keyring import CaseKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What holds at one moment for the events of a page, whose cases are locked."""

    now: datetime
    directory: Directory
    packs: PackSet
    cases: CaseBook
    accounts: Mapping[tuple[str, str], Account]
    keys: Mapping[UUID, CaseKey | None]

    def find(self, source: str, event_id: str) -> tuple[Account | None, CaseKey | None]:
        """The event's account in the ledger and its case's key; no key where the case was destroyed."""
        account = self.accounts.get((source, event_id))
        return account, None if account is None else self.keys.get(account.key_id)


async def look_around(
    means: Means,
    follow_ups: FollowUpRepository,
    *,
    moment: Moment,
    case_states: Mapping[str, bytes | None],
    events: Collection[tuple[str, str]],
) -> Outlook:
    """With the cases' rows locked, and the moment read after that."""
    accounts = await follow_ups.find_accounts(events)
    return Outlook(
        now=moment.now,
        directory=await means.directories.get(moment.directory_version),
        packs=await means.protocols.get(moment.pack_revision),
        cases=CaseBook(case_states, means.case_memory),
        accounts=accounts,
        keys=await find_case_keys(means.keyring, {account.key_id for account in accounts.values()}),
    )
