"""Every path of an alert has failed: routing is told at once, once, and whoever notices it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from schemas.alert import AlertRecord, Command
from schemas.receipt import Unreachable
from services.notify.delivery import Channel, DeliveryState, Outcome, Path
from services.notify.repository.alerts import AlertRepository
from services.notify.repository.awaited import _LOCK, _TAKE_UNREACHABLE, AwaitedRepository
from services.notify.repository.deliveries import DeliveryRepository
from services.notify.repository.rows import Due, PlannedAlert, PlannedDelivery, Result
from services.notify.schedule import SCHEDULES, Schedule
from services.runtime.database import Pool, open_pool
from tests.integration.notify.rig import NOT_SOON, Rig, running_notify
from tests.integration.notify.test_lateness import NOW
from tests.integration.notify.test_surviving import notify_process
from tests.support.receivers import Receivers, status
from tests.support.servers import Database
from tests.unit.notify.records import alert_record

AGENCY, KEY = "ag-kern-cw", "tca_key_of_child_welfare"
UNREACHABLE = b'"kind":"unreachable"'
SLOW = dict.fromkeys(SCHEDULES, Schedule((), repeat=timedelta(hours=1)))
"""One attempt, for tests of what comes without another."""
LANES = ("ep_one", "ep_two")
MANY = """
WITH many AS (
    INSERT INTO notify.awaited SELECT '2126-03-04', gen_random_uuid() FROM generate_series(1, 50000)
    RETURNING alert_id
)
INSERT INTO notify.delivery (
    alert_id, delivery_id, revision, channel, target, lane, state, attempts, due_at, leased_by
)
SELECT alert_id, alert_id, 1, 'webhook', 'ep_one', 'ep_one', 'pending', 1, '2126-03-04', NULL FROM many
"""


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with open_pool(database.url("notify"), size=8) as opened:
        yield opened


@pytest.mark.parametrize("exercise", [False, True])
async def test_an_alert_without_a_path_is_unreachable_from_the_beginning_and_told_so_once(
    rig: Rig, receivers: Receivers, *, exercise: bool
) -> None:
    """Also one that nothing accepts because it is an exercise. It may be fetched, and acknowledged."""
    endpoints = [receivers["one"]] if exercise else []
    await rig.add_agency(AGENCY, *endpoints, key=KEY)
    alert = await rig.seal_alert(exercise=exercise)
    async with running_notify(rig, rig.settings()):
        await rig.publish_alerts(alert)
        told = await rig.wait_for_receipts("stored", "unreachable")
        assert {getattr(receipt, "alert_id", None) for receipt in told} == {alert.alert_id}
        assert await rig.query("SELECT 1 FROM notify.awaited") == []
        # Published again, as when routing missed the receipt: it says that it is stored, and no more.
        await rig.publish_alerts(alert)
        await rig.wait_for_receipts("stored", "stored", "unreachable")
    async with running_notify(rig, rig.settings()) as notify:
        path, person = (
            f"/v1/alerts/{alert.alert_id}/acknowledge",
            {"person": "J. Ortiz", "role": "supervisor"},
        )
        assert (await notify.ask("POST", path, key=KEY, json=person)).status == 200
        await rig.wait_for_receipts("stored", "stored", "unreachable", "acknowledged")


async def test_an_alert_whose_last_path_goes_while_it_is_amended_is_unreachable(
    rig: Rig, receivers: Receivers
) -> None:
    receivers["one"].answer = status(503)
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings(), schedules=SLOW) as notify:
        alert = await rig.send_alert()
        await receivers["one"].wait_for(1)
        await rig.add_agency(AGENCY)
        await notify.wait_ready(rig.version)
        await rig.send_alert(alert_id=alert.alert_id, revision=2, command=Command.AMEND)
        told = await rig.wait_for_receipts("stored", "stored", "unreachable")
    (fact,) = [receipt for receipt in told if isinstance(receipt, Unreachable)]
    assert (fact.alert_id, fact.revision) == (alert.alert_id, 2)


async def test_a_kill_loses_no_alert_that_nothing_leads_to(rig: Rig) -> None:
    """It is in the outbox with the alert; whoever comes next publishes it."""
    await rig.add_agency(AGENCY)
    alert = await rig.seal_alert()
    async with open_pool(rig.database.url("notify"), size=1) as pool:
        await AlertRepository(pool).store(
            [PlannedAlert(alert, [])],
            [],
            member="notify-0",
            now=NOW,
            lease_until=NOW,
            without_path=[alert.alert_id],
        )
    with notify_process(rig.settings()):
        await rig.wait_for_receipts("unreachable")


async def test_a_kill_loses_no_failure(rig: Rig, receivers: Receivers) -> None:
    """It is in the outbox with the result that it follows from; whoever comes next publishes it."""
    await rig.add_agency(AGENCY, receivers["one"])
    async with open_pool(rig.database.url("notify"), size=1) as pool:
        (due,) = await store(pool, await rig.seal_alert(), lanes=LANES[:1])
        await record(pool, refused(due))
    with notify_process(rig.settings()):
        await rig.wait_for_receipts("unreachable")


async def test_two_paths_that_fail_at_once_in_two_processes_are_told_once(pool: Pool) -> None:
    for _ in range(40):
        one, two = await store(pool, alert_record(alert_id=uuid4()), lanes=LANES)
        told = await asyncio.gather(record(pool, refused(one)), record(pool, refused(two)))
        assert sorted(len(each) for each in told) == [0, 1]


@pytest.mark.parametrize(
    ("failures", "is_told"),
    [
        ({"ep_one": 3, "ep_two": 2}, False),
        ({"ep_one": 3, "ep_two": 3}, True),
        ({"ep_one": 4, "ep_two": 5}, True),
        ({"ep_one": 3}, False),
    ],
)
async def test_unavailable_three_times_is_failed_and_what_is_under_way_is_not(
    pool: Pool, failures: dict[str, int], *, is_told: bool
) -> None:
    """Without failures a path is under way."""
    dues = await store(pool, alert_record(alert_id=uuid4()), lanes=LANES)
    told: list[UUID] = []
    for due in dues:
        for number in range(1, failures.get(due.path.target, 0) + 1):
            told += await record(pool, unavailable(due, number))
            await begin_again(pool, due)
    # What was begun again is under way, and counts as such.
    assert told == ([dues[0].record.alert_id] if is_told else [])


async def test_a_miss_that_is_written_while_its_delivery_is_superseded_is_known(rig: Rig, pool: Pool) -> None:
    """Else a cancel waits for the end of the lease, and is told where its alert never arrived."""
    (due,) = await store(pool, alert_record(alert_id=uuid4()), lanes=LANES[:1])
    missed = replace(unavailable(due, 1), has_missed=True)
    connection = await asyncpg.connect(rig.database.admin)
    async with connection.transaction():
        await connection.execute("UPDATE notify.delivery SET state = 'superseded', leased_by = NULL")
        recording = asyncio.create_task(record(pool, missed))
        await rig.wait_for_row("SELECT 1 FROM pg_locks WHERE NOT granted")
    await recording
    await connection.close()
    (row,) = await rig.query("SELECT state, due_at, missed_attempts FROM notify.delivery")
    assert tuple(row.values()) == ("superseded", None, 1)


async def test_what_is_late_already_is_not_told_again(pool: Pool) -> None:
    (due,) = await store(pool, alert_record(alert_id=uuid4()), lanes=LANES[:1])
    assert await AwaitedRepository(pool).record_late(now=NOT_SOON, limit=9, member="notify-0")
    assert await record(pool, refused(due)) == []


@pytest.mark.parametrize(
    ("statement", "arguments"),
    [
        (_LOCK, ["ARRAY[$id]::uuid[]"]),
        (_TAKE_UNREACHABLE, ["ARRAY['2126-03-04']::timestamptz[]", "ARRAY[$id]::uuid[]", "3"]),
    ],
    ids=["lock", "take"],
)
async def test_looking_reads_the_alerts_that_failed_however_much_is_stored(
    rig: Rig, pool: Pool, statement: str, arguments: list[str]
) -> None:
    (due,) = await store(pool, alert_record(alert_id=uuid4()), lanes=LANES[:1])
    await rig.query(MANY)
    await rig.query("ANALYZE notify.awaited, notify.delivery, notify.alert")
    for number, argument in enumerate(arguments, start=1):
        literal = argument.replace("$id", f"'{due.record.alert_id}'")
        statement = statement.replace(f"${number}", literal)
    plan = [line["QUERY PLAN"] for line in await rig.query(f"EXPLAIN {statement}")]
    assert not [line for line in plan if "Seq Scan on awaited" in line or "Seq Scan on delivery" in line]


async def store(pool: Pool, alert: AlertRecord, *, lanes: tuple[str, ...]) -> list[Due]:
    """With the first attempt of each path under way."""
    planned = [PlannedDelivery(uuid4(), Path(Channel.WEBHOOK, lane), is_leased=True) for lane in lanes]
    lease_until = NOW + timedelta(seconds=30)
    await AlertRepository(pool).store(
        [PlannedAlert(alert, planned)], [], member="notify-0", now=NOW, lease_until=lease_until
    )
    return [Due(each.delivery_id, alert, each.path, 1, lease_until) for each in planned]


async def record(pool: Pool, result: Result) -> list[UUID]:
    """The alerts that are told to be unreachable."""
    recorded = await DeliveryRepository(pool).record([result], member="notify-0", now=NOW)
    told = [] if recorded.unreachable is None else recorded.unreachable.receipts
    assert all(UNREACHABLE in receipt.value for receipt in told)
    return [result.alert_id for _ in told]


async def begin_again(pool: Pool, due: Due) -> None:
    await pool.execute(
        "UPDATE notify.delivery SET attempts = attempts + 1, leased_by = 'notify-0' WHERE delivery_id = $1",
        due.delivery_id,
    )


def refused(due: Due) -> Result:
    return _result(due, 1, DeliveryState.REFUSED)


def unavailable(due: Due, number: int) -> Result:
    return _result(due, number, DeliveryState.PENDING)


def _result(due: Due, number: int, state: DeliveryState) -> Result:
    is_pending = state is DeliveryState.PENDING
    return Result(
        alert_id=due.record.alert_id,
        revision=1,
        delivery_id=due.delivery_id,
        lane=due.path.lane,
        number=number,
        started_at=NOW,
        duration_ms=1,
        outcome=Outcome.UNAVAILABLE if is_pending else Outcome.REFUSED,
        status_code=503 if is_pending else 422,
        enhanced_code=None,
        detail=None,
        state=state,
        due_at=NOW if is_pending else None,
        has_missed=False,
        receipt=None,
    )
