"""Every path of an alert has failed: routing is told at once, and nobody waits for it."""

import asyncio

import pytest

from schemas.alert import AlertForm
from schemas.receipt import Unreachable
from tests.integration.notify.rig import Rig
from tests.integration.notify.standing.at_work import Standing
from tests.support.mailbox import Mailbox
from tests.support.receivers import Receivers, status

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENCY, KEY = "ag-kern-cw", "tca_key_of_child_welfare"


async def test_when_the_last_path_fails_routing_is_told_at_once(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    """One refuses, one is unavailable: the third time it is, nobody can be reached."""
    receivers["one"].answer, receivers["two"].answer = status(422), status(503)
    await rig.add_agency(AGENCY, receivers["one"], receivers["two"])
    async with standing.at_work():
        alert = await rig.send_alert()
        told = await rig.wait_for_receipts("failed", "unreachable")
        (fact,) = [receipt for receipt in told if isinstance(receipt, Unreachable)]
        assert (fact.alert_id, fact.revision) == (alert.alert_id, 1)
        assert len(receivers["two"].arrivals) >= 3
        # It is tried on, arrives, and says so; that nobody could be reached is not said again.
        receivers["two"].answer = None
        await rig.wait_for_receipts("failed", "unreachable", "delivered")


async def test_a_path_that_has_the_alert_is_enough(
    rig: Rig, standing: Standing, receivers: Receivers, mailbox: Mailbox
) -> None:
    receivers["one"].answer = status(422)
    await rig.add_agency(AGENCY, receivers["one"], email="duty@cw.example")
    async with standing.at_work():
        await rig.send_alert()
        told = await rig.wait_for_receipts("failed", "delivered")
    assert "unreachable" not in {receipt.kind.value for receipt in told}


async def test_what_is_unreachable_is_not_told_late_and_may_be_acknowledged(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    receivers["one"].answer = status(422)
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with standing.at_work() as notify:
        alert = await rig.send_alert()
        await rig.wait_for_receipts("failed", "unreachable")
        assert await rig.query("SELECT 1 FROM notify.awaited") == []
        path = f"/v1/alerts/{alert.alert_id}/acknowledge"
        person = {"person": "J. Ortiz", "role": "duty supervisor"}
        assert (await notify.ask("POST", path, key=KEY, json=person)).status == 200
        await rig.wait_for_receipts("failed", "unreachable", "acknowledged")


async def test_a_notice_of_a_duty_that_nothing_leads_to_is_waited_for_by_nobody(
    rig: Rig, standing: Standing
) -> None:
    await rig.add_agency(AGENCY)
    async with standing.at_work():
        await rig.send_alert(form=AlertForm.DUTY_NOTICE)
        told = await rig.wait_for_receipts("stored")
    assert [receipt.kind.value for receipt in told] == ["stored"]


async def test_an_acknowledgement_and_the_last_failure_do_not_wait_for_each_other(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    receivers["one"].answer = status(422)
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    person = {"person": "J. Ortiz", "role": "duty supervisor"}
    async with standing.at_work() as notify:
        alerts = [await rig.seal_alert() for _ in range(20)]
        await rig.publish_alerts(*alerts)
        await receivers["one"].wait_for(1)
        for alert in alerts:
            await rig.wait_for_row("SELECT 1 FROM notify.alert WHERE alert_id = $1", alert.alert_id)
        replies = await asyncio.gather(
            *(
                notify.ask("POST", f"/v1/alerts/{alert.alert_id}/acknowledge", key=KEY, json=person)
                for alert in alerts
            )
        )
    assert {reply.status for reply in replies} == {200}
