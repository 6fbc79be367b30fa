"""What is on its way when consents, conflicts or the event itself change: amended, stopped, or left alone."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from schemas.alert import AlertRecord, Command
from schemas.directory import DirectoryFile
from schemas.receipt import Delivered
from services.routing.handlers.explaining import Question
from services.routing.handlers.signatures import Signed
from services.runtime.kafka import PublishError
from tests.integration.routing.events import CORRELATION_ID, RECEIVED_AT, Json, build_event, lay_out
from tests.integration.routing.rig import OPERATOR, READER, Rig, Routing, sample_directory
from tests.integration.routing.test_cases import CONSENT, VSP, corrected, of_type
from tests.integration.routing.test_climbing import a_tip, climb_to, hourly_routing, receive
from tests.integration.routing.test_replay import FailingPublisher
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRANT = of_type("consent.granted", "grant", consent=CONSENT)
REVOKE = of_type("consent.revoked", "revoke", consent={"consent_id": "cn-1"})
CONFLICT = of_type("case.conflict_declared", "conflict", details={"conflict_agencies": ["ag-kern-cw"]})
WAITING = "SELECT 1 FROM pg_stat_activity WHERE usename = 'tocsin_routing' AND wait_event_type = 'Lock'"


class Log:
    """Events of one partition, handed over one batch after the other."""

    def __init__(self, rig: Rig, routing: Routing) -> None:
        self._rig = rig
        self._routing = routing
        self._offset = 0

    async def add(self, *events: Json) -> None:
        records = lay_out(await self._rig.sealer.seal(*events), first_offset=self._offset)
        self._offset += len(events)
        await self._routing.events.handle(records)


async def later_revisions(rig: Rig) -> list[AlertRecord]:
    return [alert for alert in await rig.published_alerts() if alert.revision > 1]


async def first_of(rig: Rig, agency: str, event_id: str, **wanted: object) -> AlertRecord:
    wanted = {"agency": agency, "event_id": event_id, "form": "alert", "revision": 1, **wanted}
    [row] = [row for row in await rig.rows("alert") if wanted.items() <= row.items()]
    [alert] = [a for a in await rig.published_alerts() if (a.alert_id, a.revision) == (row["alert_id"], 1)]
    return alert


def delivered(alert: AlertRecord, channel: str = "webhook") -> Delivered:
    return Delivered(
        alert_id=alert.alert_id,
        revision=1,
        agency=alert.agency,
        case_ref=alert.case_ref,
        at=alert.decided_at,
        correlation_id=CORRELATION_ID,
        delivery_id=uuid4(),
        channel=channel,
    )


async def test_a_revoked_consent_takes_its_group_from_what_was_not_delivered_yet(
    rig: Rig, routing: Routing, logs: list[dict[str, Any]]
) -> None:
    log = Log(rig, routing)
    await log.add(GRANT, build_event("e1"))
    first = await first_of(rig, VSP, "e1")

    await log.add(REVOKE)

    [amended] = await later_revisions(rig)
    assert (amended.command, amended.alert_id, amended.revision) == (Command.AMEND, first.alert_id, 2)
    assert amended.acknowledge_by == first.acknowledge_by
    before, after = await rig.open_content(first), await rig.open_content(amended)
    assert set(before["disclosed"]) - set(after["disclosed"]) == {"name"}
    assert list(before["until"]) == ["name"]
    assert {**before, "revision": 2, "disclosed": after["disclosed"]} == {**after, "until": before["until"]}
    assert [line["alert_id"] for line in logs if line["event"] == "alert.amended"] == [str(first.alert_id)]


async def test_a_group_that_ends_sooner_than_was_said_is_amended(rig: Rig, routing: Routing) -> None:
    log, later = Log(rig, routing), {**CONSENT, "consent_id": "cn-2", "to": "2100-06-01T00:00:00Z"}
    await log.add(GRANT, of_type("consent.granted", "grant-2", consent=later), build_event("e1"))
    before = await rig.open_content(await first_of(rig, VSP, "e1"))

    await log.add(of_type("consent.revoked", "revoke-2", consent={"consent_id": "cn-2"}))

    [amended] = await later_revisions(rig)
    after = await rig.open_content(amended)
    assert (before["until"], after["until"]) == (
        {"name": "2100-06-01T00:00:00Z"},
        {"name": "2100-01-01T00:00:00Z"},
    )
    assert after["disclosed"] == before["disclosed"]
    await log.add(of_type("consent.granted", "grant-3", consent={**later, "consent_id": "cn-3"}))
    assert len(await later_revisions(rig)) == 1


async def test_what_a_parent_consented_to_goes_when_the_person_turns_out_to_be_of_age(
    rig: Rig, routing: Routing
) -> None:
    log = Log(rig, routing)
    minor, adult = {"age": {"band": "16to17"}}, {"date_of_birth": "2001-05-05"}
    await log.add(
        of_type("tip.triaged", "age", **minor),
        of_type("consent.granted", "grant", consent={**CONSENT, "granted_by": "parent"}),
        of_type("victim.recovered", "e1", name={"full": "Sample Person"}),
    )
    before = await rig.open_content(await first_of(rig, VSP, "e1"))
    assert "name" in before["disclosed"]

    await log.add(of_type("victim.age_determined", "e2", **adult))

    [amended] = await later_revisions(rig)
    assert "name" not in (await rig.open_content(amended))["disclosed"]


async def test_what_was_delivered_stays_as_it_is_for_its_holder_is_told_of_the_revocation(
    rig: Rig, routing: Routing
) -> None:
    log = Log(rig, routing)
    await log.add(GRANT, build_event("e1"))
    await receive(routing, delivered(await first_of(rig, VSP, "e1")))

    await log.add(REVOKE)

    assert await later_revisions(rig) == []
    assert (await rig.open_content(await first_of(rig, VSP, "revoke")))["rules"] == ["F-07"]


async def test_a_postcard_that_arrived_says_nothing_of_the_case_so_the_webhook_is_amended(
    rig: Rig, routing: Routing
) -> None:
    log = Log(rig, routing)
    await log.add(GRANT, build_event("e1"))
    await receive(routing, delivered(await first_of(rig, VSP, "e1"), channel="email"))

    await log.add(REVOKE)

    assert [(alert.agency, alert.command) for alert in await later_revisions(rig)] == [(VSP, Command.AMEND)]


async def test_what_is_told_and_taken_back_in_one_batch_is_amended_after_it(
    rig: Rig, routing: Routing
) -> None:
    await Log(rig, routing).add(GRANT, build_event("e1"), REVOKE)

    commands = [alert.command for alert in await rig.published_alerts() if alert.agency == VSP]
    assert commands == [Command.DELIVER, Command.DELIVER, Command.AMEND]


async def test_an_alert_that_nothing_is_left_of_is_stopped(rig: Rig, routing: Routing) -> None:
    consent = {**CONSENT, "recipients": ["LEA_LEAD"]}
    declaration = of_type("immigration.lea_declaration_requested", "e1", name={"full": "Marigold"})
    declaration["source"] = "urn:tocsin:agency:ag-kern-ils:cms"
    log = Log(rig, routing)
    await log.add(of_type("consent.granted", "grant", consent=consent), declaration)
    first = await first_of(rig, "ag-kern-so", "e1")

    await log.add(REVOKE)

    [stopped] = await later_revisions(rig)
    assert (stopped.command, stopped.alert_id) == (Command.STOP, first.alert_id)
    content = await rig.open_content(stopped)
    assert (content["disclosed"], content["duties"]) == ({}, [])


async def test_a_conflict_takes_back_whatever_the_agency_was_told_delivered_or_not(
    rig: Rig, routing: Routing
) -> None:
    log = Log(rig, routing)
    await log.add(build_event("e1"), build_event("e2"))
    before = {alert.alert_id for alert in await rig.published_alerts() if alert.agency == "ag-kern-cw"}
    await receive(routing, delivered(await first_of(rig, "ag-kern-cw", "e1")))

    await log.add(CONFLICT)

    stopped = await later_revisions(rig)
    assert {alert.command for alert in stopped} == {Command.STOP}
    assert {alert.alert_id for alert in stopped} == before
    for alert in stopped:
        await rig.open_content(alert)


async def test_a_duty_notice_is_stopped_too(rig: Rig, routing: Routing) -> None:
    log = Log(rig, routing)
    await log.add(build_event("e1"))
    declared = of_type("case.conflict_declared", "e2", details={"conflict_agencies": ["ag-bpd"]})
    declared["source"] = "urn:tocsin:agency:ag-kern-da:cms"

    await log.add(declared)

    [stopped] = await later_revisions(rig)
    assert (stopped.agency, stopped.form, stopped.command) == ("ag-bpd", "duty_notice", Command.STOP)
    assert (await rig.open_content(stopped))["duties"] == []


async def test_what_is_stopped_once_is_not_stopped_again(rig: Rig, routing: Routing) -> None:
    log = Log(rig, routing)
    await log.add(build_event("e1"))
    await log.add(CONFLICT)

    await log.add({**CONFLICT, "id": "again"}, GRANT, REVOKE)

    assert len(await later_revisions(rig)) == 1


async def test_a_rung_on_its_way_is_amended_by_what_it_showed_itself(rig: Rig) -> None:
    consent = {**CONSENT, "recipients": ["LEA_LEAD"]}
    event = of_type("immigration.lea_declaration_requested", "e1", name={"full": "Marigold"})
    event["source"] = "urn:tocsin:agency:ag-kern-ils:cms"
    async with hourly_routing(rig) as routing:
        log = Log(rig, routing)
        later = {**consent, "consent_id": "cn-2", "to": "2100-06-01T00:00:00Z"}
        grants = [of_type("consent.granted", each["consent_id"], consent=each) for each in (consent, later)]
        await log.add(*grants, event)
        await climb_to(rig, routing, 1)
        backup = await first_of(rig, "ag-kern-so", "e1", escalation=1)

        await log.add(of_type("consent.revoked", "revoke-2", consent={"consent_id": "cn-2"}))

    [amended] = [alert for alert in await later_revisions(rig) if alert.alert_id == backup.alert_id]
    assert amended.command is Command.AMEND
    assert (amended.rung_of, amended.rung_to) == (backup.rung_of, "agency")


async def test_an_alert_that_a_correction_replaces_does_not_arrive_behind_it(
    rig: Rig, routing: Routing
) -> None:
    log = Log(rig, routing)
    await log.add(build_event("e1"))
    arrived = await first_of(rig, VSP, "e1")
    await receive(routing, delivered(arrived))

    await log.add(corrected("e2"))

    stopped = await later_revisions(rig)
    assert {alert.command for alert in stopped} == {Command.STOP}
    assert {alert.agency for alert in stopped} == {"ag-kern-cw", "ag-kern-sart"}


async def test_what_a_backup_is_being_told_of_a_replaced_alert_does_not_arrive_behind_it_either(
    rig: Rig,
) -> None:
    async with hourly_routing(rig) as routing:
        log = Log(rig, routing)
        await log.add(build_event("e1"))
        await climb_to(rig, routing, 1)
        rungs = {row["alert_id"] for row in await rig.rows("alert") if row["escalation"] == 1}

        await log.add(corrected("e2"))

    assert rungs
    stopped = {alert.alert_id for alert in await later_revisions(rig) if alert.command is Command.STOP}
    assert rungs <= stopped


async def test_an_alert_that_cannot_be_judged_is_stopped_with_an_alarm_and_the_rest_goes_on(
    rig: Rig, routing: Routing, logs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Marisol")

    log = Log(rig, routing)
    await log.add(GRANT, build_event("e1"))
    first = await first_of(rig, VSP, "e1")
    monkeypatch.setattr("services.routing.handlers.amending.next_telling", fail)

    await log.add(REVOKE, build_event("e3"))

    assert (first.alert_id, Command.STOP) in {(a.alert_id, a.command) for a in await later_revisions(rig)}
    assert str(first.alert_id) in {
        line["alert_id"] for line in logs if (line["event"], line["level"]) == ("alert.not_amended", "error")
    }
    assert "Marisol" not in str(logs)
    assert "e3" in {row["event_id"] for row in await rig.rows("decision")}


async def test_a_crash_after_the_commit_loses_no_amendment(rig: Rig, routing: Routing) -> None:
    await Log(rig, routing).add(GRANT, build_event("e1"))
    batch = lay_out(await rig.sealer.seal(REVOKE), first_offset=2)
    async with rig.open_routing(publisher=FailingPublisher()) as dying:  # type: ignore[arg-type]
        with pytest.raises(PublishError):
            await dying.events.handle(batch)
    assert await later_revisions(rig) == []

    await routing.events.handle(batch)

    assert [alert.command for alert in await later_revisions(rig)] == [Command.AMEND]


async def change_agency(routing: Routing, agency: str, **changes: object) -> None:
    raw = sample_directory().model_dump(mode="json", exclude_unset=True)
    for known in raw["agencies"]:
        if known["id"] == agency:
            known.update(changes)
    await routing.desk.apply(DirectoryFile.model_validate(raw), operator=OPERATOR)


async def test_what_is_on_its_way_to_an_agency_that_leaves_is_stopped_once(
    rig: Rig, routing: Routing
) -> None:
    await Log(rig, routing).add(build_event("e1"))
    first = await first_of(rig, VSP, "e1")
    assert await routing.withdrawals.withdraw() == 0

    await change_agency(routing, VSP, status="offboarded")

    assert (await routing.withdrawals.withdraw(), await routing.withdrawals.withdraw()) == (1, 0)
    [stopped] = await later_revisions(rig)
    assert (stopped.command, stopped.alert_id) == (Command.STOP, first.alert_id)


async def test_an_agreement_that_ends_stops_what_no_law_orders(rig: Rig, routing: Routing) -> None:
    await Log(rig, routing).add(build_event("e1"))

    for agency in (VSP, "ag-kern-cw"):
        await change_agency(routing, agency, agreement_until="2026-01-01T00:00:00Z")
        await routing.withdrawals.withdraw()

    # Child welfare is told because the law orders it (K-03).
    assert [(a.agency, a.command) for a in await later_revisions(rig)] == [(VSP, Command.STOP)]


async def test_a_withdrawal_is_judged_by_what_holds_once_the_case_is_its_own(
    rig: Rig, routing: Routing
) -> None:
    await Log(rig, routing).add(build_event("e1"))
    await change_agency(routing, VSP, agreement_until="2026-01-01T00:00:00Z")
    async with rig.admin.acquire() as other:
        async with other.transaction():
            await other.execute("SELECT FROM routing.case_state FOR UPDATE")
            withdrawing = asyncio.create_task(routing.withdrawals.withdraw())
            await eventually(lambda: rig.admin.fetchval(WAITING), what="the withdrawal waits for the case")
            # Renewed while somebody else had the case.
            await change_agency(routing, VSP)
        assert await withdrawing == 0
    assert await later_revisions(rig) == []


async def test_what_an_agency_has_stays_when_it_leaves(rig: Rig, routing: Routing) -> None:
    await Log(rig, routing).add(build_event("e1"))
    await receive(routing, delivered(await first_of(rig, VSP, "e1")))

    await change_agency(routing, VSP, status="offboarded")

    assert await routing.withdrawals.withdraw() == 0


async def test_the_ledger_explains_both_revisions(rig: Rig, routing: Routing) -> None:
    await Log(rig, routing).add(GRANT, build_event("e1"), REVOKE)

    signed = Signed("op-ana", READER.public, RECEIVED_AT, b"signature", b"digest")
    explained = await routing.explainer.explain(Question("e1"), signed=signed)

    first, second = [alert for alert in explained.decisions[0].alerts if alert.agency == VSP]
    assert (first.revision, second.revision) == (1, 2)
    assert first.disclosed is not None
    assert second.disclosed is not None
    assert set(first.disclosed) - set(second.disclosed) == {"name"}


async def test_a_tip_climbs_on_without_the_agency_that_came_into_conflict(rig: Rig) -> None:
    declared = of_type("case.conflict_declared", "e2", details={"conflict_agencies": ["ag-kern-so"]})
    async with hourly_routing(rig) as routing:
        log = Log(rig, routing)
        await log.add(a_tip("e1"), declared)

        await climb_to(rig, routing, 3)

    rungs = [row for row in await rig.rows("alert") if row["event_id"] == "e1" and row["escalation"]]
    assert "ag-kern-so" not in {row["agency"] for row in rungs}
    assert {"ag-kern-tfc", "ag-bpd"} <= {row["agency"] for row in rungs}
