"""Second thoughts and silence, live: what climbs, what stops it, and what is taken back.

The packs are the shipped ones, with a few seconds to acknowledge what is immediate.
"""

import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from services.routing.packs import SHIPPED
from tests.support.doomed import doomed_service
from tests.support.receivers import Arrival
from tests.support.second_service import second_service
from tests.support.story import ADVOCATE, CHILD_WELFARE, COORDINATOR, CaseEvent, build_event, found_by_police
from tests.support.task_force import TaskForce, open_task_force
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHERIFF, POLICE, PROSECUTOR, FBI = "ag-kern-so", "ag-bpd", "ag-kern-da", "ag-us-fbi"
SCHOOLS = "urn:tocsin:agency:ag-kern-coe:cms"
PROSECUTORS = "urn:tocsin:agency:ag-kern-da:cms"
TIMES = "urgencies: {immediate: PT3S, urgent: PT1H, priority: PT1H, routine: PT1H}\n"
PERSON = {"person": "Duty Sergeant", "role": "watch commander"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def quick_task_force(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TaskForce]:
    packs = tmp_path_factory.mktemp("packs")
    for file in SHIPPED.rglob("*.yaml"):
        folder = packs / file.parent.name
        folder.mkdir(exist_ok=True)
        (folder / file.name).write_text(file.read_text() + TIMES)
    environment = {"TOCSIN_ROUTING_PROTOCOLS": str(packs)}
    async with open_task_force(environment=environment) as running:
        yield running
    shutil.rmtree(packs)


def a_tip(name: str, *, risk: str = "imminent") -> CaseEvent:
    """The sheriff is told, and the city police in its place: at once of imminent danger (K-01, else K-02)."""
    data = {"safety": {"risk": risk}, "name": {"full": "Marigold Quillfeather"}}
    return build_event("tip.received", data, name=name, source=SCHOOLS)


def follow_up(event: CaseEvent, kind: str, source: str | None = None, **data: Any) -> CaseEvent:  # noqa: ANN401 -- whatever an event may hold
    """Another event of the same case."""
    later = build_event(kind, data, name=kind.partition(".")[2], source=source or event["source"])
    return later | {"subject": event["subject"]}


async def acknowledge(task_force: TaskForce, agency: str, arrival: Arrival) -> None:
    path = f"/v1/alerts/{arrival.data['alert_id']}/acknowledge"
    answer = await task_force.ask_notify("POST", path, agency=agency, body=PERSON)
    assert answer.status == 200


async def has_stopped(task_force: TaskForce, event: CaseEvent) -> None:
    """Returns once nothing of the event can climb any more."""

    async def find() -> bool:
        async with task_force.database() as database:
            count: int = await database.fetchval(
                "SELECT count(*) FROM routing.ladder WHERE event_id = $1", event["id"]
            )
        return count == 0

    await eventually(find, what=f"the ladders of {event['id']} have stopped")


async def rungs_of(task_force: TaskForce, event: CaseEvent) -> list[tuple[str, int]]:
    """Who was told, at which rung, as the ledger has it."""
    alerts = (await task_force.explain(event))["alerts"]
    return [(alert["agency"], alert["escalation"]) for alert in alerts if alert["form"] == "alert"]


async def test_nobody_acknowledges_until_the_alternate_does(quick_task_force: TaskForce) -> None:
    tip = a_tip("unanswered")

    await quick_task_force.accept(tip)
    original, backup = await quick_task_force.hears_often(SHERIFF, tip, 2)
    coordinator = await quick_task_force.hears(COORDINATOR, tip)
    alternate = await quick_task_force.hears(POLICE, tip)
    await acknowledge(quick_task_force, POLICE, alternate)
    await has_stopped(quick_task_force, tip)

    rungs = [arrival.data["escalation"] for arrival in (original, backup, coordinator, alternate)]
    assert rungs == [0, 1, 2, 3]
    assert backup.data["disclosed"] == original.data["disclosed"]
    assert coordinator.data["disclosed"] == {}
    assert set(alternate.data["disclosed"]) <= set(original.data["disclosed"])
    told = await rungs_of(quick_task_force, tip)
    assert len(told) == len(set(told))
    assert max(escalation for _, escalation in told) < 6


async def test_the_backup_gets_the_postcard(quick_task_force: TaskForce) -> None:
    tip = a_tip("postcard")
    await quick_task_force.accept(tip)

    primary, backup = await quick_task_force.hears_often(SHERIFF, tip, 2)
    mail = await quick_task_force.is_written_to(backup.data["alert_id"])
    await acknowledge(quick_task_force, SHERIFF, backup)

    assert mail.recipient != (await quick_task_force.is_written_to(primary.data["alert_id"])).recipient
    await has_stopped(quick_task_force, tip)


async def test_an_acknowledgement_in_time_means_that_nobody_else_is_called(
    quick_task_force: TaskForce,
) -> None:
    # There is an hour, and so this machine is in time.
    tip = a_tip("answered", risk="moderate")
    await quick_task_force.accept(tip)

    await acknowledge(quick_task_force, SHERIFF, await quick_task_force.hears(SHERIFF, tip))
    await has_stopped(quick_task_force, tip)

    assert await rungs_of(quick_task_force, tip) == [(SHERIFF, 0)]


async def test_a_correction_updates_whom_it_concerns_and_cancels_the_rest(
    quick_task_force: TaskForce,
) -> None:
    report = found_by_police(name="mistaken")
    await quick_task_force.accept(report)
    told = {agency: await quick_task_force.hears(agency, report) for agency in (CHILD_WELFARE, ADVOCATE)}
    grown_up = {**report["data"], "date_of_birth": "1990-05-05", "corrects": report["id"]}
    correction = report | {"id": f"{report['id']}-corrected", "data": grown_up}

    await quick_task_force.accept(correction)
    update = await quick_task_force.hears(ADVOCATE, correction)
    cancel = await quick_task_force.hears(CHILD_WELFARE, correction)

    assert (update.data["kind"], cancel.data["kind"]) == ("update", "cancel")
    assert update.data["replaces"] == told[ADVOCATE].data["alert_id"]
    assert cancel.data["replaces"] == told[CHILD_WELFARE].data["alert_id"]
    assert {duty["due"] for duty in cancel.data["duties"]} == {"needs_review"}


async def test_a_revoked_consent_is_told_to_who_saw_something_by_it(quick_task_force: TaskForce) -> None:
    report = found_by_police(name="consenting")
    consent = {
        "consent_id": "cn-1",
        "granted_by": "self",
        "recipients": [ADVOCATE],
        "groups": ["name"],
        "to": "2100-01-01T00:00:00Z",
    }
    grant = follow_up(report, "consent.granted", consent=consent)
    revoke = follow_up(report, "consent.revoked", consent={"consent_id": "cn-1"})

    await quick_task_force.accept(grant, report)
    seen = await quick_task_force.hears(ADVOCATE, report)
    await quick_task_force.accept(revoke)
    told = await quick_task_force.hears(ADVOCATE, revoke)

    assert "name" in seen.data["disclosed"]
    assert (told.data["rules"], told.data["kind"]) == (["F-07"], "update")
    assert quick_task_force.who_heard(revoke) == {ADVOCATE}


async def test_a_conflict_silences_the_agency_and_reaches_who_prosecutes(
    quick_task_force: TaskForce,
) -> None:
    report = found_by_police(name="conflicted")
    await quick_task_force.accept(report)
    first = await quick_task_force.hears(CHILD_WELFARE, report)
    details = {"conflict_agencies": [CHILD_WELFARE]}
    declared = follow_up(report, "case.conflict_declared", source=PROSECUTORS, details=details)
    retracted = follow_up(report, "event.retracted", retracts=report["id"])

    await quick_task_force.accept(declared, retracted)
    told = await quick_task_force.hears(FBI, declared)
    cancel = await quick_task_force.hears(ADVOCATE, retracted)

    assert told.data["rules"] == ["S-01"]
    assert cancel.data["kind"] == "cancel"
    assert CHILD_WELFARE not in quick_task_force.who_heard(retracted)

    async def is_gone() -> bool:
        path = f"/v1/alerts/{first.data['alert_id']}"
        return (await quick_task_force.ask_notify("GET", path, agency=CHILD_WELFARE)).status == 404

    await eventually(is_gone, what="the agency has lost what it was told before")


async def test_routing_killed_between_a_rungs_commit_and_its_publish_tells_the_backup_once(
    quick_task_force: TaskForce,
) -> None:
    tip = a_tip("rung")
    # Of all that this case makes routing write, only a rung is for a backup.
    last_words = (tip["subject"], "backup", "COMMIT;")
    async with doomed_service(quick_task_force, "routing", last_words=last_words) as (routing, wire):
        await quick_task_force.accept(tip)
        await quick_task_force.hears(SHERIFF, tip)
        await wire.wait_dead()
        routing.kill()

    _, backup = await quick_task_force.hears_often(SHERIFF, tip, 2)
    await acknowledge(quick_task_force, SHERIFF, backup)
    await has_stopped(quick_task_force, tip)

    assert backup.data["escalation"] == 1
    told = await rungs_of(quick_task_force, tip)
    assert told.count((SHERIFF, 1)) == 1
    assert len(told) == len(set(told))


async def test_two_routing_processes_climb_each_rung_once(quick_task_force: TaskForce) -> None:
    tips = [a_tip("shared") for _ in range(6)]
    async with second_service(quick_task_force, "routing", member="routing-1") as second:
        await quick_task_force.accept(*tips)
        for tip in tips:
            _, backup = await quick_task_force.hears_often(SHERIFF, tip, 2)
            await acknowledge(quick_task_force, SHERIFF, backup)
            await has_stopped(quick_task_force, tip)
        by_second = second.logged("alert.escalated")
    by_first = quick_task_force.logged("alert.escalated")

    for tip in tips:
        told = await rungs_of(quick_task_force, tip)
        assert len(told) == len(set(told))
        lines = [line for line in (*by_first, *by_second) if line["event_id"] == tip["id"]]
        assert len(lines) == len({line["escalation"] for line in lines})
