"""What happens when a receiver does not do what one would like, or notify itself is cut off."""

import asyncio
from collections.abc import Collection

import aiohttp
import pytest
from aiohttp import web

from services.notify.schedule import SCHEDULES
from tests.integration.notify.rig import ONE_ATTEMPT, Rig, kinds, running_notify, wait_until
from tests.support.mailbox import Mailbox
from tests.support.receivers import Answer, Gate, Receivers, status
from tests.support.waiting import SECONDS

AGENCY = "ag-kern-cw"
DELIVERIES = "SELECT state, attempts FROM notify.delivery ORDER BY target"


async def test_a_failing_receiver_gets_the_alert_when_it_recovers_under_the_same_id(
    rig: Rig, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    receiver = receivers["one"]
    receiver.answer = status(503)
    await rig.add_agency(AGENCY, receiver)
    async with running_notify(rig, rig.settings()):
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


async def test_a_receiver_that_was_down_gets_the_alert_when_it_is_up(rig: Rig, receivers: Receivers) -> None:
    receiver = receivers["one"]
    listening_at, receiver.url = receiver.url, "http://127.0.0.1:1/one"
    await rig.add_agency(AGENCY, receiver)
    async with running_notify(rig, rig.settings()) as notify:
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
    rig: Rig, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    receivers["one"].answer = status(410)
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings()):
        await rig.send_alert()
        await rig.wait_for_receipts("failed")
    assert await rig.query(DELIVERIES) == [{"state": "refused", "attempts": 1}]
    assert [line["level"] for line in logs if line["event"] == "delivery.refused"] == ["error"]


async def test_a_redirect_is_not_followed(rig: Rig, receivers: Receivers) -> None:
    receivers["one"].answer = status(307, location=receivers["elsewhere"].url)
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings()):
        await rig.send_alert()
        await rig.wait_for_receipts("failed")
    assert receivers["elsewhere"].arrivals == []
    assert [a["status_code"] for a in await rig.query("SELECT status_code FROM notify.attempt")] == [307]


async def test_retry_after_moves_the_next_attempt_but_only_so_far(rig: Rig, receivers: Receivers) -> None:
    receivers["one"].answer = status(429, retry_after="9")
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings(), schedules=SCHEDULES):
        await rig.send_alert()
        row = await rig.wait_for_row(
            "SELECT d.due_at - a.started_at AS wait, a.duration_ms FROM notify.delivery d"
            " JOIN notify.attempt a USING (delivery_id)"
        )
    # From the end of the attempt on.
    assert 0 <= row["wait"].total_seconds() - 9 < row["duration_ms"] / 1000 + 0.5


async def test_a_slow_receiver_does_not_hold_up_another(rig: Rig, receivers: Receivers) -> None:
    gate = Gate()
    receivers["slow"].answer = gate.answer
    await rig.add_agency("ag-slow", receivers["slow"])
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings(notify_most_attempts_each=4)):
        slow = [await rig.seal_alert(agency="ag-slow") for _ in range(100)]
        quick = [await rig.seal_alert(agency=AGENCY) for _ in range(20)]
        await rig.publish_alerts(*slow, *quick)
        arrivals = await receivers["one"].wait_for(20)
        assert len(await receivers["slow"].wait_for(4)) == 4
        gate.open()
        await receivers["slow"].wait_for(100)
        await rig.wait_for_receipts(*["delivered"] * 120)
    assert len({arrival.webhook_id for arrival in arrivals}) == 20


async def test_an_alert_that_a_receiver_cannot_take_holds_up_no_other(rig: Rig, receivers: Receivers) -> None:
    stuck = await rig.seal_alert()
    receivers["one"].answer = failing_for({f"{stuck.alert_id}_1"})
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings(notify_most_attempts_each=1)):
        await rig.publish_alerts(stuck)
        await rig.wait_for_row("SELECT 1 FROM notify.attempt WHERE number = 3")
        others = [await rig.seal_alert() for _ in range(20)]
        await rig.publish_alerts(*others)
        await rig.wait_for_receipts(*["delivered"] * 20)
        assert await rig.query("SELECT alert_id FROM notify.delivery WHERE state = 'pending'") == [
            {"alert_id": stuck.alert_id}
        ]
        receivers["one"].answer = None
        await rig.wait_for_receipts(*["delivered"] * 21)


async def test_a_new_alert_goes_before_a_backlog_of_old_retries(
    rig: Rig, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    old = [await rig.seal_alert() for _ in range(200)]
    receivers["one"].answer = failing_for({f"{alert.alert_id}_1" for alert in old})
    await rig.add_agency(AGENCY, receivers["one"])
    # One at a time: there are always more retries due than can be made.
    async with running_notify(rig, rig.settings(notify_most_attempts_each=1)):
        await rig.publish_alerts(*old)
        await rig.wait_for_row("SELECT 1 FROM notify.attempt WHERE number = 2")
        new = await rig.send_alert()
        await rig.wait_for_receipts("delivered")
    # Since its first attempt might begin. One was under way, and every fourth turn is a retry's.
    stored = max(place for place, line in enumerate(logs) if line["event"] == "alerts.stored")
    made = [line["alert_id"] for line in logs[stored:] if line["event"] == "delivery.attempted"]
    assert made.index(str(new.alert_id)) <= 2


def failing_for(webhook_ids: Collection[str]) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503 if request.headers["webhook-id"] in webhook_ids else 204)

    return answer


async def test_a_repeated_record_is_told_again_and_sent_never_again(rig: Rig, receivers: Receivers) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings()):
        alert = await rig.send_alert()
        told = kinds(await rig.wait_for_receipts("delivered"))["stored"]
        # Twice in one batch it is one alert.
        for alerts in ([alert, alert], [alert]):
            await rig.publish_alerts(*alerts)
            told += 1
            await rig.wait_for_receipts("delivered", *["stored"] * told)
    assert len(receivers["one"].arrivals) == 1


@pytest.mark.embedded_only("only there two consumers can each have every partition at once")
async def test_another_consumer_of_the_same_records_sends_nothing(rig: Rig, receivers: Receivers) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    alerts = [await rig.seal_alert() for _ in range(50)]
    async with (
        running_notify(rig, rig.settings(member="notify-0")),
        running_notify(rig, rig.settings(member="notify-1")),
    ):
        # Both are the sole consumer of every partition, so each gets every record.
        await rig.publish_alerts(*alerts)

        async def are_told() -> bool:
            """Also those that took long are told as stored by whoever delivers them."""
            told = kinds(await rig.read_receipts())
            return told["delivered"] == len(alerts) <= told["stored"]

        await wait_until(are_told)
    arrived = [arrival.webhook_id for arrival in receivers["one"].arrivals]
    assert sorted(arrived) == sorted(f"{alert.alert_id}_1" for alert in alerts)


async def test_a_later_revision_takes_the_place_of_what_is_pending(rig: Rig, receivers: Receivers) -> None:
    receivers["one"].answer = status(503)
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings(), schedules=ONE_ATTEMPT):
        first = await rig.send_alert()
        await rig.wait_for_row("SELECT 1 FROM notify.attempt")
        receivers["one"].answer = None
        await rig.send_alert(alert_id=first.alert_id, revision=2)
        await rig.wait_for_receipts("delivered")
    rows = await rig.query("SELECT revision, state FROM notify.delivery ORDER BY revision")
    assert rows == [{"revision": 1, "state": "superseded"}, {"revision": 2, "state": "delivered"}]


async def test_at_the_end_running_attempts_are_finished_and_none_is_begun(
    rig: Rig, receivers: Receivers
) -> None:
    gate = Gate()
    receivers["one"].answer = gate.answer
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings(notify_most_attempts_each=1)) as notify:
        await rig.publish_alerts(*[await rig.seal_alert() for _ in range(5)])
        await receivers["one"].wait_for(1)
        stopping = asyncio.create_task(notify.stop())
        # Once it is stopping nothing is begun; the connection is refused when the server is closed.
        await _until_closed(notify.url)
        gate.open()
        assert await stopping == 0
    rows = await rig.query("SELECT state, attempts, leased_by FROM notify.delivery ORDER BY state")
    assert rows == [
        {"state": "delivered", "attempts": 1, "leased_by": None},
        *[{"state": "pending", "attempts": 0, "leased_by": None}] * 4,
    ]
    assert len(receivers["one"].arrivals) == 1
    receivers["one"].answer = None
    async with running_notify(rig, rig.settings()):
        await receivers["one"].wait_for(5)
        await rig.wait_for_receipts(*["delivered"] * 5)


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
async def test_the_directory_is_known_after_a_restart_without_its_topic(
    rig: Rig, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings()):
        pass
    await rig.broker.restart()
    async with running_notify(rig, rig.settings()):
        await rig.send_alert()
        await receivers["one"].wait_for(1)


async def test_mail_that_is_put_off_is_sent_later_and_mail_that_is_refused_is_not(
    rig: Rig, mailbox: Mailbox
) -> None:
    await rig.add_agency(AGENCY, email="duty@cw.example")
    mailbox.data_answer = "451 4.7.1 Greylisted"
    async with running_notify(rig, rig.settings(mailbox=mailbox)):
        await rig.send_alert()
        await rig.wait_for_row("SELECT 1 FROM notify.attempt WHERE status_code = 451")
        mailbox.data_answer = None
        await mailbox.wait_for(1)
        await rig.wait_for_receipts("delivered")
        mailbox.rcpt_answer = "550 5.1.1 No such user"
        await rig.send_alert()
        await rig.wait_for_receipts("delivered", "failed")
    assert len(mailbox.mails) == 1


async def test_a_body_that_never_ends_is_not_waited_for(rig: Rig, receivers: Receivers) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100_000):
            await response.write(b"x" * 65536)
        return response

    receivers["one"].answer = endless
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings()):
        await rig.send_alert()
        await rig.wait_for_receipts("delivered")
    assert [row["status_code"] for row in await rig.query("SELECT status_code FROM notify.attempt")] == [200]


async def _until_closed(url: str) -> None:
    async with asyncio.timeout(SECONDS), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{url}/livez"):
                    await asyncio.sleep(0.01)
            except aiohttp.ClientConnectionError:
                return
