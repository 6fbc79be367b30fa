"""One event, from the log to the ledger and the alerts of each agency."""

from typing import Any

import asyncpg
import orjson
import pytest

from schemas.alert import AlertRecord
from schemas.receipt import EventStatus
from services.runtime.crypto import open_sealed
from tests.integration.routing.events import (
    CORRELATION_ID,
    POLICE,
    build_event,
    lay_out,
)
from tests.integration.routing.rig import CLUSTER, Rig, Routing, alerts_by_agency

pytestmark = pytest.mark.asyncio(loop_scope="module")

Lines = list[dict[str, Any]]


async def decide(rig: Rig, routing: Routing, *events: dict[str, Any]) -> list[AlertRecord]:
    await routing.events.handle(lay_out(await rig.sealer.seal(*events)))
    return await rig.published_alerts()


async def test_each_agency_gets_what_the_protocol_allows_and_nobody_else_hears_of_it(
    rig: Rig, routing: Routing
) -> None:
    alerts = alerts_by_agency(await decide(rig, routing, build_event()))

    assert set(alerts) == {"ag-kern-cw", "ag-kern-vsp", "ag-kern-sart", "ag-bpd"}
    welfare = await rig.open_content(alerts["ag-kern-cw"][0])
    assert welfare["event_type"] == "victim.recovered"
    assert welfare["disclosed"] == {
        "age": {"band": "13to15", "presumed_minor": False},
        "exploitation": {"types": ["SexualExploitation"]},
        "name": {"full": "Marigold Quillfeather"},
    }
    advocate = await rig.open_content(alerts["ag-kern-vsp"][0])
    assert set(advocate["disclosed"]) == {"age", "exploitation"}


async def test_a_duty_notice_tells_its_holder_of_the_clock_and_carries_no_group(
    rig: Rig, routing: Routing
) -> None:
    alerts = alerts_by_agency(await decide(rig, routing, build_event()))

    notice = await rig.open_content(alerts["ag-bpd"][0])
    assert [duty["rule"] for duty in notice["duties"]] == ["K-03"]
    assert "disclosed" not in notice
    assert [row["holder"] for row in await rig.rows("duty")] == ["ag-bpd"]


async def test_the_source_learns_of_its_own_duties_and_of_nobody_elses(rig: Rig, routing: Routing) -> None:
    await decide(rig, routing, build_event())

    [receipt] = await rig.published_receipts()
    assert (receipt.status, receipt.source, receipt.event_id) == (EventStatus.DECIDED, POLICE, "e1")
    assert receipt.key_id is not None
    assert receipt.duties_sealed is not None
    key = (await routing.keyring.find_keys([receipt.key_id]))[receipt.key_id]
    assert key is not None
    opened = open_sealed(key.secret, receipt.duties_sealed, context=("event-duties", POLICE, "e1"))
    assert [duty["rule"] for duty in orjson.loads(opened)] == ["K-03"]


async def test_the_ledger_holds_no_group_and_no_event_type_in_the_clear(rig: Rig, routing: Routing) -> None:
    await decide(rig, routing, build_event())

    for table, rows in (await rig.ledger()).items():
        for row in rows:
            written = b"|".join(
                value if isinstance(value, bytes) else repr(value).encode() for value in row.values()
            )
            for secret in (b"Quillfeather", b"zebra", b"immigration", b"exploitation", b"recovered"):
                assert secret not in written, table


async def test_one_line_tells_what_was_decided_and_never_of_what_type(
    rig: Rig, routing: Routing, logs: Lines
) -> None:
    await decide(rig, routing, build_event())

    [line] = [line for line in logs if line["event"] == "event.decided"]
    assert line["outcome"] == "routed"
    assert (line["alert_count"], line["notice_count"], line["duty_count"]) == (3, 1, 1)
    assert line["correlation_id"] == CORRELATION_ID
    assert "recovered" not in repr(logs)
    assert "K-03" not in repr(logs)


async def test_an_external_body_stands_in_the_ledger_and_is_never_written_to(
    rig: Rig, routing: Routing
) -> None:
    event = build_event()
    event["data"]["citizenship"] = {"status": "foreign_national"}

    alerts = alerts_by_agency(await decide(rig, routing, event))

    external = [row for row in await rig.rows("alert") if row["contact"] is None]
    assert [row["agency"] for row in external] == ["ext-otip"]
    assert "ext-otip" not in alerts
    notice = await rig.open_content(alerts["ag-bpd"][0])
    assert {duty["rule"] for duty in notice["duties"]} == {"F-01", "K-03", "K-19"}


async def test_ids_cannot_be_told_from_what_an_outsider_knows_and_do_not_change(
    rig: Rig, routing: Routing
) -> None:
    first = {alert.alert_id for alert in await decide(rig, routing, build_event())}
    async with rig.open_routing(cluster_id="another-cluster") as other:
        await rig.admin.execute(
            "TRUNCATE routing.decision, routing.alert, routing.duty, routing.outbox, routing.ladder"
        )
        await other.events.handle(lay_out(await rig.sealer.seal(build_event())))
    second = {row["alert_id"] for row in await rig.rows("alert")}

    assert first == second
    assert all(alert_id.version == 8 for alert_id in first)


async def test_the_same_event_again_tells_nobody_but_its_source(
    rig: Rig, routing: Routing, logs: Lines
) -> None:
    before = await decide(rig, routing, build_event())
    decided = await rig.rows("decision")
    [again] = await rig.sealer.seal(build_event())

    await routing.events.handle(lay_out([again], first_offset=1))

    assert await rig.published_alerts() == before
    assert await rig.rows("decision") == decided
    first, second = await rig.published_receipts()
    assert first == second
    assert [line["outcome"] for line in logs if line["event"] == "event.decided"] == ["routed", "duplicate"]


async def test_a_duplicate_in_the_same_batch_is_a_duplicate(rig: Rig, routing: Routing) -> None:
    alerts = await decide(rig, routing, build_event(), build_event())

    assert len({alert.alert_id for alert in alerts}) == len(alerts) == 4
    assert await rig.position() == 2


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"data": {"county": "06029", "age": {"band": "adult"}}}, id="other data"),
        pytest.param({"subject": "case-2"}, id="another case"),
        pytest.param({"time": "2026-03-03T22:41:00-08:00"}, id="another time"),
        pytest.param({"type": "org.tocsin.victim.potential_identified.v1"}, id="another type"),
    ],
)
async def test_a_reused_id_is_refused_and_the_coordinator_of_the_first_is_told(
    rig: Rig, routing: Routing, changed: dict[str, Any]
) -> None:
    before = await decide(rig, routing, build_event())
    [reused] = await rig.sealer.seal(build_event() | changed)

    await routing.events.handle(lay_out([reused], first_offset=1))

    [alert] = [alert for alert in await rig.published_alerts() if alert not in before]
    content = await rig.open_content(alert)
    assert alert.agency == "ag-kern-tfc"
    assert (content["kind"], content["urgency"], content["reason"]) == ("alert", "urgent", "ID_REUSE")
    assert (content["rules"], content["disclosed"]) == (["S-05"], {})
    [kept] = await rig.rows("quarantine")
    assert (kept["reason"], kept["record"]) == ("id_reused", reused.value)
    assert len(await rig.rows("decision")) == 1


async def test_the_same_reuse_again_is_the_same_alert(rig: Rig, routing: Routing) -> None:
    reused = build_event(data={"county": "06029"})
    await decide(rig, routing, build_event(), reused, reused, build_event(data={"county": "06019"}))

    reuses = [row for row in await rig.rows("alert") if row["reason"] == "ID_REUSE"]
    assert len(reuses) == 2
    assert len(await rig.rows("quarantine")) == 3


async def test_an_agency_named_in_conflict_is_not_told_even_by_a_later_batch(
    rig: Rig, routing: Routing
) -> None:
    event = build_event("e1", data={"county": "06029", "suspect": {"employer_agency": "ag-kern-cw"}})
    await routing.events.handle(lay_out(await rig.sealer.seal(event)))
    await routing.events.handle(lay_out(await rig.sealer.seal(build_event("e2")), first_offset=1))

    assert "ag-kern-cw" not in alerts_by_agency(await rig.published_alerts())


async def test_where_each_decision_came_from_is_kept(rig: Rig, routing: Routing) -> None:
    await decide(rig, routing, build_event())

    [row] = await rig.rows("decision")
    assert (row["cluster_id"], row["partition"], row["offset"]) == (CLUSTER, 0, 0)
    assert row["packs"] == "ca-kern-httf@2.2.0 fed-baseline@1.0.0"
    assert row["directory_version"] == 1


async def test_the_ledger_cannot_be_changed_by_routing_itself(rig: Rig, routing: Routing) -> None:
    for table in ("decision", "alert", "receipt", "evidence", "quarantine", "directory"):
        granted = await rig.admin.fetch(
            "SELECT privilege_type FROM information_schema.role_table_grants "
            "WHERE grantee = 'tocsin_routing' AND table_schema = 'routing' AND table_name = $1",
            table,
        )
        assert {row["privilege_type"] for row in granted} == {"SELECT", "INSERT"}
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await routing.pool.execute("UPDATE routing.decision SET outcome = 'routed'")
