"""Why agencies were told: what the ledger keeps for it, who may read it, and that it is recorded who did."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from schemas.operator import Purpose, digest_query
from tests.integration.routing.events import POLICE, build_event
from tests.integration.routing.operators import ANA, Person, apply
from tests.integration.routing.rig import Rig
from tests.integration.routing.service import RunningService, build_settings, running_service, wait_for
from tests.support.packs import swap

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEN, STRANGER = Person.new("ben"), Person.new("eve")
NOTHING = digest_query(source=None, agency=None)

Lines = list[dict[str, Any]]


@pytest.fixture
def rig(own_rig: Rig) -> Rig:
    return own_rig


@pytest_asyncio.fixture(loop_scope="module")
async def service(rig: Rig, logs: Lines) -> AsyncIterator[RunningService]:
    assert logs == []
    async with running_service(build_settings(rig)) as running:
        await wait_for(running.is_ready)
        yield running


async def decide(rig: Rig, event: dict[str, Any]) -> None:
    await rig.publisher.publish(await rig.sealer.seal(event))

    async def is_decided() -> bool:
        return event["id"] in {row["event_id"] for row in await rig.rows("decision")}

    await wait_for(is_decided)


async def rules_of(service: RunningService, event_id: str, **narrow: str) -> dict[str, dict[str, Any]]:
    [decision] = (await ANA.explain(service, event_id, **narrow)).json()["decisions"]
    return {rule["rule"]: rule for rule in decision["rules"]}


async def test_a_rule_that_did_not_match_names_the_part_that_stopped_it_and_the_facts(
    rig: Rig, service: RunningService
) -> None:
    await decide(rig, build_event())

    rules = await rules_of(service, "e1")

    assert rules["K-03"]["stopped_by"] is None
    assert rules["F-01"]["verdict"] == "not_matched"
    assert rules["F-01"]["stopped_by"] == [
        {"condition": 'citizenship.status == "foreign_national"', "facts": {"citizenship.status": "unknown"}}
    ]
    assert rules["F-01"]["would_tell"] == ["HHS_OTIP"]


async def test_the_explanation_is_by_the_version_that_decided(rig: Rig, service: RunningService) -> None:
    await apply(service, ANA, BEN)
    stops = swap("when: minor", 'when: minor && safety.risk == "high"')
    await ANA.publish(service, stops)
    await BEN.approve(service, stops)
    await decide(rig, tip("before"))
    later = swap("1.0.0", "1.1.0", swap("2026-01-01", "2026-01-02", swap("when: minor", "when: '!minor'")))
    await ANA.publish(service, later, label="a-test@1.1.0")
    await BEN.approve(service, later, label="a-test@1.1.0")
    await decide(rig, tip("after"))

    before, after = await rules_of(service, "before"), await rules_of(service, "after")

    assert [part["condition"] for part in before["T-01"]["stopped_by"]] == ['safety.risk == "high"']
    assert [part["condition"] for part in after["T-01"]["stopped_by"]] == ["!minor"]
    assert (before["T-01"]["pack"], after["T-01"]["pack"]) == ("a-test@1.0.0", "a-test@1.1.0")


def tip(event_id: str) -> dict[str, Any]:
    return build_event(event_id, type="org.tocsin.tip.received.v1", subject=f"case-{event_id}")


async def test_the_facts_are_sealed_in_the_ledger(rig: Rig, service: RunningService) -> None:
    event = build_event()
    event["data"]["citizenship"] = {"status": "lawful_permanent_resident"}
    await decide(rig, event)

    rules = await rules_of(service, "e1")

    assert rules["F-01"]["stopped_by"][0]["facts"] == {"citizenship.status": "lawful_permanent_resident"}
    for table in ("decision", "alert", "outbox"):
        assert "lawful_permanent_resident" not in repr(await rig.rows(table))


async def test_for_one_agency_nothing_of_another_is_shown(rig: Rig, service: RunningService) -> None:
    await decide(rig, build_event())

    [decision] = (await ANA.explain(service, "e1", agency="ag-kern-vsp")).json()["decisions"]

    assert {alert["agency"] for alert in decision["alerts"]} == {"ag-kern-vsp"}
    assert {each["agency"] for rule in decision["rules"] for each in rule["agencies"]} == {"ag-kern-vsp"}
    assert decision["duties"] == []
    assert {rule["verdict"] for rule in decision["rules"]} == {"alerted", "not_matched"}


async def test_an_agency_that_nobody_knows_is_not_one_that_was_told_nothing(
    rig: Rig, service: RunningService
) -> None:
    await decide(rig, build_event())
    refused = [
        await ANA.explain(service, "e1", agency="ag-nobody"),
        await service.ask("GET", "/v1/duties?agency=ag-nobody"),
    ]
    assert [answer.status for answer in refused] == [404, 404]
    assert {"`tocsin directory show` lists them" in answer.json()["detail"] for answer in refused} == {True}


async def test_each_reading_is_recorded_with_who_what_and_when(rig: Rig, service: RunningService) -> None:
    await decide(rig, build_event())
    await ANA.explain(service, "e1", source=POLICE)
    await ANA.explain(service, "nobody", agency="ag-bpd")

    reads = await rig.rows("read")

    assert [(row["operator"], row["what"], row["detail"]) for row in reads] == [
        ("op-ana", "decision.explained", f"event e1, of {POLICE}"),
        ("op-ana", "decision.explained", "event nobody, for ag-bpd"),
    ]
    assert {row["operator_key"] for row in reads} == {ANA.key.public}
    assert all(abs(row["at"] - row["signed_at"]) < timedelta(minutes=1) for row in reads)


async def test_the_record_of_readings_cannot_be_changed_by_the_service(rig: Rig) -> None:
    connection = await asyncpg.connect(rig.database.url("routing"))
    for statement in ("DELETE FROM routing.read", "UPDATE routing.read SET operator = 'nobody'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def test_without_an_operators_signature_under_just_this_nothing_is_read(
    rig: Rig, service: RunningService
) -> None:
    await decide(rig, build_event())
    path = "/v1/decisions/e1"
    asked = [
        await service.ask("GET", path),
        await STRANGER.explain(service, "e1"),
        await service.ask("GET", path, signature=ANA.sign(Purpose.EXPLAIN, "e2", NOTHING)),
        await service.ask("GET", path, signature=ANA.sign(Purpose.READ_PROTOCOLS, "e1", NOTHING)),
        await service.ask("GET", f"{path}?agency=x", signature=ANA.sign(Purpose.EXPLAIN, "e1", NOTHING)),
        await service.ask(
            "GET", path, signature=ANA.sign(Purpose.EXPLAIN, "e1", NOTHING, ago=timedelta(minutes=6))
        ),
    ]

    assert [answer.status for answer in asked] == [401] * len(asked)
    assert await rig.count("read") == 0


async def test_a_signed_question_is_answered_once(rig: Rig, service: RunningService) -> None:
    await decide(rig, build_event())
    signature = ANA.sign(Purpose.EXPLAIN, "e1", NOTHING)

    first = await service.ask("GET", "/v1/decisions/e1", signature=signature)
    again = await service.ask("GET", "/v1/decisions/e1", signature=signature)

    assert (first.status, again.status) == (200, 401)
    assert await rig.count("read") == 1
