"""What routing writes by hand is what the models of the wire read."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from schemas.alert import AlertContent, AlertForm, AlertRecord, Command, DutyNotice, DutyReview
from schemas.receipt import Decided, EventStatus
from schemas.vocabulary import AlertKind, Group, Reason, Role, Rung, Urgency
from services.routing.decision import PlannedAlert, PlannedDuty, PlannedNotice
from services.routing.handlers.contents import (
    write_alert_content,
    write_alert_record,
    write_decided,
    write_notice_content,
    write_review_content,
)
from services.routing.handlers.matter import Matter
from services.routing.repository.rows import AlertRow, EarlierDecision, Origin
from services.runtime.keyring import CaseKey

NOW = datetime(2026, 3, 4, 6, 40, tzinfo=UTC)
ID = UUID(int=7)
SOURCE = "urn:tocsin:agency:ag-bpd:cad"
DUTY = PlannedDuty("K-03", "ag-bpd", "telephone now", NOW, ("Penal Code 11166(a)",))
MATTER = Matter(
    origin=Origin("cluster", 0, 0),
    now=NOW,
    directory_version=3,
    key=CaseKey(UUID(int=9), b"k" * 32),
    correlation_id="c" * 32,
    source=SOURCE,
    event_id="e1",
    case_ref="case-1",
    event_type="victim.recovered",
    emitter="ag-bpd",
    values=lambda groups: {group: {"text": "x"} for group in groups},
)
ALERT = PlannedAlert(
    agency="ag-kern-cw",
    role=Role.CHILD_WELFARE,
    contact=Rung.PRIMARY,
    kind=AlertKind.ALERT,
    rules=("K-03",),
    packs=("ca-kern-httf@2.1.0",),
    urgency=Urgency.IMMEDIATE,
    acknowledge_by=NOW,
    reason=None,
    disclosed=frozenset({Group.NARRATIVE}),
    withheld=frozenset({Group.NAME}),
    duties=(DUTY,),
    emitter_role=Role.LEA_LOCAL,
    county="06029",
    exercise=False,
)
ROW = AlertRow(
    alert_id=ID,
    revision=1,
    source=SOURCE,
    event_id="e1",
    case_ref="case-1",
    form=AlertForm.ALERT,
    kind=AlertKind.ALERT,
    agency="ag-kern-cw",
    role=Role.CHILD_WELFARE,
    contact=Rung.PRIMARY,
    rules="K-03",
    urgency=Urgency.IMMEDIATE,
    acknowledge_by=NOW,
    escalation=0,
    reason=Reason.NO_AGENCY,
    exercise=False,
    decided_at=NOW,
)
EARLIER = EarlierDecision("case-1", "06029", "routed", "[]", UUID(int=9), b"d", b"sealed", NOW, frozenset())


def test_an_alerts_content() -> None:
    content = AlertContent.model_validate_json(write_alert_content(MATTER, ALERT, ROW, duty_ids=(ID,)))

    assert content.disclosed == {Group.NARRATIVE: {"text": "x"}}
    assert [(duty.duty_id, duty.holder, duty.due) for duty in content.duties] == [(ID, "ag-bpd", NOW)]
    # Nothing that is disclosed here ends by a date, and no part of Tocsin is in trouble.
    assert set(AlertContent.model_fields) - {"until", "by_agreement", "concern"} == content.model_fields_set


def test_what_is_told_by_consent_alone_says_until_when() -> None:
    alert = replace(ALERT, until={Group.NARRATIVE: NOW})

    content = AlertContent.model_validate_json(write_alert_content(MATTER, alert, ROW, duty_ids=(ID,)))

    assert content.until == {Group.NARRATIVE: NOW}


def test_what_no_law_orders_is_named() -> None:
    alert = replace(ALERT, by_agreement=frozenset({Group.NARRATIVE}))

    content = AlertContent.model_validate_json(write_alert_content(MATTER, alert, ROW, duty_ids=(ID,)))

    assert content.by_agreement == [Group.NARRATIVE]


def test_a_duty_to_be_reviewed_has_no_instant_and_a_cancel_says_what_it_replaces() -> None:
    cancel = replace(ALERT, kind=AlertKind.CANCEL, duties=(replace(DUTY, due=None, needs_review=True),))

    content = AlertContent.model_validate_json(
        write_alert_content(MATTER, cancel, ROW._replace(replaces=UUID(int=5)), duty_ids=(ID,))
    )

    assert [duty.due for duty in content.duties] == ["needs_review"]
    assert content.replaces == UUID(int=5)


def test_a_review_names_duties_alone() -> None:
    assert DutyReview.model_validate_json(write_review_content([ID])).duty_ids == [ID]


def test_a_notices_content_names_no_holder() -> None:
    notice = PlannedNotice("ag-bpd", (DUTY,), Urgency.URGENT, NOW)

    content = DutyNotice.model_validate_json(
        write_notice_content(MATTER, notice, notice_id=ID, duty_ids=(ID,))
    )

    assert [duty.rule for duty in content.duties] == ["K-03"]


def test_an_alert_record() -> None:
    record = AlertRecord.model_validate_json(
        write_alert_record(
            MATTER, ROW, command=Command.DELIVER, sealed=b"\xff\xfe", mandated=False, in_earnest=False
        )
    )

    assert not record.mandated
    assert (record.sealed, record.key_id, record.directory_version) == (b"\xff\xfe", UUID(int=9), 3)
    assert set(AlertRecord.model_fields) - {"rung_of", "rung_to"} == record.model_fields_set


def test_a_decided_receipt_carries_the_emitters_duties_sealed() -> None:
    written = write_decided(
        MATTER,
        EARLIER,
        status=EventStatus.REFUSED,
        errors='[{"path": "/id", "message": "no"}]',
        at=NOW,
    )

    receipt = Decided.model_validate_json(written)
    assert (receipt.duties_sealed, receipt.key_id) == (b"sealed", UUID(int=9))
    assert [error.path for error in receipt.errors] == ["/id"]


def test_a_decided_receipt_without_duties_names_no_key() -> None:
    written = write_decided(
        MATTER, EARLIER._replace(duties_sealed=None), status=EventStatus.DECIDED, errors="[]", at=NOW
    )

    receipt = Decided.model_validate_json(written)
    assert (receipt.duties_sealed, receipt.key_id) == (None, None)
