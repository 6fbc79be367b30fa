"""Webhook bodies, read by the models that are the contract."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from schemas.alert import (
    AlertData,
    AlertForm,
    AlertPointer,
    AlertRecord,
    DutyNotice,
    WebhookAlert,
    WebhookDutyNotice,
)
from services.notify.bodies import (
    ContentError,
    Links,
    build_body,
    build_data,
    build_pointer,
    name_webhook,
    parse_content,
)
from tests.unit.notify.records import ALERT_ID, DECIDED_AT, PLANTED, alert_content, alert_record, duty_notice

LINKS = Links("https://notify.example")


def content_of(record: AlertRecord) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(alert_content(record).model_dump_json())
    return document


def test_a_disclosed_alert_is_the_content_and_the_links() -> None:
    record = alert_record()
    body = build_body(
        record, build_data(record, content_of(record), LINKS, now=DECIDED_AT, has_agreement=True)
    )
    event = WebhookAlert.model_validate_json(body)
    assert isinstance(event.data, AlertData)
    assert event.data.disclosed == {"name": {"full": "Marisol Ejemplovich"}}
    assert event.data.links.alert == f"https://notify.example/v1/alerts/{ALERT_ID}"
    assert event.data.links.acknowledge == f"https://notify.example/v1/alerts/{ALERT_ID}/acknowledge"
    assert event.id == name_webhook(record) == f"{ALERT_ID}_1"
    assert event.time == record.decided_at


def test_a_pointer_holds_five_keys_and_nothing_of_the_case() -> None:
    record = alert_record()
    body = build_body(record, build_pointer(record, LINKS))
    event = WebhookAlert.model_validate_json(body)
    assert isinstance(event.data, AlertPointer)
    data = orjson.loads(body)["data"]
    assert set(data) == {"alert_id", "revision", "urgency", "acknowledge_by", "links"}
    assert not [word for word in PLANTED if word.encode() in body]


def test_a_pointer_to_an_exercise_says_that_it_is_one() -> None:
    record = alert_record(exercise=True)
    event = WebhookAlert.model_validate_json(build_body(record, build_pointer(record, LINKS)))
    assert event.data.exercise is True


def test_instants_are_written_in_utc() -> None:
    record = alert_record()
    event = orjson.loads(build_body(record, build_pointer(record, LINKS)))
    assert (event["time"], event["data"]["acknowledge_by"]) == (
        "2026-03-04T06:40:00Z",
        "2026-03-04T06:55:00Z",
    )


def test_a_duty_notice_is_its_content_alone() -> None:
    record = alert_record(form=AlertForm.DUTY_NOTICE)
    content = orjson.loads(duty_notice(record).model_dump_json())
    body = build_body(record, build_data(record, content, LINKS, now=DECIDED_AT, has_agreement=True))
    assert isinstance(WebhookDutyNotice.model_validate_json(body).data, DutyNotice)
    assert orjson.loads(body)["type"] == "org.tocsin.duty.v1"


def test_a_reason_is_told_only_where_there_is_one() -> None:
    record = alert_record()
    content = content_of(record)
    assert "reason" not in build_data(record, content, LINKS, now=DECIDED_AT, has_agreement=True)
    assert (
        build_data(record, {**content, "reason": "NO_AGENCY"}, LINKS, now=DECIDED_AT, has_agreement=True)[
            "reason"
        ]
        == "NO_AGENCY"
    )


def test_a_revision_has_a_webhook_id_of_its_own() -> None:
    assert name_webhook(alert_record(revision=2)) == f"{ALERT_ID}_2"


@pytest.mark.parametrize("plaintext", [b"", b"[]", b"null", b"{", b"\xff"])
def test_what_is_no_object_is_no_content(plaintext: bytes) -> None:
    with pytest.raises(ContentError):
        parse_content(plaintext)


def test_what_no_law_orders_is_left_out_without_an_agreement_and_which_that_is_always() -> None:
    record = alert_record()
    content = {
        "disclosed": {"name": {"full": "x"}, "age": {"band": "adult"}},
        "by_agreement": ["name"],
    }
    agreed = build_data(record, content, LINKS, now=DECIDED_AT, has_agreement=True)
    lapsed = build_data(record, content, LINKS, now=DECIDED_AT, has_agreement=False)
    assert agreed["disclosed"] == content["disclosed"]
    assert lapsed["disclosed"] == {"age": {"band": "adult"}}
    assert "by_agreement" not in agreed
    assert "by_agreement" not in lapsed


def test_a_group_is_left_out_from_its_instant_on_and_the_instant_always() -> None:
    record = alert_record()
    content = {
        "disclosed": {"name": {"full": "x"}, "age": {"band": "adult"}},
        "until": {"name": DECIDED_AT.isoformat()},
    }
    before = build_data(
        record, content, LINKS, now=DECIDED_AT - timedelta(microseconds=1), has_agreement=True
    )
    at = build_data(record, content, LINKS, now=DECIDED_AT, has_agreement=True)
    assert before["disclosed"] == content["disclosed"]
    assert at["disclosed"] == {"age": {"band": "adult"}}
    assert "until" not in before
    assert "until" not in at
