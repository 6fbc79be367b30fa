"""What happens when a receiver does not do what one would like, or notify itself is cut off."""

import asyncio
from collections.abc import Collection

import aiohttp
import pytest
from aiohttp import web

from services.notify.schedule import SCHEDULES
from tests.integration.notify.rig import ONE_ATTEMPT, Rig, kinds, running_notify, wait_until
from tests.support.receivers import Answer, Gate, Receivers, status
from tests.support.waiting import SECONDS

AGENCY = "ag-kern-cw"


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


async def _until_closed(url: str) -> None:
    async with asyncio.timeout(SECONDS), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{url}/livez"):
                    await asyncio.sleep(0.01)
            except aiohttp.ClientConnectionError:
                return
