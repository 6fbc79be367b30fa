"""Records that nobody may act on: kept whole, told to the coordinators, and out of the others' way."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

from schemas.receipt import EventStatus
from services.routing.handlers.quarantine import IN_A_ROW
from services.routing.handlers.stopping import ConsumerStoppedError
from services.routing.rules import Edition, PackSet
from services.runtime.health import NotReadyError
from services.runtime.kafka import ReceivedRecord, Record
from services.runtime.keyring import CaseKey
from tests.integration.routing.events import build_event, garbage, lay_out, seal_event, spoil
from tests.integration.routing.rig import PACKS, Rig, Routing, alerts_by_agency
from tests.support.waiting import SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")

Lines = list[dict[str, Any]]


class BrokenPacks(PackSet):
    """Packs that cannot be asked: a fault of ours."""

    def edition(self, now: datetime, county: str) -> Edition:
        raise RuntimeError("Quillfeather")


def unparseable(key: CaseKey) -> Record:
    """What intake would have refused: it opens, and is no case event."""
    return seal_event(build_event("unparseable", data={"county": "06029", "nmae": {"full": "x"}}), key)


async def case_key(rig: Rig, routing: Routing) -> CaseKey:
    await rig.sealer.seal(build_event())
    [row] = await rig.admin.fetch("SELECT key_id FROM keyring.case_key WHERE case_ref = 'case-1'")
    key = (await routing.keyring.find_keys([row["key_id"]]))[row["key_id"]]
    assert key is not None
    return key


async def test_the_rest_of_the_batch_goes_on(rig: Rig, routing: Routing, logs: Lines) -> None:
    key = await case_key(rig, routing)
    good = await rig.sealer.seal(build_event("e1"), build_event("e2"), build_event("e3"))
    log = [good[0], garbage(), good[1], spoil(good[0]), unparseable(key), good[2]]

    await routing.events.handle(lay_out(log))

    outcomes = {row["event_id"]: row["outcome"] for row in await rig.rows("decision")}
    assert outcomes == {
        "e1": "routed",
        "e2": "routed",
        "e3": "routed",
        "e1-spoilt": "quarantined",
        "unparseable": "quarantined",
    }
    kept = {row["offset"]: (row["reason"], row["record"]) for row in await rig.rows("quarantine")}
    assert kept == {
        1: ("not_an_envelope", log[1].value),
        3: ("not_opened", log[3].value),
        4: ("not_parsed", log[4].value),
    }
    errors = [line["reason"] for line in logs if line["event"] == "event.quarantined"]
    assert errors == ["not_an_envelope", "not_opened", "not_parsed"]


async def test_the_coordinators_are_told_at_once_and_shown_nothing(rig: Rig, routing: Routing) -> None:
    [record] = await rig.sealer.seal(build_event())

    await routing.events.handle(lay_out([spoil(record), garbage()]))

    alerts = alerts_by_agency(await rig.published_alerts())
    assert set(alerts) == {"ag-kern-tfc"}
    for alert in alerts["ag-kern-tfc"]:
        content = await rig.open_content(alert)
        assert (content["kind"], content["urgency"]) == ("error", "immediate")
        assert (content["reason"], content["rules"], content["disclosed"]) == ("QUARANTINED", [], {})


async def test_what_belongs_to_no_readable_case_is_sealed_under_the_deployments_own_key(
    rig: Rig, routing: Routing
) -> None:
    await routing.events.handle(lay_out([garbage()]))

    [alert] = await rig.published_alerts()
    assert alert.key_id.int == 0
    assert alert.case_ref == "case-1"
    assert (await rig.open_content(alert))["event_id"] == "unknown"


async def test_a_record_whose_key_is_gone_is_refused(rig: Rig, routing: Routing) -> None:
    [record] = await rig.sealer.seal(build_event())
    await rig.admin.execute("UPDATE keyring.case_key SET wrapped = NULL")

    await routing.events.handle(lay_out([record]))

    assert [row["reason"] for row in await rig.rows("quarantine")] == ["key_missing"]


async def test_a_key_that_does_not_unwrap_holds_up_no_other_case(rig: Rig, routing: Routing) -> None:
    log = await rig.sealer.seal(build_event("e1", subject="case-1"), build_event("e2", subject="case-2"))
    await rig.admin.execute("UPDATE keyring.case_key SET wrapped = '\\x00' WHERE case_ref = 'case-1'")

    await routing.events.handle(lay_out(log))

    outcomes = {row["event_id"]: row["outcome"] for row in await rig.rows("decision")}
    assert outcomes == {"e1": "quarantined", "e2": "routed"}


async def test_the_source_learns_that_its_event_was_refused(rig: Rig, routing: Routing) -> None:
    key = await case_key(rig, routing)

    await routing.events.handle(lay_out([unparseable(key)]))

    [receipt] = await rig.published_receipts()
    assert receipt.status is EventStatus.REFUSED
    assert [error.path for error in receipt.errors] == ["/data/nmae"]


async def test_an_event_that_our_code_fails_on_is_refused_and_the_log_says_where_and_not_what(
    rig: Rig, logs: Lines
) -> None:
    async with rig.open_routing(packs=BrokenPacks(PACKS.versions)) as broken:
        await broken.events.handle(lay_out(await rig.sealer.seal(build_event())))

    [row] = await rig.rows("quarantine")
    assert (row["reason"], row["error_type"]) == ("decide_failed", "RuntimeError")
    [line] = [line for line in logs if line["event"] == "event.quarantined"]
    assert line["error_type"] == "RuntimeError"
    assert "Quillfeather" not in repr(logs)


async def test_a_conflicted_coordinator_is_not_told_of_a_refused_event(rig: Rig, routing: Routing) -> None:
    key = await case_key(rig, routing)
    named = {"county": "06029", "nmae": {}, "suspect": {"employer_agency": "ag-kern-tfc"}}

    await routing.events.handle(lay_out([seal_event(build_event(data=named), key)]))

    assert "ag-kern-tfc" not in alerts_by_agency(await rig.published_alerts())


async def test_a_refusal_that_no_coordinator_can_be_told_of_alarms(
    rig: Rig, routing: Routing, logs: Lines
) -> None:
    key = await case_key(rig, routing)
    named = {"county": "06029", "nmae": {}, "suspect": {"employer_agency": "ag-kern-tfc"}}

    await routing.events.handle(lay_out([seal_event(build_event(data=named), key)]))

    assert [line["reason"] for line in logs if line["event"] == "decision.undeliverable"] == ["QUARANTINED"]
    assert [row["undeliverable"] for row in await rig.rows("decision")] == ["QUARANTINED"]


# ------------------------------------------------------------------------------- too many


async def handle_until_stopped(routing: Routing, records: list[ReceivedRecord]) -> None:
    """Returns when the consumer is held; the process is then asked to end."""
    handling = asyncio.create_task(routing.events.handle(records))
    async with asyncio.timeout(SECONDS):
        while not routing.brake.is_pulled:  # noqa: ASYNC110 -- the handler has no event of ours
            await asyncio.sleep(0.01)
    assert not handling.done()
    routing.lifetime.stop(reason="test")
    with pytest.raises(ConsumerStoppedError):
        await handling


async def test_five_in_a_row_stop_the_consumer_before_the_fifth(
    rig: Rig, routing: Routing, logs: Lines
) -> None:
    [first, last] = await rig.sealer.seal(build_event("e1"), build_event("e2"))
    log = lay_out([first, *[garbage()] * IN_A_ROW, last])

    await handle_until_stopped(routing, log)

    assert await rig.position() == IN_A_ROW
    assert [row["event_id"] for row in await rig.rows("decision")] == ["e1"]
    assert len(await rig.rows("quarantine")) == IN_A_ROW - 1
    [line] = [line for line in logs if line["event"] == "consumer.stopped"]
    assert (line["offset"], line["quarantined_count"]) == (IN_A_ROW, IN_A_ROW)


async def test_a_stopped_consumer_is_not_ready_and_says_why(rig: Rig, routing: Routing) -> None:
    await routing.brake.check()

    await handle_until_stopped(routing, lay_out([garbage()] * IN_A_ROW))

    with pytest.raises(NotReadyError, match="could not be decided"):
        await routing.brake.check()


async def test_what_was_decided_before_the_stop_is_published(rig: Rig, routing: Routing) -> None:
    [first] = await rig.sealer.seal(build_event("e1"))

    await handle_until_stopped(routing, lay_out([first, *[garbage()] * IN_A_ROW]))

    assert "ag-kern-cw" in alerts_by_agency(await rig.published_alerts())


async def test_the_count_goes_on_from_batch_to_batch(rig: Rig, routing: Routing) -> None:
    for offset in range(IN_A_ROW - 1):
        await routing.events.handle(lay_out([garbage()], first_offset=offset))

    await handle_until_stopped(routing, lay_out([garbage()], first_offset=IN_A_ROW - 1))

    assert await rig.position() == IN_A_ROW - 1


async def test_a_tenth_of_the_last_hundred_stops_the_consumer(rig: Rig, routing: Routing) -> None:
    good = await rig.sealer.seal(*[build_event(f"e{n}") for n in range(40)])
    log = []
    for number in range(10):
        log += [*good[number * 4 : number * 4 + 4], garbage()]

    await handle_until_stopped(routing, lay_out(log))

    assert len(await rig.rows("quarantine")) == 9
    assert await rig.position() == len(log) - 1


async def test_refusals_that_the_data_explains_stop_nothing(rig: Rig, routing: Routing) -> None:
    of_another_case = {"subject": "case-2", "data": {"county": "06029", "corrects": "e0"}}
    corrections = [build_event(f"e{n}", **of_another_case) for n in range(1, 13)]

    await routing.events.handle(lay_out(await rig.sealer.seal(build_event("e0"), *corrections)))

    assert await rig.position() == 13
    assert len(await rig.rows("quarantine")) == 12


async def test_after_a_restart_reading_goes_on_where_it_stopped(rig: Rig, routing: Routing) -> None:
    [last] = await rig.sealer.seal(build_event("e1"))
    log = lay_out([*[garbage()] * IN_A_ROW, last])
    await handle_until_stopped(routing, log)

    async with rig.open_routing() as restarted:
        await restarted.events.handle(log)

    assert await rig.position() == len(log)
    assert [row["event_id"] for row in await rig.rows("decision")] == ["e1"]
