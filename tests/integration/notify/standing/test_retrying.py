"""What happens when a receiver does not do what one would like."""

import pytest
from aiohttp import web

from tests.integration.notify.rig import Rig, kinds
from tests.integration.notify.standing.at_work import Standing
from tests.support.mailbox import Mailbox
from tests.support.receivers import Receivers, status

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENCY = "ag-kern-cw"
DELIVERIES = "SELECT state, attempts FROM notify.delivery ORDER BY target"


async def test_a_failing_receiver_gets_the_alert_when_it_recovers_under_the_same_id(
    rig: Rig, standing: Standing, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    receiver = receivers["one"]
    receiver.answer = status(503)
    await rig.add_agency(AGENCY, receiver)
    async with standing.at_work():
        await rig.send_alert()
        await receiver.wait_for(3)
        receiver.answer = None
        await rig.wait_for_receipts("delivered")
    assert len({arrival.webhook_id for arrival in receiver.arrivals}) == 1
    assert all(arrival.is_verified for arrival in receiver.arrivals)
    rows = await rig.query("SELECT number, outcome, status_code FROM notify.attempt ORDER BY number")
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["status_code"] for row in rows] == [503] * (len(rows) - 1) + [204]
    assert len(rows) == len(receiver.arrivals)
    assert await rig.query(DELIVERIES) == [{"state": "delivered", "attempts": len(rows)}]
    told = [line for line in logs if line["event"] == "delivery.attempted"]
    assert [line["next_step"] for line in told] == ["RetryAt"] * (len(rows) - 1) + ["Delivered"]
    assert len({line["delivery_id"] for line in told}) == 1


async def test_a_receiver_that_was_down_gets_the_alert_when_it_is_up(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    receiver = receivers["one"]
    listening_at, receiver.url = receiver.url, "http://127.0.0.1:1/one"
    await rig.add_agency(AGENCY, receiver)
    async with standing.at_work() as notify:
        alert = await rig.send_alert()
        row = await rig.wait_for_row("SELECT outcome, detail FROM notify.attempt")
        assert row == {"outcome": "unavailable", "detail": "ConnectionRefusedError"}
        receiver.url = listening_at
        # The endpoint moved: it is another one now, and what was for the old one is refused.
        await rig.add_agency(AGENCY, receiver)
        await notify.wait_ready(rig.version)
        await rig.wait_for_receipts("failed")
        other = await rig.send_alert()
        (arrival,) = await receiver.wait_for(1)
    assert arrival.data["alert_id"] == str(other.alert_id) != str(alert.alert_id)


async def test_a_refusal_is_a_dead_letter_at_once(
    rig: Rig, standing: Standing, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    receivers["one"].answer = status(410)
    await rig.add_agency(AGENCY, receivers["one"])
    async with standing.at_work():
        await rig.send_alert()
        await rig.wait_for_receipts("failed")
    assert await rig.query(DELIVERIES) == [{"state": "refused", "attempts": 1}]
    assert [line["level"] for line in logs if line["event"] == "delivery.refused"] == ["error"]


async def test_a_redirect_is_not_followed(rig: Rig, standing: Standing, receivers: Receivers) -> None:
    receivers["one"].answer = status(307, location=receivers["elsewhere"].url)
    await rig.add_agency(AGENCY, receivers["one"])
    async with standing.at_work():
        await rig.send_alert()
        await rig.wait_for_receipts("failed")
    assert receivers["elsewhere"].arrivals == []
    assert [a["status_code"] for a in await rig.query("SELECT status_code FROM notify.attempt")] == [307]


async def test_a_repeated_record_is_told_again_and_sent_never_again(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    async with standing.at_work():
        alert = await rig.send_alert()
        told = kinds(await rig.wait_for_receipts("delivered"))["stored"]
        # Twice in one batch it is one alert.
        for alerts in ([alert, alert], [alert]):
            await rig.publish_alerts(*alerts)
            told += 1
            await rig.wait_for_receipts("delivered", *["stored"] * told)
    assert len(receivers["one"].arrivals) == 1


async def test_mail_that_is_put_off_is_sent_later_and_mail_that_is_refused_is_not(
    rig: Rig, standing: Standing, mailbox: Mailbox
) -> None:
    await rig.add_agency(AGENCY, email="duty@cw.example")
    mailbox.data_answer = "451 4.7.1 Greylisted"
    async with standing.at_work():
        await rig.send_alert()
        await rig.wait_for_row("SELECT 1 FROM notify.attempt WHERE status_code = 451")
        mailbox.data_answer = None
        await mailbox.wait_for(1)
        await rig.wait_for_receipts("delivered")
        mailbox.rcpt_answer = "550 5.1.1 No such user"
        await rig.send_alert()
        await rig.wait_for_receipts("delivered", "failed")
    assert len(mailbox.mails) == 1


async def test_a_body_that_never_ends_is_not_waited_for(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100_000):
            await response.write(b"x" * 65536)
        return response

    receivers["one"].answer = endless
    await rig.add_agency(AGENCY, receivers["one"])
    async with standing.at_work():
        await rig.send_alert()
        await rig.wait_for_receipts("delivered")
    assert [row["status_code"] for row in await rig.query("SELECT status_code FROM notify.attempt")] == [200]
