"""The feed's cursor never skips, however many write at once and in whatever order they commit."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from schemas.alert import AlertRecord
from services.notify.repository.alerts import AlertRepository
from services.notify.repository.rows import PlannedAlert
from services.runtime.database import Pool, open_pool
from tests.integration.notify.rig import Rig
from tests.unit.notify.records import alert_record

NOW = datetime(2026, 3, 4, 6, 41, tzinfo=UTC)
AGENCIES = [f"ag-{number}" for number in range(4)]


@pytest.fixture
async def pool(rig: Rig) -> AsyncIterator[Pool]:
    async with open_pool(rig.database.url("notify"), size=12) as opened:
        yield opened


async def store(pool: Pool, *records: AlertRecord) -> None:
    await AlertRepository(pool).store(
        [PlannedAlert(record, []) for record in records],
        [],
        member="notify-0",
        now=NOW,
        lease_until=NOW + timedelta(seconds=30),
    )


async def follow(pool: Pool, agency: str, *, until: int) -> list[AlertRecord]:
    """Reads as an agency does: on from where it was, until it has so many."""
    found: list[AlertRecord] = []
    after = 0
    while len(found) < until:
        entries = await AlertRepository(pool).list_feed(agency=agency, after=after, limit=7)
        found += [entry.record for entry in entries]
        after = entries[-1].position if entries else after
        await asyncio.sleep(0)
    return found


async def test_readers_miss_nothing_of_what_many_writers_store_at_once(pool: Pool) -> None:
    chance = random.Random(20260304)
    batches = [
        [alert_record(alert_id=uuid4(), agency=chance.choice(AGENCIES)) for _ in range(chance.randint(1, 20))]
        for _ in range(120)
    ]
    written = [record for batch in batches for record in batch]
    counts = {agency: sum(record.agency == agency for record in written) for agency in AGENCIES}
    async with asyncio.timeout(60), asyncio.TaskGroup() as together:
        for part in range(8):
            together.create_task(_write(pool, batches[part::8]))
        readers = {
            agency: together.create_task(follow(pool, agency, until=counts[agency])) for agency in AGENCIES
        }
    for agency, reader in readers.items():
        ids = [record.alert_id for record in reader.result()]
        assert len(ids) == len(set(ids))
        assert set(ids) == {record.alert_id for record in written if record.agency == agency}


async def test_what_commits_late_is_not_behind_the_cursor_of_a_reader_who_was_early(
    pool: Pool, rig: Rig
) -> None:
    early, late = alert_record(alert_id=uuid4(), agency="ag-0"), alert_record(alert_id=uuid4(), agency="ag-0")
    connection = await asyncpg.connect(rig.database.admin)
    async with connection.transaction():
        # A writer that has its position and has not committed.
        await connection.execute("INSERT INTO notify.feed (agency, last_position) VALUES ('ag-0', 1)")
        storing = asyncio.create_task(store(pool, late))
        await rig.wait_for_row("SELECT 1 FROM pg_locks WHERE NOT granted")
        assert await AlertRepository(pool).list_feed(agency="ag-0", after=0, limit=10) == []
        await _insert_at(connection, early, position=1)
    await storing
    await connection.close()
    entries = await AlertRepository(pool).list_feed(agency="ag-0", after=0, limit=10)
    assert [(entry.position, entry.record.alert_id) for entry in entries] == [
        (1, early.alert_id),
        (2, late.alert_id),
    ]


async def test_what_is_stored_again_has_one_place(pool: Pool) -> None:
    record = alert_record(agency="ag-0")
    await store(pool, record)
    await store(pool, record)
    entries = await AlertRepository(pool).list_feed(agency="ag-0", after=0, limit=10)
    assert [entry.record for entry in entries] == [record]


async def test_a_reader_gets_the_newest_revision_once(pool: Pool) -> None:
    await store(pool, alert_record(agency="ag-0"))
    await store(pool, alert_record(agency="ag-0", revision=2))
    entries = await AlertRepository(pool).list_feed(agency="ag-0", after=0, limit=10)
    assert [(entry.position, entry.record.revision) for entry in entries] == [(2, 2)]


async def _write(pool: Pool, batches: list[list[AlertRecord]]) -> None:
    for batch in batches:
        await store(pool, *batch)


async def _insert_at(
    connection: "asyncpg.Connection[asyncpg.Record]", record: AlertRecord, *, position: int
) -> None:
    await connection.execute(
        "INSERT INTO notify.alert (alert_id, revision, feed_position, command, form, agency, contact,"
        " case_ref, urgency, acknowledge_by, exercise, decided_at, directory_version, correlation_id, key_id,"
        " sealed, stored_at)"
        " SELECT $1, 1, $2, 'deliver', 'alert', 'ag-0', 'primary', 'c', 'routine', now(), false, now(), 1,"
        " '', $1, '', now()",
        record.alert_id,
        position,
    )
