"""An alert counts as published once notify has taken it over; until then it is published again."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from schemas.receipt import (
    Acknowledged,
    Delivered,
    Failed,
    ReceiptKind,
    Refused,
    Stored,
    Unacknowledged,
    Unreachable,
)
from schemas.topics import ALERTS, RECEIPTS
from services.routing.handlers.positions import GapError
from services.routing.notices import NOTICE_CASE
from services.routing.repository.views import ViewRepository
from services.runtime.kafka import PublishError, Record
from tests.integration.routing.events import CORRELATION_ID, build_event, lay_out
from tests.integration.routing.rig import Rig, Routing
from tests.integration.routing.test_quarantine import Lines

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT = datetime(2026, 3, 4, 7, 0, tzinfo=UTC)


class OnceFailingPublisher:
    """Fails the first time, as a broker that is away does; then tells what it was given."""

    def __init__(self) -> None:
        self.published: list[Record] = []
        self._has_failed = False

    async def publish(self, records: Sequence[Record]) -> list[tuple[int, int]]:
        if not self._has_failed:
            self._has_failed = True
            raise PublishError("away")
        self.published += records
        return [(0, 0) for _ in records]


def receipt_record(
    receipt: Stored | Delivered | Failed | Acknowledged | Refused | Unacknowledged | Unreachable,
) -> Record:
    return Record(
        RECEIPTS.name,
        receipt.case_ref.encode(),
        receipt.model_dump_json().encode(),
        (("kind", receipt.kind.value.encode()),),
    )


def about(alert_id: UUID) -> dict[str, object]:
    return {
        "alert_id": alert_id,
        "revision": 1,
        "agency": "ag-kern-cw",
        "case_ref": "case-1",
        "at": AT,
        "correlation_id": CORRELATION_ID,
    }


def stored(alert_id: UUID) -> Record:
    return receipt_record(Stored.model_validate(about(alert_id)))


async def decide_one(rig: Rig, routing: Routing) -> list[UUID]:
    await routing.events.handle(lay_out(await rig.sealer.seal(build_event())))
    return [row["message_id"] for row in await rig.rows("outbox") if row["topic"] == ALERTS.name]


async def make_due(rig: Rig) -> None:
    await rig.admin.execute("UPDATE routing.outbox SET publish_after = now() - interval '1 second'")


def delivered(alert_id: UUID) -> Record:
    return receipt_record(
        Delivered.model_validate({**about(alert_id), "delivery_id": uuid4(), "channel": "email"})
    )


def failed(alert_id: UUID) -> Record:
    return receipt_record(
        Failed.model_validate(
            {**about(alert_id), "delivery_id": uuid4(), "channel": "webhook", "outcome": "gone"}
        )
    )


def acknowledged(alert_id: UUID) -> Record:
    return receipt_record(Acknowledged.model_validate(about(alert_id)))


def unacknowledged(alert_id: UUID) -> Record:
    return receipt_record(Unacknowledged.model_validate(about(alert_id)))


def refused(alert_id: UUID) -> Record:
    return receipt_record(Refused.model_validate({**about(alert_id), "reason": "no_capacity"}))


def unreachable(alert_id: UUID) -> Record:
    return receipt_record(Unreachable.model_validate(about(alert_id)))


TELLINGS = [stored, delivered, failed, unacknowledged, unreachable, acknowledged, refused]


@pytest.mark.parametrize("tell", TELLINGS)
async def test_what_notify_tells_of_leaves_the_outbox_for_it_has_it(
    rig: Rig, routing: Routing, tell: Callable[[UUID], Record]
) -> None:
    first, *others = await decide_one(rig, routing)

    await routing.receipts.handle(lay_out([tell(first)]))

    # What failed is told to the coordinator besides: of no case.
    left = [
        row["message_id"]
        for row in await rig.rows("outbox")
        if row["topic"] == ALERTS.name and row["key"] != NOTICE_CASE
    ]
    assert left == others


async def test_receipts_of_ours_leave_the_outbox_once_intake_has_read_past_them_all(
    rig: Rig, routing: Routing
) -> None:
    await routing.events.handle(lay_out(await rig.sealer.seal(build_event("e1"), build_event("e2"))))
    first, last = await rig.published(RECEIPTS.name)
    [kept] = [row for row in await rig.rows("outbox") if row["topic"] == RECEIPTS.name]
    assert kept["record"] == b"\n".join([first.value or b"", last.value or b""])

    rig.read_by_intake[last.partition] = last.offset
    assert await routing.read_back.settle() == 0
    assert RECEIPTS.name in {row["topic"] for row in await rig.rows("outbox")}

    rig.read_by_intake[last.partition] = last.offset + 1
    assert await routing.read_back.settle() == 1
    assert {row["topic"] for row in await rig.rows("outbox")} == {ALERTS.name}
    assert await routing.read_back.settle() == 0


async def test_receipts_that_were_published_again_are_settled_by_their_new_places(
    rig: Rig, routing: Routing
) -> None:
    await decide_one(rig, routing)
    async with rig.open_routing() as restarted:
        await make_due(rig)
        await restarted.hand_over.republish_late()
        *_, again = await rig.published(RECEIPTS.name)

        rig.read_by_intake[again.partition] = again.offset
        assert await restarted.read_back.settle() == 0
        rig.read_by_intake[again.partition] = again.offset + 1
        assert await restarted.read_back.settle() == 1


@pytest.mark.parametrize("headers", [(), (("kind", b"decided"),)])
async def test_receipts_of_ours_are_passed_over_when_they_are_read(
    rig: Rig, routing: Routing, headers: tuple[tuple[str, bytes], ...]
) -> None:
    await decide_one(rig, routing)
    [own] = await rig.published(RECEIPTS.name)

    # As the first of the partition: another test may have published before.
    await routing.receipts.handle([own._replace(headers=headers, offset=0)])

    assert await rig.position(topic=RECEIPTS.name, partition=own.partition) == 1
    assert await rig.count("quarantine") == 0


async def test_what_nobody_took_over_in_time_is_published_again_as_it_was(rig: Rig, routing: Routing) -> None:
    await decide_one(rig, routing)
    before = await rig.published(ALERTS.name)
    assert await routing.hand_over.republish_late() == 0

    await make_due(rig)
    assert await routing.hand_over.republish_late() == len(before) + 1

    after = await rig.published(ALERTS.name)
    assert sorted(record.value or b"" for record in after) == sorted(
        record.value or b"" for record in [*before, *before]
    )


async def test_the_pause_grows_with_the_messages_age(rig: Rig, routing: Routing) -> None:
    await decide_one(rig, routing)
    await rig.admin.execute("UPDATE routing.outbox SET created_at = now() - interval '1 hour'")
    await make_due(rig)

    await routing.hand_over.republish_late()

    pause = await rig.admin.fetchval("SELECT min(publish_after) - now() FROM routing.outbox")
    assert pause.total_seconds() > 3500


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
async def test_what_was_published_to_a_lost_log_is_published_to_the_new_one(
    rig: Rig, routing: Routing
) -> None:
    await decide_one(rig, routing)
    kept = {row["record"] for row in await rig.rows("outbox")}
    await rig.broker.restart()

    async with rig.open_routing(cluster_id="cluster-2") as restarted:
        assert await restarted.hand_over.republish_lost() == len(kept)
        assert await restarted.hand_over.republish_lost() == 0

    found = [*await rig.published(ALERTS.name), *await rig.published(RECEIPTS.name)]
    assert {record.value for record in found} == kept


async def test_republishing_that_fails_is_done_again_later(rig: Rig, routing: Routing) -> None:
    await decide_one(rig, routing)
    publisher = OnceFailingPublisher()
    async with rig.open_routing(publisher=publisher, cluster_id="cluster-2") as restarted:  # type: ignore[arg-type]
        with pytest.raises(PublishError):
            await restarted.hand_over.republish_lost()
        await make_due(rig)
        await restarted.hand_over.republish_late()

    assert len(publisher.published) == await rig.count("outbox")


async def test_a_new_clusters_log_starts_at_its_beginning(rig: Rig, routing: Routing) -> None:
    await decide_one(rig, routing)

    async with rig.open_routing(cluster_id="cluster-2") as restarted:
        await restarted.events.handle(lay_out(await rig.sealer.seal(build_event(), build_event("e2"))))

    assert [row["event_id"] for row in await rig.rows("decision")] == ["e1", "e2"]


# ------------------------------------------------------------------------------- facts


async def test_a_fact_told_twice_is_shown_once(rig: Rig, routing: Routing) -> None:
    alert_id, *_ = await decide_one(rig, routing)
    facts = [tell(alert_id) for tell in (stored, delivered, failed, refused, unacknowledged, acknowledged)]

    await routing.receipts.handle(lay_out([*facts, *facts]))

    view = await ViewRepository(routing.pool).read_event(event_id="e1", source=None)
    assert len(view.facts) == 6
    assert {fact.kind: (fact.channel, fact.outcome, fact.at) for fact in view.facts} == {
        "stored": (None, None, AT),
        "delivered": ("email", None, AT),
        "failed": ("webhook", "gone", AT),
        "refused": (None, "no_capacity", AT),
        "unacknowledged": (None, None, AT),
        "acknowledged": (None, None, AT),
    }


async def test_receipts_read_again_change_nothing(rig: Rig, routing: Routing) -> None:
    ids = await decide_one(rig, routing)
    log = lay_out([stored(alert_id) for alert_id in ids])
    await routing.receipts.handle(log)
    before = await rig.ledger()

    await routing.receipts.handle(log[1:])
    async with rig.open_routing() as restarted:
        await restarted.receipts.handle(log)

    assert await rig.ledger() == before


async def test_a_gap_in_the_receipts_stops_too(rig: Rig, routing: Routing) -> None:
    ids = await decide_one(rig, routing)

    with pytest.raises(GapError):
        await routing.receipts.handle(lay_out([stored(ids[0])], first_offset=1))


async def test_what_is_no_receipt_is_kept_and_the_rest_goes_on(
    rig: Rig, routing: Routing, logs: Lines
) -> None:
    first, *_ = await decide_one(rig, routing)
    nonsense = Record(RECEIPTS.name, b"case-1", b"{}", (("kind", b"delivered"),))

    await routing.receipts.handle(lay_out([nonsense, stored(first)]))

    [kept] = await rig.rows("quarantine")
    assert (kept["topic"], kept["reason"], kept["record"]) == (RECEIPTS.name, "not_a_receipt", b"{}")
    assert [row["kind"] for row in await rig.rows("receipt")] == [ReceiptKind.STORED]
    assert [line["offset"] for line in logs if line["event"] == "receipt.quarantined"] == [0]
