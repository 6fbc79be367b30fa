"""What is on its way when consents or conflicts change: amended or stopped (DESIGN 3, guarantee 4)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from schemas.alert import AlertForm
from services.routing.amending import STOP, Change, OnItsWay, Stop, next_telling
from services.routing.case_state import EventKey
from services.routing.corrections import CLIMBING
from services.routing.decision import Directory
from services.routing.handlers.case_states import UnsettledCase
from services.routing.handlers.detail import open_told_detail
from services.routing.handlers.matter import Judged, Line, Matter
from services.routing.handlers.recalling import recall_detail, recall_matter
from services.routing.handlers.recording import Recorder
from services.routing.handlers.surroundings import NO_CORRELATION
from services.routing.history import find_shares
from services.routing.repository.follow_ups import FollowUpRepository
from services.routing.repository.rows import Account, AlertRow, Origin, PendingAlert
from services.routing.rules import PackSet
from services.runtime.crypto import SealError
from services.runtime.keyring import CaseKey

_CLIMBING: Final = frozenset(kind.value for kind in CLIMBING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """What changed in a batch: cases whose consents or conflicts did, and alerts that others replace.

    `cases` has the cases of both.
    """

    cases: Sequence[UnsettledCase]
    replaced: Collection[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amender:
    """Looks at what was told and nobody is known to have; in the transaction that changed the case."""

    recorder: Recorder
    packs: PackSet
    directory: Directory
    origin: Origin
    now: datetime

    async def amend(self, follow_ups: FollowUpRepository, unsettled: Unsettled) -> list[Judged]:
        """The revisions to write and publish, after what the batch itself tells."""
        cases = {case.case_ref: case for case in unsettled.cases}
        pending = await follow_ups.find_pending_alerts(cases.keys())
        events = {(alert.row.source, alert.row.event_id) for alert in pending}
        accounts = await follow_ups.find_accounts(events) if events else {}
        replaced = _with_rungs(pending, unsettled.replaced)
        return [
            judged
            for alert in pending
            if (judged := self._try_to_amend(alert, cases[alert.row.case_ref], accounts, replaced))
        ]

    def _try_to_amend(
        self,
        alert: PendingAlert,
        case: UnsettledCase,
        accounts: Mapping[tuple[str, str], Account],
        replaced: Collection[UUID],
    ) -> Judged | None:
        """What cannot be judged is stopped and alarms: it must not show too much, nor hold up all others."""
        try:
            return self._amend(alert, case, accounts, replaced)
        except Exception as error:  # noqa: BLE001 -- one alert must not hold up the batch; stopped and alarmed
            matter = self._matter(alert.row, case, accounts.get((alert.row.source, alert.row.event_id)))
            judged = self.recorder.record_stop(matter, alert.row)
            keys: dict[str, object] = {**_place(alert.row, matter), "exc_info": error}
            judged.lines = (Line("alert.not_amended", "error", keys),)
            return judged

    def _amend(
        self,
        alert: PendingAlert,
        case: UnsettledCase,
        accounts: Mapping[tuple[str, str], Account],
        replaced: Collection[UUID],
    ) -> Judged | None:
        account = accounts.get((alert.row.source, alert.row.event_id))
        change = self._judge(alert, case, account, replaced)
        if change is None:
            return None
        matter = self._matter(alert.row, case, account)
        if isinstance(change, Stop) or account is None:
            judged, event = self.recorder.record_stop(matter, alert.row), "alert.stopped"
        else:
            matter = recall_matter(matter, account)
            judged, event = self.recorder.record_amendment(matter, alert.row, change), "alert.amended"
        judged.lines = (Line(event, "info", _place(alert.row, matter)),)
        return judged

    def _judge(
        self, alert: PendingAlert, case: UnsettledCase, account: Account | None, replaced: Collection[UUID]
    ) -> Change:
        """A conflicted agency loses what it was told before, too; nobody else does."""
        row = alert.row
        if row.agency in case.state.conflicts:
            return STOP
        if alert.is_received:
            return None
        if row.alert_id in replaced or not self._is_member(row.agency):
            return STOP
        if (
            account is None
            or row.form != AlertForm.ALERT
            or row.kind not in _CLIMBING
            or row.reason is not None
        ):
            return None
        try:
            told = _find_told(row, account, case.key)
        except SealError:
            # What cannot be judged must not be shown.
            return STOP
        return next_telling(told, case.state, self.directory, self.packs, self.now)

    def _is_member(self, agency: str) -> bool:
        member = self.directory.find_member(agency)
        return member is not None and not member.offboarded

    def _matter(self, row: AlertRow, case: UnsettledCase, account: Account | None) -> Matter:
        found = case.state.find_event(EventKey(row.source, row.event_id))
        return Matter(
            origin=self.origin,
            now=self.now,
            directory_version=self.directory.version,
            key=case.key,
            correlation_id=NO_CORRELATION if account is None else account.correlation_id,
            source=row.source,
            event_id=row.event_id,
            case_ref=row.case_ref,
            root_id=None if found is None else found.root.id,
        )


def _with_rungs(pending: Sequence[PendingAlert], replaced: Collection[UUID]) -> set[UUID]:
    """These alerts, and what their agencies were told again of them because nobody acknowledged."""
    told = {_telling(alert.row) for alert in pending if alert.row.alert_id in replaced}
    rungs = {alert.row.alert_id for alert in pending if alert.row.escalation and _telling(alert.row) in told}
    return {*replaced, *rungs}


def _telling(row: AlertRow) -> tuple[str, str, str]:
    return row.source, row.event_id, row.agency


def _find_told(row: AlertRow, account: Account, key: CaseKey) -> OnItsWay:
    """What it showed, by which rules. Raises SealError."""
    if row.detail is not None:
        own = open_told_detail(row.detail, key=key, alert_id=row.alert_id, revision=row.revision)
        disclosed, until, shares = own.disclosed, own.until, own.shares
    else:
        detail = recall_detail(account, key, source=row.source, event_id=row.event_id)
        shown = {alert.alert_id: (alert.disclosed, alert.until) for alert in detail.alerts}
        disclosed, until = shown.get(row.alert_id, (frozenset(), {}))
        shares = tuple(find_shares(detail.considered).get(row.agency, ()))
    return OnItsWay(
        source=row.source,
        event_id=row.event_id,
        agency=row.agency,
        escalation=row.escalation,
        acknowledge_by=row.acknowledge_by,
        disclosed=disclosed,
        until=until,
        shares=shares,
    )


def _place(row: AlertRow, matter: Matter) -> dict[str, object]:
    return {
        "alert_id": row.alert_id,
        "event_id": row.event_id,
        "source": row.source,
        "case_ref": row.case_ref,
        "correlation_id": matter.correlation_id,
    }
