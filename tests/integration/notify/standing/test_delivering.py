"""From a record on the alerts topic to a verified webhook and a postcard, and back as receipts."""

import pytest

from schemas.alert import AlertForm, AlertPointer, WebhookAlert, WebhookDutyNotice
from schemas.receipt import Delivered, Failed
from schemas.topics import ALERTS
from schemas.vocabulary import AgencyStatus, EndpointContent
from tests.integration.notify.rig import Rig
from tests.integration.notify.standing.at_work import Standing
from tests.support.mailbox import Mailbox
from tests.support.receivers import Receivers
from tests.unit.notify.records import PLANTED

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENCY = "ag-kern-cw"


async def test_an_alert_reaches_every_endpoint_and_the_contact_and_routing_is_told(
    rig: Rig, standing: Standing, receivers: Receivers, mailbox: Mailbox, logs: list[dict[str, object]]
) -> None:
    await rig.add_agency(AGENCY, receivers["one"], receivers["two"], email="duty@cw.example")
    async with standing.at_work():
        alert = await rig.send_alert()
        arrivals = [(await receivers[name].wait_for(1))[0] for name in ("one", "two")]
        await mailbox.wait_for(1)
        receipts = await rig.wait_for_receipts(*["delivered"] * 3)
    assert [arrival.is_verified for arrival in arrivals] == [True, True]
    for arrival in arrivals:
        event = WebhookAlert.model_validate_json(arrival.body)
        assert event.id == arrival.webhook_id == f"{alert.alert_id}_1"
        assert arrival.data["disclosed"] == {"name": {"full": "Marisol Ejemplovich"}}
        assert arrival.headers["content-type"] == "application/cloudevents+json"
    channels = [receipt.channel for receipt in receipts if isinstance(receipt, Delivered)]
    assert sorted(channels) == ["email", "webhook", "webhook"]
    assert {getattr(receipt, "correlation_id", None) for receipt in receipts} == {alert.correlation_id}
    assert not [word for word in ("Marisol", "Ejemplovich") if word in str(logs)]


async def test_an_endpoint_with_pointer_content_gets_nothing_of_the_case(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"], content=EndpointContent.POINTER)
    async with standing.at_work():
        alert = await rig.send_alert()
        (arrival,) = await receivers["one"].wait_for(1)
    data = WebhookAlert.model_validate_json(arrival.body).data
    assert isinstance(data, AlertPointer)
    assert data.links.acknowledge == f"https://notify.example/v1/alerts/{alert.alert_id}/acknowledge"
    assert not [word for word in PLANTED if word.encode() in arrival.body]


async def test_a_duty_notice_is_an_event_of_its_own_type(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    async with standing.at_work():
        notice = await rig.send_alert(form=AlertForm.DUTY_NOTICE)
        (arrival,) = await receivers["one"].wait_for(1)
    assert arrival.is_verified
    assert WebhookDutyNotice.model_validate_json(arrival.body).data.notice_id == notice.alert_id


async def test_the_email_is_a_postcard_and_holds_none_of_the_planted_words(
    rig: Rig, standing: Standing, mailbox: Mailbox
) -> None:
    await rig.add_agency(AGENCY, email="duty@cw.example")
    async with standing.at_work():
        alert = await rig.send_alert()
        (mail,) = await mailbox.wait_for(1)
    short = alert.alert_id.hex[:8].upper()
    message = mail.message
    assert (mail.sender, mail.recipient) == ("notices@desk.example", "duty@cw.example")
    assert message["subject"] == f"IMMEDIATE notice {short} - acknowledge by 22:55 PST"
    assert message["from"] == "Notices <notices@desk.example>"
    assert message["auto-submitted"] == "auto-generated"
    assert message["date"] is not None
    assert message["message-id"].endswith("@desk.example>")
    assert message.get_content_type() == "multipart/alternative"
    assert mail.part("plain").replace("\r\n", "\n") == (
        f"IMMEDIATE notice {short}\n\n"
        "A notice needs your acknowledgement by 2126-03-03 22:55 PST (2126-03-04 06:55 UTC).\n\n"
        f"Sign in: https://notify.example/a/{alert.alert_id}\n\n"
        "Do not reply with case details.\n"
        "If you cannot sign in, call the duty desk: +1 661 555 0100.\n"
    )
    assert f"https://notify.example/a/{alert.alert_id}" in mail.part("html")
    assert not [word for word in PLANTED if word.encode() in mail.content]
    assert [part["MIME-Version"] for part in message.iter_parts()] == [None, None]
    assert set(message.keys()) == {
        *("From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References"),
        *("Auto-Submitted", "X-Auto-Response-Suppress", "MIME-Version", "Content-Type"),
    }


async def test_what_does_not_open_under_its_case_is_told_under_the_operations_key(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    async with standing.at_work():
        await rig.publish_alerts(await rig.seal_alert(for_operations=True))
        (arrival,) = await receivers["one"].wait_for(1)
    assert arrival.is_verified


async def test_an_alert_of_a_shredded_case_is_a_dead_letter_and_stops_nothing_else(
    rig: Rig, standing: Standing, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    shredded = await rig.seal_alert()
    await rig.shred(shredded.key_id)
    other = await rig.seal_alert(for_operations=True)
    async with standing.at_work():
        await rig.publish_alerts(shredded, other)
        (arrival,) = await receivers["one"].wait_for(1)
        receipts = await rig.wait_for_receipts("failed", "delivered")
    assert arrival.data["alert_id"] == str(other.alert_id)
    (failed,) = [receipt for receipt in receipts if isinstance(receipt, Failed)]
    assert (failed.alert_id, failed.outcome) == (shredded.alert_id, "refused")
    dead = [line for line in logs if line["event"] == "delivery.refused"]
    assert [(line["detail"], line["level"]) for line in dead] == [("key_shredded", "error")]


async def test_an_alert_sealed_for_another_agency_is_refused(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    await rig.add_agency("ag-other", receivers["other"])
    alert = await rig.seal_alert(agency=AGENCY)
    async with standing.at_work():
        await rig.publish_alerts(alert.model_copy(update={"agency": "ag-other"}))
        row = await rig.wait_for_row("SELECT detail, outcome FROM notify.attempt")
    assert row == {"detail": "seal_broken", "outcome": "refused"}
    assert receivers["other"].arrivals == []


async def test_an_agency_that_left_gets_nothing(
    rig: Rig, standing: Standing, receivers: Receivers, mailbox: Mailbox
) -> None:
    await rig.add_agency(AGENCY, receivers["one"], email="duty@cw.example", status=AgencyStatus.OFFBOARDED)
    async with standing.at_work():
        await rig.send_alert()
        await rig.wait_for_receipts("failed", "failed")
    rows = await rig.query("SELECT detail, outcome FROM notify.attempt")
    assert rows == [{"detail": "offboarded", "outcome": "refused"}] * 2
    assert (receivers["one"].arrivals, mailbox.mails) == ([], [])


async def test_an_alert_waits_for_the_directory_that_its_decision_used(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    await rig.publish_directory()
    async with standing.at_work():
        rig.version += 1
        alert = await rig.seal_alert()
        await rig.publish_alerts(alert)
        rig.version -= 1
        await rig.add_agency(AGENCY, receivers["one"])
        (arrival,) = await receivers["one"].wait_for(1)
    assert arrival.is_verified


async def test_a_record_that_is_no_alert_is_kept_and_the_rest_goes_on(
    rig: Rig, standing: Standing, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    async with standing.at_work():
        await rig.publish(ALERTS, (b"01JNF0Z6W3", b'{"name": "Marisol"}'))
        await rig.send_alert()
        await receivers["one"].wait_for(1)
    kept = await rig.query("SELECT topic, value FROM notify.unreadable")
    assert kept == [{"topic": "tocsin.alerts", "value": b'{"name": "Marisol"}'}]
    assert [line["level"] for line in logs if line["event"] == "alert.unreadable"] == ["error"]
    assert "Marisol" not in str(logs)
