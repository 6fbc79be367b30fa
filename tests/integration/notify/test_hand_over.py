"""Routing hears of every alert that is stored: from its result, or after a moment, or when it asks again."""

import asyncio

from services.notify.worker.handover import PATIENCE_SECONDS
from tests.integration.notify.rig import Rig, kinds, running_notify
from tests.integration.notify.test_surviving import notify_process
from tests.support.receivers import Gate, Receivers

AGENCY = "ag-kern-cw"


async def test_a_delivery_says_that_its_alert_was_stored(rig: Rig, receivers: Receivers) -> None:
    await rig.add_agency(AGENCY, receivers["one"], receivers["two"])
    loop = asyncio.get_running_loop()
    async with running_notify(rig, rig.settings()):
        began = loop.time()
        await rig.send_alert()
        await rig.wait_for_receipts("delivered", "delivered")
        is_slow = loop.time() - began > PATIENCE_SECONDS
    # The end of a process tells what was not told yet: nothing. A slow machine rightly told it before.
    assert set(kinds(await rig.read_receipts())) == {"delivered"} or is_slow


async def test_an_alert_that_nobody_takes_is_told_as_stored_before_routing_asks_again(
    rig: Rig, receivers: Receivers
) -> None:
    gate = Gate()
    receivers["one"].answer = gate.answer
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings()):
        loop = asyncio.get_running_loop()
        began = loop.time()
        alert = await rig.send_alert()
        (told,) = await rig.wait_for_receipts("stored")
        assert loop.time() - began > PATIENCE_SECONDS
        assert (told.kind, getattr(told, "alert_id", None)) == ("stored", alert.alert_id)
        gate.open()
        await rig.wait_for_receipts("stored", "delivered")


async def test_an_alert_without_a_path_is_told_at_once(rig: Rig) -> None:
    await rig.add_agency(AGENCY)
    async with running_notify(rig, rig.settings()):
        await rig.send_alert()
        await rig.wait_for_receipts("stored")
    # Written with the alert itself, as whatever else is said of it.
    written = "SELECT stored_at = claimed_at AS at_once FROM notify.outbox CROSS JOIN notify.alert"
    assert {row["at_once"] for row in await rig.query(written)} == {True}


async def test_at_the_end_routing_is_told_what_it_would_ask_for(rig: Rig, receivers: Receivers) -> None:
    gate = Gate()
    receivers["one"].answer = gate.answer
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings(notify_most_attempts_each=1)) as notify:
        await rig.publish_alerts(*[await rig.seal_alert() for _ in range(3)])
        await receivers["one"].wait_for(1)
        stopping = asyncio.create_task(notify.stop())
        await notify.lifetime.wait()
        gate.open()
        assert await stopping == 0
    told = await rig.read_receipts()
    assert kinds(told)["delivered"] == 1
    assert len({getattr(receipt, "alert_id", None) for receipt in told}) == 3


async def test_after_a_kill_routing_asks_again_and_is_told_at_once(rig: Rig, receivers: Receivers) -> None:
    gate = Gate()
    receivers["one"].answer = gate.answer
    await rig.add_agency(AGENCY, receivers["one"])
    alert = await rig.send_alert()
    with notify_process(rig.settings()):
        await receivers["one"].wait_for(1)
    told = kinds(await rig.read_receipts())["stored"]
    async with running_notify(rig, rig.settings()):
        await rig.publish_alerts(alert)
        await rig.wait_for_receipts(*["stored"] * (told + 1))
        gate.open()
        await rig.wait_for_receipts(*["stored"] * (told + 1), "delivered")
