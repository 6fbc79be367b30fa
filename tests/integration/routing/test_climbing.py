"""Alerts that nobody acknowledges: rungs decided live, once, and by whichever process comes first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from schemas.alert import AlertRecord
from schemas.pack import Urgencies
from schemas.receipt import Acknowledged, Delivered, Refused, Unacknowledged, Unreachable
from schemas.topics import RECEIPTS
from services.routing.escalation import NEVER_AGAIN, Realert
from services.routing.handlers.explaining import Question
from services.routing.handlers.signatures import Signed
from services.routing.rules import PackSet, PackVersion
from services.runtime.kafka import Publisher, PublishError, Record
from services.runtime.shifted_clock import INSTALL
from tests.integration.routing.events import CORRELATION_ID, RECEIVED_AT, Json, build_event, lay_out
from tests.integration.routing.rig import OPERATOR, PACKS, READER, Rig, Routing, sample_directory
from tests.integration.routing.test_replay import FailingPublisher
from tests.support.waiting import SECONDS, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SO, TFC, BPD = "ag-kern-so", "ag-kern-tfc", "ag-bpd"
TIME, MINUTE = timedelta(hours=1), timedelta(minutes=1)
HOURLY = Urgencies(immediate=TIME, urgent=TIME, priority=TIME, routine=TIME)
"""Beside which it is nothing how long this machine takes: the tests move the clock."""

Lines = list[dict[str, Any]]


TO_DUE = """
UPDATE shifted_clock.shift SET length = greatest(length, (
    SELECT max(due) - clock_timestamp() + interval '1 second' FROM routing.ladder
))
"""
PASS = "UPDATE shifted_clock.shift SET length = length + $1"


def hourly_packs() -> PackSet:
    return PackSet(
        [PackVersion(version.pack.model_copy(update={"urgencies": HOURLY})) for version in PACKS.versions]
    )


def a_tip(event_id: str = "e1", **changes: object) -> Json:
    """An imminent danger: the sheriff is told, and the city police in its place (K-01)."""
    data = {
        "county": "06029",
        "safety": {"risk": "imminent"},
        "name": {"full": "Marigold Quillfeather"},
        "location": {"address": "12 Marker Lane"},
    }
    event = build_event(event_id, type="org.tocsin.tip.received.v1", data=data)
    return event | {"source": "urn:tocsin:agency:ag-kern-coe:cad"} | changes


@asynccontextmanager
async def hourly_routing(
    rig: Rig, *, publisher: Publisher | None = None, realert: Realert = NEVER_AGAIN
) -> AsyncIterator[Routing]:
    await rig.admin.execute(INSTALL)
    async with rig.open_routing(
        packs=hourly_packs(), publisher=publisher, realert=realert, shifted=True
    ) as routing:
        yield routing


@pytest_asyncio.fixture(loop_scope="module")
async def routing(rig: Rig) -> AsyncIterator[Routing]:
    async with hourly_routing(rig) as opened:
        yield opened


async def decide(rig: Rig, routing: Routing, *events: Json, first_offset: int = 0) -> None:
    await routing.events.handle(lay_out(await rig.sealer.seal(*events), first_offset=first_offset))


async def climb_to(rig: Rig, routing: Routing, escalation: int) -> None:
    """Looks whenever something is due, as the service does for ever, until a rung was reached."""
    async with asyncio.timeout(SECONDS):
        while not await rungs(rig, escalation):
            await pass_until_due(rig)
            await routing.climber.climb_due()


async def rungs(rig: Rig, escalation: int) -> list[dict[str, Any]]:
    return [row for row in await rig.rows("alert") if row["escalation"] == escalation]


async def contents(rig: Rig) -> list[dict[str, Any]]:
    """In the order in which they were published."""
    return [dict(await rig.open_content(alert)) for alert in await rig.published_alerts()]


async def pass_until_due(rig: Rig) -> None:
    """The clock goes on to where all ladders are due, and not beyond."""
    await rig.admin.execute(TO_DUE)


async def receive(
    routing: Routing,
    *receipts: Acknowledged | Delivered | Refused | Unacknowledged | Unreachable,
    offset: int = 0,
) -> None:
    records = [
        Record(
            RECEIPTS.name,
            receipt.case_ref.encode(),
            receipt.model_dump_json().encode(),
            (("kind", receipt.kind.value.encode()),),
        )
        for receipt in receipts
    ]
    await routing.receipts.handle(lay_out(records, first_offset=offset))


def about(alert: AlertRecord) -> dict[str, Any]:
    return {
        "alert_id": alert.alert_id,
        "revision": 1,
        "agency": alert.agency,
        "case_ref": alert.case_ref,
        "at": alert.decided_at,
        "correlation_id": CORRELATION_ID,
    }


async def alert_of(rig: Rig, agency: str, escalation: int = 0) -> AlertRecord:
    [row] = [row for row in await rungs(rig, escalation) if row["agency"] == agency]
    [alert] = [a for a in await rig.published_alerts() if a.alert_id == row["alert_id"]]
    return alert


async def test_nobody_acknowledges_and_backup_coordinator_and_alternate_are_told_in_turn(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, a_tip())

    await climb_to(rig, routing, 4)

    told = [(c["agency"], c["escalation"], c["role"]) for c in await contents(rig)]
    assert told[:5] == [
        (SO, 0, "LEA_LEAD"),
        (SO, 1, "LEA_LEAD"),
        (TFC, 2, "TF_COORDINATOR"),
        (BPD, 3, "LEA_LOCAL"),
        (TFC, 4, "TF_COORDINATOR"),
    ]


async def test_the_backup_sees_the_values_of_the_original_and_the_coordinator_none(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, a_tip())

    await climb_to(rig, routing, 2)

    original, backup, coordinator = (await contents(rig))[:3]
    assert backup["disclosed"] == original["disclosed"] != {}
    assert (backup["event_type"], backup["replaces"]) == ("tip.received", None)
    assert coordinator["disclosed"] == {}
    told = (await rig.published_alerts())[:3]
    assert [alert.contact for alert in told] == ["primary", "backup", "primary"]
    # What takes back the alert is told to the backup as well.
    assert [alert.rung_of for alert in told] == [None, told[0].alert_id, told[0].alert_id]
    assert [alert.rung_to for alert in told] == [None, "agency", "coordinator"]


async def test_an_acknowledgement_stops_the_ladder(rig: Rig, routing: Routing) -> None:
    await decide(rig, routing, a_tip())
    alert = await alert_of(rig, SO)

    await receive(routing, Acknowledged.model_validate(about(alert)))

    assert await rig.rows("ladder") == []
    assert await routing.climber.climb_due() == 0


async def test_the_backups_acknowledgement_stops_it_too_and_the_coordinators_does_not(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, a_tip())
    await climb_to(rig, routing, 2)
    coordinator, backup = await alert_of(rig, TFC, 2), await alert_of(rig, SO, 1)

    await receive(routing, Acknowledged.model_validate(about(coordinator)))
    await climb_to(rig, routing, 3)
    await receive(routing, Acknowledged.model_validate(about(backup)), offset=1)
    await pass_until_due(rig)
    await routing.climber.climb_due()

    assert await rungs(rig, 4) == []
    assert await rig.rows("ladder") == []


async def test_after_an_outage_each_recipient_is_told_once(rig: Rig, routing: Routing) -> None:
    await decide(rig, routing, a_tip())
    await rig.admin.execute(PASS, 5.2 * TIME)

    assert await routing.climber.climb_due() == 1

    [original, *after] = await contents(rig)
    assert original["escalation"] == 0
    assert sorted(content["agency"] for content in after) == sorted({BPD, SO, TFC})


async def test_two_processes_climb_each_rung_once(rig: Rig, routing: Routing) -> None:
    await decide(rig, routing, *[a_tip(f"e{n}", subject=f"case-{n % 3}") for n in range(9)])
    await pass_until_due(rig)
    async with hourly_routing(rig) as other, asyncio.timeout(SECONDS):
        while len(await rungs(rig, 1)) < 9:
            await asyncio.gather(*(each.climber.climb_due() for each in (routing, other) for _ in range(2)))

    assert len({row["event_id"] for row in await rungs(rig, 1)}) == len(await rungs(rig, 1)) == 9


async def test_a_crash_between_commit_and_publish_leaves_the_rung_to_be_handed_over(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, a_tip())
    await pass_until_due(rig)
    async with hourly_routing(rig, publisher=FailingPublisher()) as dying:  # type: ignore[arg-type]
        with pytest.raises(PublishError):
            await dying.climber.climb_due()
    assert len(await rig.published_alerts()) == 1

    await rig.admin.execute("UPDATE routing.outbox SET publish_after = now() - interval '1 second'")
    await routing.hand_over.republish_late()

    told = [content["escalation"] for content in await contents(rig)]
    assert sorted(told) == [0, 0, 1]
    assert len(await rungs(rig, 1)) == 1


async def test_what_nobody_takes_up_to_the_last_rung_alarms_and_is_written_down(
    rig: Rig, routing: Routing, logs: Lines
) -> None:
    await decide(rig, routing, a_tip())
    alert = await alert_of(rig, SO)
    await rig.admin.execute(PASS, 14 * TIME)

    await routing.climber.climb_due()

    assert await rig.rows("ladder") == []
    [fact] = [row for row in await rig.rows("receipt") if row["kind"] == "exhausted"]
    assert fact["alert_id"] == alert.alert_id
    [line] = [line for line in logs if line["event"] == "alert.exhausted"]
    assert (line["level"], line["alert_id"]) == ("error", str(alert.alert_id))


async def test_a_late_acknowledgement_wakes_who_climbs(rig: Rig, routing: Routing) -> None:
    await decide(rig, routing, a_tip())
    alert = await alert_of(rig, SO)
    climbing = asyncio.create_task(routing.climber.climb_for_ever())
    try:
        await pass_until_due(rig)
        await receive(routing, Unacknowledged.model_validate(about(alert)))
        await eventually(lambda: rungs(rig, 1), what="the first rung is climbed")
    finally:
        climbing.cancel()

    assert [row["kind"] for row in await rig.rows("receipt")] == ["unacknowledged"]


async def test_a_correction_takes_over_the_ladder_of_its_alert(rig: Rig, routing: Routing) -> None:
    tip = a_tip()
    await decide(rig, routing, tip)
    await decide(rig, routing, tip | {"id": "e2", "data": {**tip["data"], "corrects": "e1"}}, first_offset=1)

    await climb_to(rig, routing, 1)

    assert {row["event_id"] for row in await rungs(rig, 1)} == {"e2"}


async def test_an_update_of_what_the_alternate_was_told_names_that_rung(rig: Rig, routing: Routing) -> None:
    tip = a_tip()
    await decide(rig, routing, tip)
    await climb_to(rig, routing, 3)
    alternate = await alert_of(rig, BPD, 3)

    retraction = tip | {"id": "e2", "type": "org.tocsin.event.retracted.v1"}
    retraction["data"] = {"county": "06029", "retracts": "e1"}
    await decide(rig, routing, retraction, first_offset=1)

    cancels = [content for content in await contents(rig) if content["kind"] == "cancel"]
    assert {c["agency"]: UUID(c["replaces"]) for c in cancels}[BPD] == alternate.alert_id


async def test_a_reused_id_climbs_to_the_coordinators_backup(rig: Rig, routing: Routing) -> None:
    await decide(rig, routing, a_tip(), a_tip(subject="case-2"))
    [reuse] = [row for row in await rig.rows("ladder") if row["cause"] == "S-05"]
    # The system's own times are no pack's, and an hour.
    await rig.admin.execute("DELETE FROM routing.ladder WHERE cause <> 'S-05'")

    assert reuse["case_ref"] == "case-1"
    assert await routing.climber.climb_due() == 0


async def test_the_ledger_explains_what_a_rung_showed(rig: Rig, routing: Routing) -> None:
    await decide(rig, routing, a_tip())
    await climb_to(rig, routing, 1)

    signed = Signed("op-ana", READER.public, RECEIVED_AT, b"signature", b"digest")
    explained = await routing.explainer.explain(Question("e1"), signed=signed)

    original, backup = explained.decisions[0].alerts
    assert (original.escalation, backup.escalation) == (0, 1)
    assert backup.disclosed == original.disclosed
    assert backup.withheld == original.withheld


async def test_a_case_that_does_not_open_holds_up_no_other(rig: Rig, routing: Routing, logs: Lines) -> None:
    await decide(rig, routing, a_tip("e1"), a_tip("e2", subject="case-2"))
    await rig.admin.execute("UPDATE routing.case_state SET state = '\\x00' WHERE case_ref = 'case-1'")

    await climb_to(rig, routing, 1)

    assert {row["event_id"] for row in await rungs(rig, 1)} == {"e2"}
    assert [line["event_id"] for line in logs if line["event"] == "ladder.failed"] == ["e1"]


@pytest_asyncio.fixture(loop_scope="module")
async def patient(rig: Rig) -> AsyncIterator[Routing]:
    """With the packs' own times: what climbs here climbs because it failed."""
    async with rig.open_routing() as opened:
        yield opened


async def fail(rig: Rig, routing: Routing, *told: tuple[str, int], offset: int = 0) -> None:
    """No path of these alerts, by agency and rung, is left."""
    alerts = [await alert_of(rig, agency, escalation) for agency, escalation in told]
    await receive(routing, *[Unreachable.model_validate(about(alert)) for alert in alerts], offset=offset)


async def rungs_told(rig: Rig) -> list[tuple[str, int]]:
    return [(content["agency"], content["escalation"]) for content in await contents(rig)]


async def test_a_rung_that_reaches_nobody_is_left_at_once_and_so_is_the_next(
    rig: Rig, patient: Routing
) -> None:
    await decide(rig, patient, a_tip())
    assert await patient.climber.climb_due() == 0

    for offset, rung in enumerate([(SO, 0), (SO, 1), (TFC, 2), (BPD, 3)]):
        await fail(rig, patient, rung, offset=offset)
        assert await patient.climber.climb_due() == 1

    assert await rungs_told(rig) == [(SO, 0), (SO, 1), (TFC, 2), (BPD, 3), (TFC, 4)]
    assert await patient.climber.climb_due() == 0


async def test_the_same_failure_told_again_tells_nobody_again(rig: Rig, patient: Routing) -> None:
    await decide(rig, patient, a_tip())
    await fail(rig, patient, (SO, 0))
    await patient.climber.climb_due()

    await fail(rig, patient, (SO, 0), offset=1)
    await patient.climber.climb_due()

    assert await rungs_told(rig) == [(SO, 0), (SO, 1)]
    [ladder] = await rig.rows("ladder")
    assert ladder["failed"] is None


async def test_a_crash_before_the_rung_is_decided_forgets_no_failure(rig: Rig, patient: Routing) -> None:
    await decide(rig, patient, a_tip())
    await fail(rig, patient, (SO, 0))
    async with rig.open_routing() as successor:
        assert await successor.climber.climb_due() == 1
    assert await rungs_told(rig) == [(SO, 0), (SO, 1)]


async def test_of_several_who_were_told_at_a_rung_all_must_fail(rig: Rig, patient: Routing) -> None:
    """Two police stations stand in for the sheriff; one of them can be reached."""
    file = sample_directory()
    bpd = next(agency for agency in file.agencies if agency.id == BPD)
    other = bpd.model_copy(update={"id": "ag-other-pd", "endpoints": [], "keys": [], "key_hashes": []})
    changed = file.model_copy(update={"agencies": [*file.agencies, other]})
    await patient.desk.apply(changed, operator=OPERATOR)
    await decide(rig, patient, a_tip())
    for offset, rung in enumerate([(SO, 0), (SO, 1), (TFC, 2)]):
        await fail(rig, patient, rung, offset=offset)
        await patient.climber.climb_due()

    await fail(rig, patient, (BPD, 3), offset=3)
    assert await patient.climber.climb_due() == 0
    await fail(rig, patient, ("ag-other-pd", 3), offset=4)
    assert await patient.climber.climb_due() == 1

    assert (await rungs_told(rig))[3:] == [(BPD, 3), ("ag-other-pd", 3), (TFC, 4)]


async def test_an_acknowledgement_in_the_same_batch_wins(rig: Rig, patient: Routing) -> None:
    await decide(rig, patient, a_tip())
    alert = await alert_of(rig, SO)
    facts = (Unreachable.model_validate(about(alert)), Acknowledged.model_validate(about(alert)))

    await receive(patient, *facts)

    assert await rig.rows("ladder") == []
    assert await patient.climber.climb_due() == 0


async def test_a_failure_is_told_while_its_ladder_is_climbed(rig: Rig, patient: Routing) -> None:
    """The receipts wait for who is climbing, and neither waits for the other's case."""
    await decide(rig, patient, *[a_tip(f"e{n}") for n in range(6)])
    alerts = [alert for alert in await rig.published_alerts() if alert.agency == SO]
    await rig.admin.execute("UPDATE routing.ladder SET due = clock_timestamp()")
    facts = [Unreachable.model_validate(about(alert)) for alert in alerts]

    await asyncio.gather(patient.climber.climb_due(), receive(patient, *facts))
    await patient.climber.climb_due()

    assert sorted(n for _, n in await rungs_told(rig)) == [0] * 6 + [1] * 6


async def test_who_refuses_for_a_conflict_of_interest_is_told_nothing_more(
    rig: Rig, patient: Routing
) -> None:
    await decide(rig, patient, a_tip())
    alert = await alert_of(rig, SO)
    conflict = Refused.model_validate({**about(alert), "reason": "conflict_of_interest"})

    # Written down with the receipt: whoever climbs next knows of it.
    await receive(patient, conflict)
    async with rig.open_routing() as successor:
        assert await successor.climber.climb_due() == 1
    await receive(patient, conflict, offset=1)
    await patient.climber.climb_due()
    assert await rungs_told(rig) == [(SO, 0), (TFC, 2)]
    await fail(rig, patient, (TFC, 2), offset=2)
    await patient.climber.climb_due()

    assert await rungs_told(rig) == [(SO, 0), (TFC, 2), (BPD, 3)]


async def test_what_a_person_refuses_goes_to_the_next_at_once_and_may_still_be_taken(
    rig: Rig, patient: Routing
) -> None:
    await decide(rig, patient, a_tip())
    alert = await alert_of(rig, SO)

    await receive(patient, Refused.model_validate({**about(alert), "reason": "no_capacity"}))
    assert await patient.climber.climb_due() == 1
    assert await rungs_told(rig) == [(SO, 0), (SO, 1)]

    await receive(patient, Acknowledged.model_validate(about(alert)), offset=1)
    assert await rig.rows("ladder") == []


async def test_what_nobody_took_is_told_again(rig: Rig) -> None:
    async with hourly_routing(rig, realert=Realert(TIME, 1)) as routing:
        await decide(rig, routing, a_tip())
        await rig.admin.execute(PASS, 12 * TIME + MINUTE)
        await climb_to(rig, routing, 13)

    again = await alert_of(rig, SO, 13)
    first, content = (await contents(rig))[0], await rig.open_content(again)
    assert (content["disclosed"], content["duties"]) == (first["disclosed"], first["duties"])
    assert (again.contact, (await alert_of(rig, TFC, 13)).agency) == ("primary", TFC)
    assert await rig.rows("ladder") == []
    assert [row["kind"] for row in await rig.rows("receipt")].count("exhausted") == 1
