"""From planned alerts, notices and duties to sealed records and rows of the ledger."""

from collections.abc import Iterable
from uuid import UUID

from schemas.alert import AlertContent, AlertForm, DutyItem, DutyNotice, NoticeDuty
from schemas.vocabulary import AlertKind, Rung
from services.routing.decision import PlannedAlert, PlannedDuty, PlannedNotice
from services.routing.handlers.identities import DECISION, DUTY_NOTICE, Identities
from services.routing.handlers.matter import Matter
from services.routing.handlers.messages import FIRST_REVISION, build_alert_message
from services.routing.repository.rows import AlertRow, DutyRow, OutboxRow


class Composer:
    """Turns what was planned into what is written and sent."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    def alert_id(self, matter: Matter, *, agency: str, cause: str) -> UUID:
        if matter.identified_by_place:
            return self._identities.alert_id_of_record(matter.origin, agency=agency, cause=cause)
        return self._identities.alert_id(
            source=matter.source, event_id=matter.event_id, agency=agency, cause=cause
        )

    def duty_id(self, matter: Matter, duty: PlannedDuty) -> UUID:
        return self._identities.duty_id(
            source=matter.source,
            event_id=matter.event_id,
            rule=duty.rule,
            holder=duty.holder,
            what=duty.what,
        )

    def compose_alert(
        self, matter: Matter, alert: PlannedAlert, *, cause: str | None = None
    ) -> tuple[AlertRow, OutboxRow | None]:
        """No message for an external body: whoever holds the duty is told what to send there."""
        alert_id = self.alert_id(matter, agency=alert.agency, cause=cause or _cause_of(alert))
        row = _alert_row(matter, alert, alert_id)
        if alert.contact is None:
            return row, None
        content = self._content(matter, alert, alert_id)
        return row, build_alert_message(matter, row, content)

    def compose_notice(self, matter: Matter, notice: PlannedNotice) -> tuple[AlertRow, OutboxRow]:
        notice_id = self.alert_id(matter, agency=notice.agency, cause=DUTY_NOTICE)
        row = _notice_row(matter, notice, notice_id)
        content = DutyNotice(
            notice_id=notice_id,
            event_id=matter.event_id,
            case_ref=matter.case_ref,
            agency=notice.agency,
            duties=self.notice_duties(matter, notice.duties),
        )
        return row, build_alert_message(matter, row, content)

    def compose_duties(self, matter: Matter, duties: Iterable[PlannedDuty]) -> tuple[DutyRow, ...]:
        rows = {self.duty_id(matter, duty): duty for duty in duties}
        return tuple(
            DutyRow(
                duty_id=duty_id,
                source=matter.source,
                event_id=matter.event_id,
                case_ref=matter.case_ref,
                rule=duty.rule,
                holder=duty.holder,
                what=duty.what,
                due=duty.due,
                decided_at=matter.now,
            )
            for duty_id, duty in rows.items()
        )

    def notice_duties(self, matter: Matter, duties: Iterable[PlannedDuty]) -> list[NoticeDuty]:
        return [
            NoticeDuty(
                duty_id=self.duty_id(matter, duty),
                rule=duty.rule,
                what=duty.what,
                due=duty.due,
                authority=list(duty.authority),
            )
            for duty in duties
        ]

    def _content(self, matter: Matter, alert: PlannedAlert, alert_id: UUID) -> AlertContent:
        return AlertContent(
            alert_id=alert_id,
            revision=FIRST_REVISION,
            replaces=None,
            kind=alert.kind,
            case_ref=matter.case_ref,
            event_id=matter.event_id,
            event_type=matter.event_type,
            agency=alert.agency,
            role=alert.role,
            rules=list(alert.rules),
            packs=list(alert.packs),
            urgency=alert.urgency,
            acknowledge_by=alert.acknowledge_by,
            escalation=alert.escalation,
            county=alert.county,
            emitter_role=alert.emitter_role,
            exercise=alert.exercise,
            disclosed=dict(matter.values(alert.disclosed)) if alert.disclosed else {},
            duties=[self._duty_item(matter, duty) for duty in alert.duties],
            reason=alert.reason,
        )

    def _duty_item(self, matter: Matter, duty: PlannedDuty) -> DutyItem:
        return DutyItem(
            duty_id=self.duty_id(matter, duty),
            rule=duty.rule,
            holder=duty.holder,
            what=duty.what,
            due=duty.due,
            authority=list(duty.authority),
        )


def _cause_of(alert: PlannedAlert) -> str:
    """A row that tells of a problem is another alert than the one that the rules yield."""
    return DECISION if alert.reason is None else f"{DECISION}/{alert.cause}"


def _alert_row(matter: Matter, alert: PlannedAlert, alert_id: UUID) -> AlertRow:
    return AlertRow(
        alert_id=alert_id,
        revision=FIRST_REVISION,
        source=matter.source,
        event_id=matter.event_id,
        case_ref=matter.case_ref,
        form=AlertForm.ALERT.value,
        kind=alert.kind.value,
        agency=alert.agency,
        role=alert.role.value,
        contact=None if alert.contact is None else alert.contact.value,
        rules=" ".join(alert.rules),
        urgency=alert.urgency.value,
        acknowledge_by=alert.acknowledge_by,
        escalation=alert.escalation,
        reason=None if alert.reason is None else alert.reason.value,
        exercise=alert.exercise,
        decided_at=matter.now,
    )


def _notice_row(matter: Matter, notice: PlannedNotice, notice_id: UUID) -> AlertRow:
    return AlertRow(
        alert_id=notice_id,
        revision=FIRST_REVISION,
        source=matter.source,
        event_id=matter.event_id,
        case_ref=matter.case_ref,
        form=AlertForm.DUTY_NOTICE.value,
        kind=AlertKind.ALERT.value,
        agency=notice.agency,
        role=None,
        contact=Rung.PRIMARY.value,
        rules=" ".join(sorted({duty.rule for duty in notice.duties})),
        urgency=notice.urgency.value,
        acknowledge_by=notice.acknowledge_by,
        escalation=0,
        reason=None,
        exercise=notice.exercise,
        decided_at=matter.now,
    )
