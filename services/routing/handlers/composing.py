"""From planned alerts, notices and duties to sealed records and rows of the ledger."""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from schemas.alert import AlertForm, Command
from schemas.vocabulary import AlertKind, Group, Rung, Urgency
from services.routing.decision import PlannedAlert, PlannedDuty, PlannedNotice
from services.routing.handlers.contents import (
    FIRST_REVISION,
    write_alert_content,
    write_notice_content,
    write_review_content,
    write_stop_content,
)
from services.routing.handlers.detail import AlertDetail
from services.routing.handlers.identities import DUTY_NOTICE, REVIEW, Identities, decision_cause
from services.routing.handlers.matter import LadderPlace, Matter, Told
from services.routing.handlers.messages import build_alert_message
from services.routing.reminders import find_first
from services.routing.repository.rows import AlertRow, DutyRow, OutboxRow
from services.routing.system_rules import SYSTEM_TIMES

_NOTHING: Final[frozenset[Group]] = frozenset()


class Composer:
    """Turns what was planned about one event into what is written and sent."""

    def __init__(self, identities: Identities, matter: Matter) -> None:
        self._identities = identities
        self._matter = matter
        # The same duty stands on the alert, on its holder's notice, in the ledger and on the receipt.
        self._duty_ids: dict[tuple[str, str | None, str], UUID] = {}

    def compose_alert(
        self, alert: PlannedAlert, *, cause: str | None = None, place: LadderPlace | None = None
    ) -> Told:
        """No message for an external body: whoever holds the duty is told what to send there."""
        alert_id = self._alert_id(alert.agency, cause=cause or decision_cause(alert.cause))
        duty_ids = self.duty_ids(alert.duties)
        row = _alert_row(self._matter, alert, alert_id, self._find_replaced(alert))
        detail = AlertDetail(alert_id, alert.disclosed, alert.withheld, duty_ids, alert.until)
        if alert.contact is None:
            return Told(row, detail, None)
        content = write_alert_content(self._matter, alert, row, duty_ids=duty_ids)
        message = build_alert_message(
            self._matter,
            row,
            content,
            mandated=alert.mandated,
            in_earnest=alert.in_earnest,
            place=place,
        )
        return Told(row, detail, message)

    def compose_amendment(
        self, alert: PlannedAlert, last: AlertRow, *, place: LadderPlace | None = None
    ) -> Told:
        """The alert in its next revision, for as far as nobody has it yet."""
        duty_ids = self.duty_ids(alert.duties)
        row = _next_revision(self._matter, last, Command.AMEND)._replace(rules=" ".join(alert.rules))
        detail = AlertDetail(row.alert_id, alert.disclosed, alert.withheld, duty_ids, alert.until)
        content = write_alert_content(self._matter, alert, row, duty_ids=duty_ids)
        message = build_alert_message(
            self._matter,
            row,
            content,
            command=Command.AMEND,
            mandated=alert.mandated,
            in_earnest=alert.in_earnest,
            place=place,
        )
        return Told(row, detail, message)

    def compose_stop(self, last: AlertRow) -> Told:
        """The alert or notice in a revision that is told to nobody, and carries nothing."""
        row = _next_revision(self._matter, last, Command.STOP)
        detail = AlertDetail(row.alert_id, _NOTHING, _NOTHING, ())
        content = write_stop_content(self._matter, row)
        return Told(row, detail, build_alert_message(self._matter, row, content, command=Command.STOP))

    def compose_notice(self, notice: PlannedNotice) -> Told:
        notice_id = self._alert_id(notice.agency, cause=DUTY_NOTICE)
        duty_ids = self.duty_ids(notice.duties)
        row = _notice_row(self._matter, notice, notice_id)
        detail = AlertDetail(notice_id, frozenset(), frozenset(), duty_ids)
        content = write_notice_content(self._matter, notice, notice_id=notice_id, duty_ids=duty_ids)
        return Told(row, detail, build_alert_message(self._matter, row, content))

    def compose_reviews(self, duties: Iterable[PlannedDuty]) -> tuple[OutboxRow, ...]:
        """One record for each holder, for its register alone: its alert was updated or cancelled besides."""
        of_holder: dict[str, list[PlannedDuty]] = {}
        for duty in duties:
            if duty.holder is not None:
                of_holder.setdefault(duty.holder, []).append(duty)
        return tuple(self._compose_review(holder, own) for holder, own in of_holder.items())

    def _compose_review(self, holder: str, duties: Sequence[PlannedDuty]) -> OutboxRow:
        row = _review_row(self._matter, holder, self._alert_id(holder, cause=REVIEW))
        content = write_review_content(self.duty_ids(duties))
        return build_alert_message(self._matter, row, content, command=Command.REVIEW)

    def compose_duties(self, duties: tuple[PlannedDuty, ...]) -> tuple[DutyRow, ...]:
        by_id = dict(zip(self.duty_ids(duties), duties, strict=True))
        return tuple(_duty_row(self._matter, duty, duty_id) for duty_id, duty in by_id.items())

    def duty_ids(self, duties: Iterable[PlannedDuty]) -> tuple[UUID, ...]:
        return tuple(self._duty_id(duty) for duty in duties)

    def _duty_id(self, duty: PlannedDuty) -> UUID:
        known = self._duty_ids.get((duty.rule, duty.holder, duty.what))
        if known is None:
            known = self._identities.duty_id(
                source=self._matter.source,
                event_id=self._matter.root_id or self._matter.event_id,
                rule=duty.rule,
                holder=duty.holder,
                what=duty.what,
            )
            self._duty_ids[duty.rule, duty.holder, duty.what] = known
        return known

    def _find_replaced(self, alert: PlannedAlert) -> UUID | None:
        """The alert that an update or a cancel is about; a rung replaces nothing."""
        if alert.replaces is None or alert.escalation:
            return None
        return self._identities.row_alert_id(alert.replaces)

    def _alert_id(self, agency: str, *, cause: str) -> UUID:
        matter = self._matter
        if matter.identified_by_place:
            return self._identities.alert_id_of_record(matter.origin, agency=agency, cause=cause)
        return self._identities.alert_id(
            source=matter.source, event_id=matter.event_id, agency=agency, cause=cause
        )


def _next_revision(matter: Matter, last: AlertRow, command: Command) -> AlertRow:
    return last._replace(
        revision=last.revision + 1, command=command.value, decided_at=matter.now, detail=None
    )


def _alert_row(matter: Matter, alert: PlannedAlert, alert_id: UUID, replaces: UUID | None) -> AlertRow:
    return AlertRow(
        alert_id=alert_id,
        revision=FIRST_REVISION,
        source=matter.source,
        event_id=matter.event_id,
        case_ref=matter.case_ref,
        form=AlertForm.ALERT,
        kind=alert.kind,
        agency=alert.agency,
        role=alert.role,
        contact=alert.contact,
        rules=" ".join(alert.rules),
        urgency=alert.urgency,
        acknowledge_by=alert.acknowledge_by,
        escalation=alert.escalation,
        reason=alert.reason,
        exercise=alert.exercise,
        decided_at=matter.now,
        replaces=replaces,
    )


def _notice_row(matter: Matter, notice: PlannedNotice, notice_id: UUID) -> AlertRow:
    return AlertRow(
        alert_id=notice_id,
        revision=FIRST_REVISION,
        source=matter.source,
        event_id=matter.event_id,
        case_ref=matter.case_ref,
        form=AlertForm.DUTY_NOTICE,
        kind=AlertKind.ALERT,
        agency=notice.agency,
        role=None,
        contact=Rung.PRIMARY,
        rules=" ".join(sorted({duty.rule for duty in notice.duties})),
        urgency=notice.urgency,
        acknowledge_by=notice.acknowledge_by,
        escalation=0,
        reason=None,
        exercise=notice.exercise,
        decided_at=matter.now,
    )


def _review_row(matter: Matter, holder: str, review_id: UUID) -> AlertRow:
    """What the record says of itself; the ledger has the duties' status instead."""
    return AlertRow(
        alert_id=review_id,
        revision=FIRST_REVISION,
        source=matter.source,
        event_id=matter.event_id,
        case_ref=matter.case_ref,
        form=AlertForm.DUTY_NOTICE,
        kind=AlertKind.UPDATE,
        agency=holder,
        role=None,
        contact=Rung.PRIMARY,
        rules="",
        urgency=Urgency.ROUTINE,
        acknowledge_by=matter.now + SYSTEM_TIMES.routine,
        escalation=0,
        reason=None,
        exercise=False,
        decided_at=matter.now,
    )


def _duty_row(matter: Matter, duty: PlannedDuty, duty_id: UUID) -> DutyRow:
    return DutyRow(
        duty_id=duty_id,
        source=matter.source,
        event_id=matter.event_id,
        case_ref=matter.case_ref,
        rule=duty.rule,
        holder=duty.holder,
        what=duty.what,
        due=duty.due,
        decided_at=matter.now,
        remind_at=find_first(decided_at=matter.now, due=duty.due),
    )
