"""What routing puts on topics, as JSON.

Written without the models of the wire: every part is a typed value already, and building and rendering a
model costs four times as much. Tests read each of them with its model.
"""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import orjson

from schemas.alert import AlertForm, Command
from schemas.receipt import EventStatus, ReceiptKind
from schemas.vocabulary import AlertKind, Reason, Role, Rung, Urgency
from services.routing.decision import PlannedAlert, PlannedDuty, PlannedNotice
from services.routing.handlers.matter import LadderPlace, Matter
from services.routing.repository.rows import AlertRow, DecisionRow, EarlierDecision

FIRST_REVISION: Final = 1
NEEDS_REVIEW: Final = "needs_review"
"""Stands for the instant of a duty whose event was withdrawn."""

Json: TypeAlias = dict[str, Any]


def write_alert_content(
    matter: Matter, alert: PlannedAlert, row: AlertRow, *, duty_ids: tuple[UUID, ...]
) -> bytes:
    """An AlertContent."""
    return orjson.dumps(
        {
            "alert_id": row.alert_id,
            "revision": row.revision,
            "replaces": row.replaces,
            "kind": alert.kind,
            "case_ref": matter.case_ref,
            "event_id": matter.event_id,
            "event_type": matter.event_type,
            "agency": alert.agency,
            "role": alert.role,
            "rules": alert.rules,
            "packs": alert.packs,
            "urgency": alert.urgency,
            "acknowledge_by": alert.acknowledge_by,
            "escalation": alert.escalation,
            "county": alert.county,
            "emitter_role": alert.emitter_role,
            "exercise": alert.exercise,
            "disclosed": matter.values(alert.disclosed) if alert.disclosed else {},
            **({"until": alert.until} if alert.until else {}),
            **({"by_agreement": sorted(alert.by_agreement)} if alert.by_agreement else {}),
            "duties": [
                {**_duty(duty, duty_id), "holder": duty.holder}
                for duty, duty_id in zip(alert.duties, duty_ids, strict=True)
            ],
            "reason": alert.reason,
        },
        option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z,
    )


def write_notice_content(
    matter: Matter, notice: PlannedNotice, *, notice_id: UUID, duty_ids: tuple[UUID, ...]
) -> bytes:
    """A DutyNotice."""
    return orjson.dumps(
        {
            "notice_id": notice_id,
            "event_id": matter.event_id,
            "case_ref": matter.case_ref,
            "agency": notice.agency,
            "duties": list_duties(notice.duties, duty_ids),
        },
        option=orjson.OPT_UTC_Z,
    )


def write_stop_content(matter: Matter, row: AlertRow) -> bytes:
    """An AlertContent or a DutyNotice that says nothing but what it was about."""
    if row.form == AlertForm.DUTY_NOTICE:
        notice = PlannedNotice(row.agency, (), Urgency(row.urgency), row.acknowledge_by)
        return write_notice_content(matter, notice, notice_id=row.alert_id, duty_ids=())
    alert = PlannedAlert(
        agency=row.agency,
        role=Role(row.role or Role.TF_COORDINATOR),
        contact=Rung(row.contact or Rung.PRIMARY),
        kind=AlertKind(row.kind),
        rules=tuple(row.rules.split()),
        packs=(),
        urgency=Urgency(row.urgency),
        acknowledge_by=row.acknowledge_by,
        reason=None if row.reason is None else Reason(row.reason),
        disclosed=frozenset(),
        withheld=frozenset(),
        duties=(),
        emitter_role=None,
        county=None,
        exercise=row.exercise,
        escalation=row.escalation,
    )
    return write_alert_content(matter, alert, row, duty_ids=())


def write_review_content(duty_ids: Sequence[UUID]) -> bytes:
    """A DutyReview."""
    return orjson.dumps({"duty_ids": duty_ids})


def write_alert_record(
    matter: Matter,
    row: AlertRow,
    *,
    command: Command,
    sealed: bytes,
    mandated: bool,
    in_earnest: bool,
    place: LadderPlace | None = None,
) -> bytes:
    """An AlertRecord."""
    return orjson.dumps(
        {
            "command": command,
            "form": row.form,
            "alert_id": row.alert_id,
            "revision": row.revision,
            "agency": row.agency,
            "contact": row.contact,
            "case_ref": row.case_ref,
            "urgency": row.urgency,
            "acknowledge_by": row.acknowledge_by,
            "exercise": row.exercise and not in_earnest,
            "mandated": mandated,
            **({} if place is None else {"rung_of": str(place.alert_id), "rung_to": place.to}),
            "decided_at": row.decided_at,
            "directory_version": matter.directory_version,
            "correlation_id": matter.correlation_id,
            "key_id": matter.key.name,
            "sealed": urlsafe_b64encode(sealed).decode(),
        }
    )


def write_decided(
    matter: Matter,
    decision: EarlierDecision | DecisionRow,
    *,
    status: EventStatus,
    errors: str,
    at: datetime,
) -> bytes:
    """A Decided receipt; `errors` is JSON already."""
    duties = decision.duties_sealed
    return orjson.dumps(
        {
            "kind": ReceiptKind.DECIDED,
            "source": matter.source,
            "event_id": matter.event_id,
            "case_ref": decision.case_ref,
            "status": status,
            "errors": orjson.Fragment(errors),
            "key_id": None if duties is None else str(decision.key_id),
            "duties_sealed": None if duties is None else urlsafe_b64encode(duties).decode(),
            "at": at,
            "correlation_id": matter.correlation_id,
        }
    )


def list_duties(duties: tuple[PlannedDuty, ...], duty_ids: tuple[UUID, ...]) -> list[Json]:
    """NoticeDuty objects."""
    return [_duty(duty, duty_id) for duty, duty_id in zip(duties, duty_ids, strict=True)]


def _duty(duty: PlannedDuty, duty_id: UUID) -> Json:
    return {
        "duty_id": duty_id,
        "rule": duty.rule,
        "what": duty.what,
        "due": NEEDS_REVIEW if duty.needs_review else duty.due,
        "authority": duty.authority,
    }
