"""Routing hears of every alert that is stored: from its result, or after a moment, or when it asks again."""

import asyncio

from services.notify.worker.handover import PATIENCE_SECONDS
from tests.integration.notify.rig import Rig, running_notify
from tests.integration.notify.test_surviving import notify_process
from tests.support.receivers import Gate, Receivers

AGENCY = "ag-kern-cw"


async def test_a_delivery_says_that_its_alert_was_stored(rig: Rig, receivers: Receivers) -> None:
    await rig.add_agency(AGENCY, receivers["one"], receivers["two"])
    async with running_notify(rig, rig.settings()):
        await rig.send_alert()
        await rig.wait_for_receipts("delivered", "delivered")
    # The end of a process tells what was not told yet: nothing.
    assert {receipt.kind for receipt in await rig.read_receipts()} == {"delivered"}


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
        loop = asyncio.get_running_loop()
        await rig.send_alert()
        await rig.wait_for_receipts("stored")
        began = loop.time()
        await rig.send_alert()
        await rig.wait_for_receipts("stored", "stored")
        assert loop.time() - began < PATIENCE_SECONDS


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
    told = await rig.wait_for_receipts("delivered", "stored", "stored")
    assert len({getattr(receipt, "alert_id", None) for receipt in told}) == 3


async def test_after_a_kill_routing_asks_again_and_is_told_at_once(rig: Rig, receivers: Receivers) -> None:
    gate = Gate()
    receivers["one"].answer = gate.answer
    await rig.add_agency(AGENCY, receivers["one"])
    alert = await rig.send_alert()
    with notify_process(rig.settings()):
        await receivers["one"].wait_for(1)
    assert await rig.read_receipts() == []
    async with running_notify(rig, rig.settings()):
        await rig.publish_alerts(alert)
        await rig.wait_for_receipts("stored")
        gate.open()
        await rig.wait_for_receipts("stored", "delivered")
