"""An endpoint that keeps failing is spared all but what the law orders; a restart does not forget it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from schemas.directory import endpoint_id
from schemas.receipt import EndpointResumed, EndpointSuspended
from services.notify.breaker import Suspended, Suspension, SuspensionReason
from services.notify.repository.suspensions import SuspensionRepository
from services.notify.schedule import SCHEDULES, Schedule
from services.notify.settings import NotifySettings
from services.runtime.database import open_pool
from tests.integration.notify.rig import Rig, running_notify, wait_until
from tests.support.receivers import Receivers, status
from tests.support.servers import Database

AGENCY = "ag-kern-cw"
AT = datetime(2026, 3, 4, 6, 55, tzinfo=UTC)
SUSPENDED = "SELECT agency, reason FROM notify.suspension"
PENDING = "SELECT state FROM notify.delivery WHERE alert_id = $1"
SPARED = "SELECT 1 FROM notify.attempt WHERE detail = 'suspended'"
HELD = 4
NEVER, SOON = timedelta(hours=1), timedelta(seconds=0.2)
LATER = dict.fromkeys(SCHEDULES, Schedule((timedelta(seconds=0.05),) * 3, repeat=timedelta(hours=1)))


def spare(rig: Rig, *, probe: timedelta, member: str = "notify-0") -> NotifySettings:
    """Three failures suspend; `probe` is when the first one other is let through."""
    return rig.settings(notify_suspend_attempts=3, notify_suspend_probe=probe, member=member)


async def suspend(rig: Rig, receivers: Receivers) -> None:
    """Within notify running: the endpoint of the agency fails until it is suspended."""
    receivers["one"].answer = status(503)
    await rig.send_alert()
    await rig.wait_for_row(SUSPENDED)


async def test_an_endpoint_that_keeps_failing_is_suspended_and_everybody_can_see_it(
    rig: Rig, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, spare(rig, probe=NEVER)) as notify:
        await suspend(rig, receivers)
        assert await rig.query(SUSPENDED) == [{"agency": AGENCY, "reason": "failing"}]
        (line,) = [line for line in logs if line["event"] == "endpoint.suspended"]

        async def is_shown() -> bool:
            facts = (await notify.ask("GET", "/readyz")).body
            return bool(facts["suspended_endpoints"] == [line["endpoint_id"]])

        await wait_until(is_shown)
        assert (line["level"], line["agency"], line["reason"]) == ("error", AGENCY, "failing")


async def test_a_suspended_endpoint_still_gets_what_the_law_orders_and_nothing_else(
    rig: Rig, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, spare(rig, probe=NEVER)):
        await suspend(rig, receivers)
        agreed = await rig.send_alert(mandated=False)
        await rig.wait_for_row(SPARED)
        assert f"{agreed.alert_id}_1" not in {arrival.webhook_id for arrival in receivers["one"].arrivals}
        ordered = await rig.send_alert(mandated=True)
        async with receivers["one"].changed:
            await receivers["one"].changed.wait_for(
                lambda: f"{ordered.alert_id}_1" in {a.webhook_id for a in receivers["one"].arrivals}
            )
        assert await rig.query(PENDING, agreed.alert_id) == [{"state": "pending"}]


async def test_a_restart_does_not_forget_a_suspension(rig: Rig, receivers: Receivers) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    settings = spare(rig, probe=NEVER)
    async with running_notify(rig, settings, schedules=LATER):
        await suspend(rig, receivers)
    async with running_notify(rig, settings, schedules=LATER):
        agreed = await rig.send_alert(mandated=False)
        await rig.wait_for_row(SPARED)
    assert f"{agreed.alert_id}_1" not in {arrival.webhook_id for arrival in receivers["one"].arrivals}


async def test_a_probe_that_is_taken_resumes_and_what_waited_goes_at_once(
    rig: Rig, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    # The last wait is an hour: only what is released arrives in time.
    async with running_notify(rig, spare(rig, probe=SOON), schedules=LATER):
        await suspend(rig, receivers)
        await rig.wait_for_row("SELECT 1 FROM notify.attempt WHERE number = 4")
        receivers["one"].answer = None
        await rig.send_alert(mandated=True)
        await rig.wait_for_receipts(*["delivered"] * 2)
        assert await rig.query(SUSPENDED) == []
    assert [line["delivery_count"] for line in logs if line["event"] == "delivery.released"] == [1]
    assert [line["event"] for line in logs if line["event"] == "endpoint.resumed"] == ["endpoint.resumed"]


async def test_what_was_under_way_when_its_endpoint_resumed_does_not_wait_for_its_schedule(
    rig: Rig, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    first, held, tries = await rig.seal_alert(mandated=True), asyncio.Event(), 0

    async def answer(request: web.Request) -> web.Response:
        """Fails the first alert four times; the fourth, not before it is told to."""
        nonlocal tries
        if request.headers["webhook-id"] != f"{first.alert_id}_1":
            return web.Response(status=204)
        tries += 1
        if tries == HELD:
            await held.wait()
        return web.Response(status=503 if tries <= HELD else 204)

    receivers["one"].answer = answer
    async with running_notify(rig, spare(rig, probe=NEVER), schedules=LATER):
        await rig.publish_alerts(first)
        await receivers["one"].wait_for(HELD)
        await rig.send_alert(mandated=True)
        await rig.wait_for_receipts("delivered")
        await rig.wait_for_row("SELECT 1 FROM notify.suspension HAVING count(*) = 0")
        held.set()
        # After its fourth failure its schedule has it wait for an hour.
        await rig.wait_for_receipts(*["delivered"] * 2)


async def test_a_probe_is_made_also_of_what_no_law_orders(rig: Rig, receivers: Receivers) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, spare(rig, probe=SOON)):
        receivers["one"].answer = status(503)
        await rig.send_alert(mandated=False)
        await rig.wait_for_row(SPARED)
        receivers["one"].answer = None
        await rig.wait_for_receipts("delivered")
        await rig.wait_for_row("SELECT 1 FROM notify.suspension HAVING count(*) = 0")


async def test_410_suspends_at_once(rig: Rig, receivers: Receivers) -> None:
    receivers["one"].answer = status(410)
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings()):
        await rig.send_alert()
        await rig.wait_for_receipts("failed")
        await rig.wait_for_row(SUSPENDED)
    assert await rig.query(SUSPENDED) == [{"agency": AGENCY, "reason": "gone"}]


@pytest.mark.embedded_only("only there two consumers can each have every partition at once")
async def test_what_one_process_suspends_the_other_spares(rig: Rig, receivers: Receivers) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, spare(rig, probe=NEVER)):
        await suspend(rig, receivers)
        async with running_notify(rig, spare(rig, probe=NEVER, member="notify-1")) as other:
            facts = (await other.ask("GET", "/readyz")).body
    assert len(facts["suspended_endpoints"]) == 1


async def test_routing_is_told_of_each_suspension_once_and_of_its_end(rig: Rig, receivers: Receivers) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, spare(rig, probe=NEVER), schedules=LATER):
        for _ in range(2):
            await suspend(rig, receivers)
            receivers["one"].answer = None
            await rig.send_alert(mandated=True)
            await rig.wait_for_row("SELECT 1 FROM notify.suspension HAVING count(*) = 0")
        told = await rig.wait_for_receipts(
            *["endpoint_suspended", "endpoint_resumed"] * 2, *["delivered"] * 4
        )
    begun = [receipt for receipt in told if isinstance(receipt, EndpointSuspended)]
    ended = [receipt for receipt in told if isinstance(receipt, EndpointResumed)]
    assert {receipt.since for receipt in begun} == {receipt.since for receipt in ended}
    assert len({receipt.since for receipt in begun}) == 2
    (endpoint,) = {(r.agency, r.endpoint_id, r.reason) for r in (*begun, *ended)}
    assert endpoint == (AGENCY, endpoint_id(agency=AGENCY, url=receivers["one"].url), "failing")


async def test_two_processes_that_find_it_at_once_tell_it_once(database: Database) -> None:
    change = Suspended(
        Suspension(
            endpoint_id="ep_one", agency=AGENCY, reason=SuspensionReason.GONE, since=AT, probe_at=AT, probes=0
        )
    )
    async with open_pool(database.url("notify"), size=8) as pool:
        repository = SuspensionRepository(pool)
        told = await asyncio.gather(
            *(repository.record(change, member=f"notify-{n}", now=AT) for n in range(4))
        )
        assert len([batch for batch in told if batch is not None]) == 1
        ended = [await repository.end("ep_one", member="notify-0", now=AT) for _ in range(2)]
        # Written with the fact: a kill before they are published loses none.
        assert await pool.fetchval("SELECT count(*) FROM notify.outbox") == 2
    assert [each.receipts is not None for each in ended] == [True, False]
