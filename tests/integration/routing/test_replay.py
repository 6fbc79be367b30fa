"""Every event gets one decision, whatever is read again, by whom, and in whatever batches."""

import asyncio
import json
from collections.abc import Sequence
from random import Random

import pytest

from schemas.alert import Command
from schemas.topics import ALERTS, RECEIPTS
from services.routing.handlers.positions import GapError
from services.runtime.kafka import PublishError, ReceivedRecord, Record, is_passing_trouble
from tests.integration.routing.events import Json, build_event, garbage, in_batches, lay_out, spoil
from tests.integration.routing.rig import Rig, Routing

pytestmark = pytest.mark.asyncio(loop_scope="module")


class FailingPublisher:
    """Publishes nothing: the process died after its commit."""

    async def publish(self, records: Sequence[Record]) -> list[tuple[int, int]]:
        raise PublishError("gone")


async def a_mixed_log(rig: Rig, *, partition: int = 0, length: int = 24) -> list[ReceivedRecord]:
    """Events of several cases with second thoughts, duplicates, reused ids, and records that do not open."""
    events = [build_event(f"e{partition}-{n}", subject=f"case-{partition}-{n % 5}") for n in range(length)]
    events[3] = events[0]
    events[7] = events[0] | {"data": {"county": "06029"}}
    events[11] = second_thought(events[1], "corrects", "e-11")
    events[12] = consent(events[2], "consent.granted", "e-12")
    events[14] = second_thought(events[4], "retracts", "e-14")
    events[17] = consent(events[2], "consent.revoked", "e-17")
    events[18] = second_thought(events[1], "corrects", "e-18", subject="case-elsewhere")
    events[19] = second_thought(events[20], "corrects", "e-19")
    events[21] = second_thought(events[11], "retracts", "e-21")
    sealed = await rig.sealer.seal(*events)
    sealed[5] = spoil(sealed[5])
    sealed[15] = garbage()
    return lay_out(sealed, partition=partition)


def second_thought(event: Json, word: str, event_id: str, **changes: object) -> Json:
    """A correction that names a suspect's employer and drops the exploitation, or a retraction."""
    data = {"county": "06029", "age": {"band": "13to15"}, "suspect": {"employer_agency": "ag-kern-cw"}}
    data = data if word == "corrects" else {"county": "06029"}
    event_type = event["type"] if word == "corrects" else "org.tocsin.event.retracted.v1"
    return event | {"id": event_id, "type": event_type, "data": {**data, word: event["id"]}, **changes}


def consent(event: Json, event_type: str, event_id: str) -> Json:
    said: Json = {"consent_id": "cn-1"}
    if event_type == "consent.granted":
        said |= {"granted_by": "self", "recipients": ["VICTIM_SERVICES"], "groups": ["name"]}
        said |= {"to": "2100-01-01T00:00:00Z"}
    data = {"county": "06029", "consent": said}
    return event | {"id": event_id, "type": f"org.tocsin.{event_type}.v1", "data": data}


@pytest.mark.parametrize("seed", range(3))
async def test_reading_the_log_again_in_any_batches_changes_nothing(
    rig: Rig, routing: Routing, seed: int
) -> None:
    chance = Random(seed)
    log = await a_mixed_log(rig)
    for batch in in_batches(log, [chance.randint(1, 6) for _ in log]):
        await routing.events.handle(batch)
    before = await rig.ledger()

    for batch in in_batches(log, [chance.randint(1, 9) for _ in log]):
        await routing.events.handle(batch)
    async with rig.open_routing() as restarted:
        await restarted.events.handle(log)

    assert await rig.ledger() == before


async def test_what_is_decided_does_not_depend_on_how_the_log_was_cut(rig: Rig) -> None:
    log = await a_mixed_log(rig)
    outcomes = []
    for sizes in ([1] * len(log), [len(log)], [5] * len(log)):
        await rig.admin.execute(
            "TRUNCATE routing.decision, routing.alert, routing.duty, routing.outbox, routing.quarantine, "
            "routing.position, routing.case_state, routing.ladder"
        )
        async with rig.open_routing() as routing:
            for batch in in_batches(log, sizes):
                await routing.events.handle(batch)
        outcomes.append(await what_was_decided(rig))

    assert outcomes[0] == outcomes[1] == outcomes[2]


async def what_was_decided(rig: Rig) -> list[object]:
    """All but the instants and the sealed bytes, whose nonces differ."""
    columns = {
        "decision": "source, event_id, case_ref, county, outcome, packs, errors, content_digest",
        "alert": "alert_id, source, event_id, form, kind, agency, role, contact, rules, urgency, reason",
        "duty": "duty_id, rule, holder, what, due, status",
        "ladder": "alert_id, source, event_id, agency, cause, case_ref",
        "quarantine": 'partition, "offset", record, reason',
    }
    tables = [
        [tuple(row.values()) for row in await rig.rows(table, columns=names)]
        for table, names in columns.items()
    ]
    kept = await rig.rows("outbox", columns="seq, message_id, topic, key, record")
    alerts = {(row["message_id"], row["key"]) for row in kept if row["topic"] == ALERTS.name}
    told = [
        json.loads(line)
        for row in kept
        if row["topic"] == RECEIPTS.name
        for line in row["record"].split(b"\n")
    ]
    return [*tables, alerts, [(line["event_id"], line["status"], line["errors"]) for line in told]]


async def test_two_consumers_on_the_same_partition_cannot_both_decide(rig: Rig) -> None:
    log = await a_mixed_log(rig, length=60)
    async with rig.open_routing() as one, rig.open_routing() as other:
        for batch in in_batches(log, [7] * len(log)):
            await asyncio.gather(one.events.handle(batch), other.events.handle(batch))

    decided = await rig.rows("decision")
    assert len(decided) == len({(row["source"], row["event_id"]) for row in decided})
    assert await rig.position() == len(log)
    alerts = await rig.rows("alert")
    delivered = [a for a in await rig.published_alerts() if a.command is Command.DELIVER]
    assert {alert.alert_id for alert in delivered} == {row["alert_id"] for row in alerts}


async def test_one_batch_may_hold_records_of_several_partitions(rig: Rig, routing: Routing) -> None:
    first, second = await a_mixed_log(rig), await a_mixed_log(rig, partition=1)

    await routing.events.handle([*first, *second])

    assert await rig.position() == await rig.position(partition=1) == len(first)


async def test_the_same_event_in_two_partitions_at_once_is_decided_once(rig: Rig) -> None:
    """The same id for two cases, which lie in different partitions, and neither consumer sees the other's."""
    here = lay_out(await rig.sealer.seal(build_event("e1", subject="case-1")))
    there = lay_out(await rig.sealer.seal(build_event("e1", subject="case-2")), partition=1)
    async with rig.open_routing() as one, rig.open_routing() as other:
        await asyncio.gather(until_handled(one, here), until_handled(other, there))

    assert len(await rig.rows("decision")) == 1
    assert [row["reason"] for row in await rig.rows("quarantine")] == ["id_reused"]


async def until_handled(routing: Routing, records: list[ReceivedRecord]) -> None:
    """As the consumer does: a batch that met passing trouble is read again."""
    while True:
        try:
            return await routing.events.handle(records)
        except Exception as error:
            if not is_passing_trouble(error):
                raise


async def test_a_gap_stops_everything_before_anything_is_written(
    rig: Rig, routing: Routing, logs: list[dict[str, object]]
) -> None:
    log = await a_mixed_log(rig)

    with pytest.raises(GapError):
        await routing.events.handle([log[0], log[2]])

    assert await rig.count("decision") == 0
    assert await rig.position() == 0
    [line] = [line for line in logs if line["event"] == "consumer.gap_found"]
    assert (line["offset"], line["expected_offset"]) == (2, 1)


async def test_what_was_committed_and_not_published_is_published_as_it_was_when_it_is_read_again(
    rig: Rig,
) -> None:
    log = await a_mixed_log(rig)
    async with rig.open_routing(publisher=FailingPublisher()) as dying:  # type: ignore[arg-type]
        with pytest.raises(PublishError):
            await dying.events.handle(log)
    before = await rig.ledger()
    assert await rig.published_alerts() == []

    async with rig.open_routing() as restarted:
        await restarted.events.handle(log)

    assert await rig.ledger() == before
    kept = {row["record"] for row in before["outbox"] if row["topic"] == ALERTS.name}
    assert {record.value for record in await rig.published(ALERTS.name)} == kept
    assert len(await rig.published(ALERTS.name)) == len(kept)


async def test_an_empty_value_is_refused_like_any_other_record_that_is_no_event(
    rig: Rig, routing: Routing
) -> None:
    [record] = lay_out([garbage()])

    await routing.events.handle([record._replace(value=None)])

    [kept] = await rig.rows("quarantine")
    assert (kept["reason"], kept["record"]) == ("not_an_envelope", None)
