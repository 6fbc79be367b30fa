"""Nothing old follows what took its place: by a redrive, from a rung, or from another process's memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import asyncpg

from schemas.alert import AlertRecord, Command, RungTo
from schemas.vocabulary import AgencyStatus, AlertKind, Rung
from services.notify.repository.alerts import AlertRepository
from services.notify.repository.dead_letters import DeadLetterRepository
from services.notify.repository.rows import PlannedAlert
from services.runtime.clock import SystemClock
from services.runtime.database import open_pool
from tests.integration.notify.rig import Rig, RunningNotify, running_notify, wait_until
from tests.integration.notify.telling import AGENCY, KEY, ids, make, send, wait_for_states
from tests.support.mailbox import Mailbox
from tests.support.receivers import Gate, Receivers, status

BACKUP = {"rung_to": RungTo.AGENCY, "contact": Rung.BACKUP, "escalation": 1}
SINCE = "2026-03-01T00:00:00Z"
WAITED = "SELECT 1 FROM notify.delivery WHERE alert_id = $1 AND due_at < now() + interval '33 seconds'"

WAITING = """
SELECT 1 FROM pg_stat_activity WHERE usename = 'tocsin_notify' AND wait_event_type = 'Lock'
HAVING count(*) = $1
"""


async def recover(notify: RunningNotify, url: str) -> int:
    """How many dead letters of the endpoint are due again."""
    endpoints = (await notify.ask("GET", "/v1/endpoints", key=KEY)).body["endpoints"]
    (endpoint,) = [each["endpoint_id"] for each in endpoints if each["url"] == url]
    reply = await notify.ask("POST", f"/v1/endpoints/{endpoint}/recover?since={SINCE}", key=KEY)
    count: int = reply.body["count"]
    return count


async def store_elsewhere(rig: Rig, record: AlertRecord) -> None:
    """As another notify process would, that reads the partition by now."""
    async with open_pool(rig.database.url("notify"), size=1) as pool:
        now = SystemClock().now()
        await AlertRepository(pool).store(
            [PlannedAlert(record, ())], [], member="other", now=now, lease_until=now + timedelta(seconds=35)
        )


@asynccontextmanager
async def holding_deliveries(rig: Rig, alert_id: UUID) -> AsyncIterator[None]:
    """Within the block whoever wants to change them waits."""
    connection = await asyncpg.connect(rig.database.admin)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM notify.delivery WHERE alert_id = $1 FOR UPDATE", alert_id)
            yield
    finally:
        await connection.close()


async def wait_until_waiting(rig: Rig, count: int) -> None:
    """Returns when so many of notify's statements wait for a lock."""
    await rig.wait_for_row(WAITING, count)


# ---------------------------------------------------------------------------------- redrive


async def test_what_an_update_took_the_place_of_is_not_redriven(rig: Rig, receivers: Receivers) -> None:
    receivers["bad"].answer = status(422)
    await rig.add_agency(AGENCY, receivers["good"], receivers["bad"], key=KEY)
    async with running_notify(rig, rig.settings()) as notify:
        alert = await send(rig)
        await wait_for_states(rig, alert.alert_id, delivered=1, refused=1)
        receivers["bad"].answer = None
        update = await send(rig, kind=AlertKind.UPDATE, replaces=alert.alert_id)
        await wait_for_states(rig, update.alert_id, delivered=2)
        assert await recover(notify, receivers["bad"].url) == 0
        await wait_for_states(rig, alert.alert_id, delivered=1, superseded=1)
    assert ids(receivers["bad"]) == [f"{alert.alert_id}_1", f"{update.alert_id}_1"]


async def test_a_cancelled_alert_is_not_redriven_even_if_its_cancel_could_not_be_told(
    rig: Rig, receivers: Receivers
) -> None:
    receivers["bad"].answer = status(422)
    await rig.add_agency(AGENCY, receivers["good"], receivers["bad"], key=KEY)
    async with running_notify(rig, rig.settings()) as notify:
        alert = await send(rig)
        await wait_for_states(rig, alert.alert_id, delivered=1, refused=1)
        gone = AgencyStatus.OFFBOARDED
        await rig.add_agency(AGENCY, receivers["good"], receivers["bad"], key=KEY, status=gone)
        await notify.wait_ready(rig.version)
        cancel = await send(rig, kind=AlertKind.CANCEL, replaces=alert.alert_id)
        await wait_for_states(rig, cancel.alert_id, refused=1, superseded=1)
        await rig.add_agency(AGENCY, receivers["good"], receivers["bad"], key=KEY)
        await notify.wait_ready(rig.version)
        assert await recover(notify, receivers["bad"].url) == 0
        assert await recover(notify, receivers["good"].url) == 1
        await wait_for_states(rig, cancel.alert_id, delivered=1, superseded=1)
    assert ids(receivers["bad"]) == [f"{alert.alert_id}_1"]


async def test_a_redrive_that_meets_a_stop_sends_nothing(rig: Rig, receivers: Receivers) -> None:
    receivers["one"].answer = status(422)
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with running_notify(rig, rig.settings()):
        alert = await send(rig)
        await wait_for_states(rig, alert.alert_id, refused=1)
    (row,) = await rig.query("SELECT delivery_id FROM notify.delivery WHERE alert_id = $1", alert.alert_id)
    stop = await make(rig, command=Command.STOP, alert_id=alert.alert_id, revision=2)
    async with open_pool(rig.database.url("notify"), size=1) as pool:
        letters = DeadLetterRepository(pool)
        async with holding_deliveries(rig, alert.alert_id):
            stopping = asyncio.create_task(store_elsewhere(rig, stop))
            await wait_until_waiting(rig, 1)
            # The stop is not committed: nothing that is listed now says that it comes.
            redriving = asyncio.create_task(letters.redrive([row["delivery_id"]], now=SystemClock().now()))
            await wait_until_waiting(rig, 2)
        await stopping
        assert await redriving == []
    await wait_for_states(rig, alert.alert_id, superseded=1)


# ------------------------------------------------------------------------------------ rungs


async def test_a_cancel_is_told_where_only_a_rung_of_its_alert_arrived(
    rig: Rig, receivers: Receivers, mailbox: Mailbox
) -> None:
    receivers["one"].answer = status(422)
    await rig.add_agency(
        AGENCY, receivers["one"], email="duty@cw.example", backup="watch@cw.example", key=KEY
    )
    async with running_notify(rig, rig.settings(mailbox=mailbox)):
        alert = await send(rig)
        await wait_for_states(rig, alert.alert_id, delivered=1, refused=1)
        receivers["one"].answer = None
        rung = await send(rig, rung_of=alert.alert_id, **BACKUP)
        await wait_for_states(rig, rung.alert_id, delivered=2)
        cancel = await send(rig, kind=AlertKind.CANCEL, replaces=alert.alert_id)
        await wait_for_states(rig, cancel.alert_id, delivered=3)
    assert ids(receivers["one"]) == [f"{each.alert_id}_1" for each in (alert, rung, cancel)]
    told = [mail.recipient for mail in mailbox.mails if str(cancel.alert_id) in mail.part("plain")]
    assert sorted(told) == ["duty@cw.example", "watch@cw.example"]


async def test_nothing_of_a_rung_follows_an_update_of_its_alert(rig: Rig, receivers: Receivers) -> None:
    receivers["one"].answer = status(503)
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with running_notify(rig, rig.settings()):
        alert = await send(rig)
        rung = await send(rig, rung_of=alert.alert_id, **BACKUP)
        await receivers["one"].wait_for(2)
        update = await send(rig, kind=AlertKind.UPDATE, replaces=alert.alert_id)
        await wait_for_states(rig, rung.alert_id, superseded=1)
        receivers["one"].answer = None
        await wait_for_states(rig, update.alert_id, delivered=1)


# ----------------------------------------------------------------------- another process


async def test_what_another_process_stopped_while_it_waited_here_is_not_begun(
    rig: Rig, receivers: Receivers
) -> None:
    gate = Gate()
    receivers["one"].answer = gate.answer
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with running_notify(rig, rig.settings(notify_most_attempts_each=1)):
        first = await send(rig)
        await receivers["one"].wait_for(1)
        waits = await send(rig)
        # Longer than this process may trust its memory; its lease lasts.
        await rig.wait_for_row(WAITED, waits.alert_id)
        stop = await make(rig, command=Command.STOP, alert_id=waits.alert_id, revision=2)
        await store_elsewhere(rig, stop)
        gate.open()
        last = await send(rig)
        await wait_for_states(rig, last.alert_id, delivered=1)

        async def is_free() -> bool:
            return [row["due_at"] for row in await rig.query(DUE, waits.alert_id)] == [None]

        # Nothing of it can arrive, so that a cancel need not wait for the end of the lease.
        await wait_until(is_free)
    assert ids(receivers["one"]) == [f"{first.alert_id}_1", f"{last.alert_id}_1"]


DUE = "SELECT due_at FROM notify.delivery WHERE alert_id = $1"
