"""What nobody would look at again is found, and receipts that nobody knows of are published after all."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.notify import receipts
from services.notify.delivery import Channel, Path
from services.notify.repository.alerts import AlertRepository
from services.notify.repository.outbox import OutboxRepository
from services.notify.repository.rows import PlannedAlert, PlannedDelivery
from services.notify.repository.stranded import StrandedRepository
from services.notify.schedule import SCHEDULES
from services.notify.worker.stranding import Stranding
from services.runtime.database import Pool, open_pool
from tests.integration.notify.rig import NOT_SOON, Rig, running_notify, wait_until
from tests.support.receivers import Receivers
from tests.unit.notify.records import alert_record

NOTHING = {
    "deliveries_without_alert": 0,
    "deliveries_never_due": 0,
    "alerts_not_told_late": 0,
    "receipts_not_taken": 0,
}


class Now:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
async def pool(rig: Rig) -> AsyncIterator[Pool]:
    async with open_pool(rig.database.url("notify"), size=4) as opened:
        yield opened


async def look(pool: Pool) -> Mapping[str, int]:
    stranding = Stranding(
        repository=StrandedRepository(pool), schedules=SCHEDULES, lease=timedelta(seconds=35), clock=Now()
    )
    return await stranding.count()


async def store_pending(pool: Pool, *, until: datetime = NOT_SOON) -> None:
    """An alert with a receipt to tell, and a delivery that a process has just claimed."""
    record = alert_record(alert_id=uuid4()).model_copy(update={"acknowledge_by": until})
    path, now = Path(Channel.WEBHOOK, "ep_one"), datetime.now(UTC)
    await AlertRepository(pool).store(
        [PlannedAlert(record, [PlannedDelivery(uuid4(), path, is_leased=True)])],
        [receipts.stored(record, at=now)],
        member="notify-0",
        now=now,
        lease_until=now + timedelta(seconds=35),
    )


async def test_what_is_under_way_or_waits_as_planned_is_not_stranded(rig: Rig, pool: Pool) -> None:
    await store_pending(pool)
    await store_pending(pool, until=datetime.now(UTC) - timedelta(minutes=1))
    # As late as the longest schedule allows.
    await rig.query("UPDATE notify.delivery SET due_at = now() + interval '48 hours'")
    assert await look(pool) == NOTHING


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        ("DELETE FROM notify.alert", "deliveries_without_alert"),
        ("UPDATE notify.delivery SET due_at = now() + interval '3 days'", "deliveries_never_due"),
        ("UPDATE notify.awaited SET acknowledge_by = now() - interval '11 minutes'", "alerts_not_told_late"),
        ("UPDATE notify.outbox SET claimed_at = now() - interval '11 minutes'", "receipts_not_taken"),
    ],
)
async def test_what_has_no_next_step_is_found(rig: Rig, pool: Pool, plant: str, kind: str) -> None:
    await store_pending(pool)
    await rig.query(plant)
    assert await look(pool) == {**NOTHING, kind: 1}


async def test_readiness_tells_of_it_and_the_log_alarms(
    rig: Rig, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    await rig.add_agency("ag-kern-cw", receivers["one"])
    async with open_pool(rig.database.url("notify"), size=1) as pool:
        await store_pending(pool)
    await rig.query("DELETE FROM notify.alert")
    async with running_notify(rig, rig.settings()) as notify:

        async def is_told() -> bool:
            facts = (await notify.ask("GET", "/readyz")).body
            return bool(facts["without_next_step"] == {"deliveries_without_alert": 1})

        await wait_until(is_told)
    (line,) = [line for line in logs if line["event"] == "work.stranded"]
    assert (line["level"], line["kind"], line["found_count"]) == (
        "error",
        "deliveries_without_alert",
        1,
    )


async def test_receipts_whose_writer_never_learnt_of_them_are_published(rig: Rig) -> None:
    """As after a commit whose answer was lost: the row is this member's own, and in nobody's memory."""
    await rig.add_agency("ag-kern-cw")
    record = alert_record(alert_id=uuid4())
    async with running_notify(rig, rig.settings()):
        async with open_pool(rig.database.url("notify"), size=1) as pool:
            await OutboxRepository(pool).insert(
                [receipts.stored(record, at=datetime.now(UTC))],
                member="notify-0",
                now=datetime.now(UTC) - timedelta(seconds=61),
            )
        await rig.wait_for_receipts("stored")


async def test_what_is_in_memory_to_be_published_is_not_taken_again(rig: Rig, pool: Pool) -> None:
    outbox, old = OutboxRepository(pool), datetime.now(UTC) - timedelta(seconds=61)
    fact = receipts.stored(alert_record(alert_id=uuid4()), at=old)
    held, lost = [await outbox.insert([fact], member="notify-0", now=old) for _ in range(2)]
    assert held is not None
    assert lost is not None
    claimed = await outbox.claim_abandoned(
        member="notify-0",
        cluster_id="cluster",
        now=datetime.now(UTC),
        abandoned_since=datetime.now(UTC) - timedelta(seconds=60),
        held=[held.batch_id],
        limit=10,
    )
    assert [batch.batch_id for batch in claimed] == [lost.batch_id]
