"""Heartbeats: signed, once a period, continued, and never a dead letter."""

import asyncio
from datetime import timedelta

from schemas.heartbeat import WebhookHeartbeat
from tests.integration.notify.rig import Rig, running_notify, wait_until
from tests.support.receivers import Arrival, Receiver, Receivers, status
from tests.support.waiting import SECONDS

AGENCY = "ag-kern-cw"
KEY = "tca_0123456789abcdefghij"
SOON = timedelta(seconds=1)


def heartbeats(receiver: Receiver) -> list[WebhookHeartbeat]:
    return [WebhookHeartbeat.model_validate_json(each.body) for each in receiver.arrivals if _is_one(each)]


def _is_one(arrival: Arrival) -> bool:
    return arrival.webhook_id.startswith("heartbeat_")


async def heard(receiver: Receiver, count: int) -> list[WebhookHeartbeat]:
    async with asyncio.timeout(SECONDS), receiver.changed:
        await receiver.changed.wait_for(lambda: len(heartbeats(receiver)) >= count)
    return heartbeats(receiver)


async def test_heartbeats_list_between_them_what_the_reconciliation_lists_and_each_alert_once(
    rig: Rig, receivers: Receivers
) -> None:
    one, other = receivers["one"], receivers["other"]
    await rig.add_agency(AGENCY, one, key=KEY)
    await rig.add_agency("ag-kern-so", other)
    async with running_notify(rig, rig.settings(notify_heartbeat=SOON)) as notify:
        alerts = [await rig.send_alert() for _ in range(3)]
        await rig.send_alert(agency="ag-kern-so")

        async def are_listed() -> bool:
            return sum(len(each.data.alerts) for each in heartbeats(one)) >= len(alerts)

        await wait_until(are_listed)
        await heard(one, 3)
        [row] = await rig.query("SELECT (now() AT TIME ZONE 'America/Los_Angeles')::date::text AS day")
        reconciled = await notify.ask("GET", f"/v1/reconciliation?date={row['day']}", key=KEY)
    listed = [alert.webhook_id for each in heartbeats(one) for alert in each.data.alerts]
    assert listed == [alert["webhook_id"] for alert in reconciled.body["alerts"]]
    assert sorted(listed) == sorted(f"{alert.alert_id}_1" for alert in alerts)
    assert all(each.is_verified for each in one.arrivals)
    assert [each.data.sequence for each in heartbeats(one)] == list(range(1, len(heartbeats(one)) + 1))


async def test_several_processes_send_one_a_period(rig: Rig, receivers: Receivers) -> None:
    one = receivers["one"]
    await rig.add_agency(AGENCY, one)
    settings = [rig.settings(notify_heartbeat=SOON, member=f"notify-{number}") for number in range(2)]
    async with running_notify(rig, settings[0]), running_notify(rig, settings[1]):
        await heard(one, 3)
    sequences = [each.data.sequence for each in heartbeats(one)]
    assert sequences == sorted(set(sequences))
    # Each in a period of its own, however late in it: they are due on a grid.
    (row,) = await rig.query("SELECT due_at FROM notify.heartbeat")
    periods = [(each.time - row["due_at"]) // SOON for each in heartbeats(one)]
    assert sorted(set(periods)) == periods


async def test_what_an_endpoint_did_not_take_is_listed_again_and_is_no_dead_letter(
    rig: Rig, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    one = receivers["one"]
    await rig.add_agency(AGENCY, one)
    async with running_notify(rig, rig.settings(notify_heartbeat=SOON, notify_suspend_attempts=1000)):
        alert = await rig.send_alert()
        await one.wait_for(1)
        one.answer = status(503)
        await heard(one, 3)
        one.answer = None
        before = len(heartbeats(one))
        taken = (await heard(one, before + 1))[before]
    assert [each.webhook_id for each in taken.data.alerts] == [f"{alert.alert_id}_1"]
    assert "heartbeat.failed" in [line["event"] for line in logs]
    outcomes = await rig.query("SELECT outcome FROM notify.heartbeat_attempt ORDER BY sequence")
    assert {row["outcome"] for row in outcomes} == {"unavailable", "delivered"}
    assert await rig.query("SELECT 1 FROM notify.delivery WHERE state IN ('refused', 'exhausted')") == []


async def test_failed_heartbeats_suspend_an_endpoint_like_failed_webhooks(
    rig: Rig, receivers: Receivers
) -> None:
    one = receivers["one"]
    one.answer = status(500)
    await rig.add_agency(AGENCY, one)
    quick = timedelta(seconds=0.2)
    async with running_notify(rig, rig.settings(notify_heartbeat=quick, notify_suspend_attempts=3)):
        row = await rig.wait_for_row("SELECT agency, reason FROM notify.suspension")
    assert row == {"agency": AGENCY, "reason": "failing"}
