"""Nobody acknowledged in time: routing is told once, whoever looks and whoever is killed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from schemas.alert import AlertForm, AlertRecord, Command
from schemas.receipt import Unacknowledged
from services.notify import receipts
from services.notify.repository.acknowledgements import Acknowledgement, AcknowledgementRepository
from services.notify.repository.alerts import AlertRepository
from services.notify.repository.awaited import _TAKE_LATE, AwaitedRepository
from services.notify.repository.rows import PlannedAlert, ReceiptBatch
from services.runtime.database import Pool, open_pool
from tests.integration.notify.rig import Rig, running_notify
from tests.integration.notify.test_surviving import notify_process
from tests.support.receivers import Receivers
from tests.support.servers import Database
from tests.unit.notify.records import CASE_KEY_ID, alert_record

AGENCY, KEY = "ag-kern-cw", "tca_key_of_child_welfare"
PERSON = {"person": "J. Ortiz", "role": "duty supervisor"}
NOW = datetime(2026, 3, 4, 6, 55, tzinfo=UTC)


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with open_pool(database.url("notify"), size=8) as opened:
        yield opened


def due_at(at: datetime, **given: object) -> AlertRecord:
    changes = {"alert_id": uuid4(), "acknowledge_by": at, **given}
    return alert_record().model_copy(update=changes)


async def store(pool: Pool, *records: AlertRecord) -> None:
    await AlertRepository(pool).store(
        [PlannedAlert(record, []) for record in records],
        [],
        member="notify-0",
        now=NOW - timedelta(hours=1),
        lease_until=NOW,
    )


async def find_late(pool: Pool, *, now: datetime = NOW, limit: int = 500) -> list[UUID]:
    batch = await AwaitedRepository(pool).record_late(now=now, limit=limit, member="notify-0")
    return [UUID(alert_id) for alert_id in _ids(batch)]


def _ids(batch: ReceiptBatch | None) -> list[str]:
    return [] if batch is None else [orjson.loads(each.value)["alert_id"] for each in batch.receipts]


async def acknowledge(pool: Pool, record: AlertRecord) -> ReceiptBatch | None:
    given = Acknowledgement(
        alert_id=record.alert_id,
        revision=record.revision,
        agency=record.agency,
        acknowledged_at=NOW,
        key_id=CASE_KEY_ID,
        person_sealed=None,
        role_sealed=None,
    )
    receipt = receipts.acknowledged(record, at=NOW)
    return (await AcknowledgementRepository(pool).record(given, receipt, member="notify-0")).receipts


async def test_an_alert_is_late_at_its_instant_and_not_before_and_once(pool: Pool) -> None:
    record = due_at(NOW)
    await store(pool, record)
    assert await find_late(pool, now=NOW - timedelta(microseconds=1)) == []
    assert await find_late(pool) == [record.alert_id]
    assert await find_late(pool, now=NOW + timedelta(days=1)) == []
    await store(pool, record)
    assert await find_late(pool, now=NOW + timedelta(days=1)) == []


async def test_a_receipt_names_the_newest_revision(pool: Pool) -> None:
    record = due_at(NOW)
    await store(pool, record)
    await store(pool, record.model_copy(update={"revision": 2, "command": Command.AMEND}))
    batch = await AwaitedRepository(pool).record_late(now=NOW, limit=10, member="notify-0")
    assert batch is not None
    assert batch.receipts == [receipts.unacknowledged(record.model_copy(update={"revision": 2}), at=NOW)]


async def test_an_amended_alert_is_late_once_and_at_its_first_instant(pool: Pool) -> None:
    first = due_at(NOW)
    later = {"revision": 2, "command": Command.AMEND, "acknowledge_by": NOW + timedelta(hours=1)}
    await store(pool, first, first.model_copy(update=later))
    await store(pool, first.model_copy(update={**later, "revision": 3}))
    assert await find_late(pool, now=NOW + timedelta(days=1)) == [first.alert_id]


@pytest.mark.parametrize("revisions", [(1, 2), (2, 1)], ids=["after its alert", "before its alert"])
async def test_nobody_waits_for_what_was_stopped(pool: Pool, revisions: tuple[int, int]) -> None:
    record = due_at(NOW)
    stop = record.model_copy(update={"revision": 2, "command": Command.STOP})
    for revision in revisions:
        await store(pool, {1: record, 2: stop}[revision])
    together = due_at(NOW)
    await store(pool, together, together.model_copy(update={"revision": 2, "command": Command.STOP}))
    assert await find_late(pool) == []


async def test_nobody_waits_for_a_notice_or_a_review(pool: Pool) -> None:
    await store(pool, due_at(NOW, form=AlertForm.DUTY_NOTICE), due_at(NOW, command=Command.REVIEW))
    assert await find_late(pool) == []


async def test_what_is_acknowledged_is_never_late(pool: Pool) -> None:
    taken, left = due_at(NOW), due_at(NOW)
    await store(pool, taken, left)
    await acknowledge(pool, taken)
    assert await find_late(pool) == [left.alert_id]


async def test_an_acknowledgement_under_way_is_waited_for_and_wins(database: Database, pool: Pool) -> None:
    record, other = due_at(NOW), due_at(NOW)
    await store(pool, record, other)
    connection = await asyncpg.connect(database.admin)
    try:
        # As an acknowledgement is, just before its commit.
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("DELETE FROM notify.awaited WHERE alert_id = $1", record.alert_id)
        # Others are not held up by it.
        assert await find_late(pool) == [other.alert_id]
        await transaction.commit()
    finally:
        await connection.close()
    assert await find_late(pool) == []


async def test_at_the_same_moment_late_stands_before_acknowledged_or_not_at_all(pool: Pool) -> None:
    """Whatever the race comes to, routing never hears that an alert is late after it was acknowledged."""
    outcomes: Counter[str] = Counter()
    for number in range(60):
        record = due_at(NOW)
        await store(pool, record)

        async def take(record: AlertRecord = record, pause: int = number % 3) -> ReceiptBatch | None:
            for _ in range(pause):
                await asyncio.sleep(0)
            return await acknowledge(pool, record)

        late, taken = await asyncio.gather(
            AwaitedRepository(pool).record_late(now=NOW, limit=10, member="notify-0"), take()
        )
        assert taken is not None
        outcomes["late" if late else "in time"] += 1
        assert late is None or late.batch_id < taken.batch_id
        assert await find_late(pool) == []
    assert sum(outcomes.values()) == 60


async def test_two_processes_report_each_alert_once(pool: Pool) -> None:
    records = [due_at(NOW - timedelta(seconds=number % 7)) for number in range(300)]
    await store(pool, *records)

    async def report() -> list[UUID]:
        found: list[UUID] = []
        while late := await find_late(pool, limit=20):
            found += late
        return found

    async with asyncio.TaskGroup() as together:
        tasks = [together.create_task(report()) for _ in range(4)]
    reported = Counter(alert_id for task in tasks for alert_id in task.result())
    assert reported == dict.fromkeys((record.alert_id for record in records), 1)


async def test_looking_reads_what_is_late_and_nothing_else_however_much_waits(rig: Rig, pool: Pool) -> None:
    late = due_at(NOW)
    await store(pool, late)
    await rig.query(
        """
        INSERT INTO notify.awaited
        SELECT $1::timestamptz + number * interval '1 second', gen_random_uuid()
        FROM generate_series(1, 200000) AS number
        """,
        NOW,
    )
    await rig.query("ANALYZE notify.awaited")
    (row,) = await rig.query(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {_literal(_TAKE_LATE)}")
    plan = str(row["QUERY PLAN"])
    assert "Seq Scan" not in plan
    assert "awaited_pkey" in plan
    top = orjson.loads(row["QUERY PLAN"])[0]["Plan"]
    # Of more than a thousand; earlier tests leave dead entries where the index begins.
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 100


def _literal(statement: str) -> str:
    return statement.replace("$1", f"'{NOW.isoformat()}'").replace("$2", "500")


async def test_routing_is_told_and_the_log_counts(
    rig: Rig, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with running_notify(rig, rig.settings()) as notify:
        late = await rig.send_alert(acknowledge_by=NOW)
        await rig.send_alert()
        told = await rig.wait_for_receipts("delivered", "delivered", "unacknowledged")
        assert [receipt.alert_id for receipt in told if isinstance(receipt, Unacknowledged)] == [
            late.alert_id
        ]
        # Late is not lost: it may still be acknowledged.
        path = f"/v1/alerts/{late.alert_id}/acknowledge"
        assert (await notify.ask("POST", path, key=KEY, json=PERSON)).status == 200
        await rig.wait_until_told("delivered", "unacknowledged", "acknowledged")
    assert [line["alert_count"] for line in logs if line["event"] == "alerts.unacknowledged"] == [1]


async def test_a_kill_after_the_commit_loses_no_report(rig: Rig) -> None:
    """The receipt is in the outbox with the fact; whoever comes next publishes it."""
    await rig.add_agency(AGENCY)
    alert = await rig.seal_alert(acknowledge_by=NOW)
    async with open_pool(rig.database.url("notify"), size=1) as pool:
        await store(pool, alert)
        assert await find_late(pool) == [alert.alert_id]
    with notify_process(rig.settings()):
        await rig.wait_for_receipts("unacknowledged")
    assert await rig.query("SELECT 1 FROM notify.awaited") == []
