"""An alert record for tests of the pure parts, and the values that may appear nowhere but in its content."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from schemas.alert import AlertContent, AlertForm, AlertRecord, DutyNotice
from schemas.vocabulary import AlertKind, Group, Role, Urgency

ALERT_ID = UUID("1a2b3c4d-0000-8000-8000-00000000000a")
CASE_KEY_ID = UUID("00000000-0000-4000-8000-0000000000aa")
DECIDED_AT = datetime(2026, 3, 4, 6, 40, tzinfo=UTC)
PLANTED = ("Marisol", "Ejemplovich", "01JNF0Z6W3", "cad-2026-0001", "victim.recovered", "ag-kern-cw", "06029")
"""A name, a case, an event, its type, the agency and the county: none may be in an e-mail or a page."""


def alert_record(
    *,
    alert_id: UUID = ALERT_ID,
    revision: int = 1,
    agency: str = "ag-kern-cw",
    form: AlertForm = AlertForm.ALERT,
    urgency: Urgency = Urgency.IMMEDIATE,
    key_id: UUID = CASE_KEY_ID,
    sealed: bytes = b"sealed",
    exercise: bool = False,
) -> AlertRecord:
    return AlertRecord(
        form=form,
        alert_id=alert_id,
        revision=revision,
        agency=agency,
        case_ref="01JNF0Z6W3",
        urgency=urgency,
        acknowledge_by=DECIDED_AT + timedelta(minutes=15),
        decided_at=DECIDED_AT,
        directory_version=1,
        correlation_id="c" * 32,
        key_id=key_id,
        sealed=sealed,
        exercise=exercise,
    )


def alert_content(record: AlertRecord) -> AlertContent:
    return AlertContent(
        alert_id=record.alert_id,
        revision=record.revision,
        replaces=None,
        kind=AlertKind.ALERT,
        case_ref=record.case_ref,
        event_id="cad-2026-0001",
        event_type="org.tocsin.victim.recovered.v1",
        agency=record.agency,
        role=Role.CHILD_WELFARE,
        rules=["K-03"],
        packs=["ca-kern-httf@2.1.0"],
        urgency=record.urgency,
        acknowledge_by=record.acknowledge_by,
        escalation=0,
        county="06029",
        emitter_role=Role.LEA_LOCAL,
        exercise=record.exercise,
        disclosed={Group.NAME: {"full": "Marisol Ejemplovich"}},
        duties=[],
    )


def duty_notice(record: AlertRecord) -> DutyNotice:
    return DutyNotice(
        notice_id=record.alert_id,
        event_id="cad-2026-0001",
        case_ref=record.case_ref,
        agency=record.agency,
        duties=[],
    )
