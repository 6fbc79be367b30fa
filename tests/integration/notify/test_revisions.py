"""What routing decided anew, where it matters how many attempts notify makes at once or what time it is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.alert import Command
from schemas.vocabulary import AlertKind, Group
from services.devstack.datadir import write_atomically
from services.runtime.shifted_clock import INSTALL
from tests.integration.notify.rig import Rig, running_notify
from tests.integration.notify.telling import AGENCY, KEY, NAME, ids, make, send, wait_for_states
from tests.support.databases import execute
from tests.support.receivers import Gate, Receivers, status


async def test_a_cancel_is_silent_where_a_stop_came_before_the_first_attempt(
    rig: Rig, receivers: Receivers
) -> None:
    gate = Gate()
    receivers["one"].answer = gate.answer
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with running_notify(rig, rig.settings(notify_most_attempts_each=1)):
        other = await send(rig)
        await receivers["one"].wait_for(1)
        waiting = await send(rig)
        await rig.wait_for_row("SELECT 1 FROM notify.delivery WHERE alert_id = $1", waiting.alert_id)
        cancel = await make(rig, kind=AlertKind.CANCEL, replaces=waiting.alert_id)
        await rig.publish_alerts(
            await make(rig, command=Command.STOP, alert_id=waiting.alert_id, revision=2), cancel
        )
        await wait_for_states(rig, waiting.alert_id, superseded=1)
        gate.open()
        await wait_for_states(rig, cancel.alert_id, superseded=1)
    assert ids(receivers["one"]) == [f"{other.alert_id}_1"]


async def test_what_ends_between_two_attempts_is_not_in_the_second(
    rig: Rig, receivers: Receivers, tmp_path: Path
) -> None:
    receivers["one"].answer = status(503)
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    clock = tmp_path / "clock"
    clock.write_text("0")
    await execute(rig.database.admin, INSTALL)
    async with running_notify(rig, rig.settings(test_clock_file=clock)):
        await send(rig, disclosed=NAME, until={Group.NAME: datetime.now(UTC) + timedelta(hours=1)})
        await receivers["one"].wait_for(1)
        write_atomically(clock, str(timedelta(hours=2).total_seconds()))
        while receivers["one"].arrivals[-1].data["disclosed"]:
            await receivers["one"].wait_for(len(receivers["one"].arrivals) + 1)
    shown = [bool(arrival.data["disclosed"]) for arrival in receivers["one"].arrivals]
    assert shown == sorted(shown, reverse=True)
    assert shown[0] is True
