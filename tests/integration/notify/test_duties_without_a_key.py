"""An agency's register of duties when the key of a case is gone, which a process keeps for a minute."""

from uuid import uuid4

from tests.integration.notify.rig import Rig, running_notify
from tests.integration.notify.standing.test_duties import (
    AGENCY,
    KEY,
    close,
    item,
    list_duties,
    send_alert,
    wait_stored,
)


async def test_a_shredded_case_leaves_that_there_is_a_duty_and_takes_no_evidence(rig: Rig) -> None:
    duty_id = uuid4()
    await rig.add_agency(AGENCY, key=KEY)
    async with running_notify(rig, rig.settings()) as notify:
        alert = await send_alert(rig, item(duty_id))
        await wait_stored(rig, 1)
        await list_duties(notify)
    await rig.shred(alert.key_id)
    async with running_notify(rig, rig.settings()) as notify:
        (duty,) = (await list_duties(notify))["duties"]
        reply = await close(notify, duty_id)
    assert (duty["duty_id"], duty["status"], duty["what"], duty["event_id"]) == (
        str(duty_id),
        "open",
        None,
        None,
    )
    assert reply.status == 410
    assert await rig.query("SELECT 1 FROM notify.evidence") == []
