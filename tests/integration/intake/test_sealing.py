"""Nothing that an event says is written anywhere in the clear."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import orjson

from schemas.sealed import SealedEvent
from tests.integration.intake.client import MemberSystem
from tests.integration.intake.events import build_event
from tests.integration.intake.stack import Servers, open_intake
from tests.support.examples import EXAMPLES
from tests.support.servers import Database

CONTROL = "control-case-in-the-clear"
EVERY_GROUP = EXAMPLES / "accepted" / "victim.potential_identified-with-every-group.json"


async def dump(database: Database) -> str:
    """Every row of every table that intake can write, as text."""
    connection = await asyncpg.connect(database.admin)
    try:
        tables = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('keyring', 'intake')"
        )
        rows = []
        for table in tables:
            name = f'"{table["schemaname"]}"."{table["tablename"]}"'
            rows += await connection.fetch(f"SELECT t::text FROM {name} AS t")  # noqa: S608 -- names of our own
    finally:
        await connection.close()
    return "\n".join(row["t"] for row in rows)


def plant(value: object) -> object:
    """The same with every text of some length replaced by a marker that no code could produce."""
    match value:
        case dict():
            return {key: plant(inner) for key, inner in value.items()}
        case list():
            return [plant(inner) for inner in value]
        case str() if " " in value:
            return f"Quetzalcoatl {value}"
        case _:
            return value


async def test_neither_kafka_nor_postgres_nor_the_logs_hold_a_value_or_the_true_type(
    member: MemberSystem, servers: Servers, database: Database, logs: list[dict[str, object]]
) -> None:
    data = plant(orjson.loads(EVERY_GROUP.read_bytes())["data"])
    event = build_event("e1", subject=CONTROL, type="org.tocsin.immigration.hhs_letter_issued.v1", data=data)
    del event["data"]["details"]
    assert (await member.send(event)).status == 202
    [record] = await servers.read_case_events()
    written = [str(record), await dump(database), str(logs)]
    for text in written:
        assert CONTROL in text
        assert "Quetzalcoatl" not in text
        assert "immigration" not in text
        assert "hhs_letter" not in text


async def test_what_was_sealed_opens_to_exactly_what_was_sent(member: MemberSystem, servers: Servers) -> None:
    data = {"county": "06029", "name": {"full": "Zoë \u2028 Ärger"}, "safety": {"indicators": ["b", "a"]}}
    await member.send(build_event("e1", data=data, time="2026-03-03T22:40:00.123456-08:00"))
    [(event, content)] = await servers.open_case_events()
    [record] = await servers.read_case_events()
    assert record.key == b"case-1"
    assert content.model_dump() == {
        "type": "org.tocsin.victim.recovered.v1",
        "time": datetime(2026, 3, 4, 6, 40, 0, 123456, tzinfo=UTC),
        "data": data,
    }
    assert event.time == content.time
    assert event.type == "org.tocsin.case_event.v1"


async def test_a_key_written_twice_is_sealed_as_it_was_judged(member: MemberSystem, servers: Servers) -> None:
    raw = orjson.dumps(build_event("e1")).replace(b'"county":"06029"', b'"county":"Kern","county":"06029"')
    assert (await member.post(raw)).status == 202
    [(_, content)] = await servers.open_case_events()
    assert content.data["county"] == "06029"


async def test_the_same_event_is_sealed_to_other_bytes_each_time(
    member: MemberSystem, servers: Servers
) -> None:
    for _ in range(2):
        await member.send(build_event("e1"))
    first, second = [
        SealedEvent.model_validate_json(record.value or b"") for record in await servers.read_case_events()
    ]
    assert first.data.key_id == second.data.key_id
    assert first.data.sealed != second.data.sealed


async def test_two_intakes_that_race_for_a_case_s_key_use_the_same(servers: Servers) -> None:
    async with (
        open_intake(servers.settings()) as one,
        open_intake(servers.settings(member="intake-1")) as other,
    ):
        await one.wait_ready()
        await other.wait_ready()
        for case in range(20):
            event = build_event(f"e{case}", subject=f"case-{case}")
            replies = await asyncio.gather(*(intake.member.send(event) for intake in (one, other) * 3))
            assert {reply.status for reply in replies} == {202}
    opened = await servers.open_case_events()
    assert len(opened) == 120
    keys = {(event.subject, event.data.key_id) for event, _ in opened}
    assert len(keys) == 20


async def test_a_case_whose_key_was_destroyed_takes_no_more_events(
    servers: Servers, database: Database
) -> None:
    async with open_intake(servers.settings()) as intake:
        await intake.wait_ready()
        await intake.member.send(build_event("e1", subject="shredded"))
    connection = await asyncpg.connect(database.admin)
    await connection.execute("UPDATE keyring.case_key SET wrapped = NULL WHERE case_ref = 'shredded'")
    await connection.close()
    async with open_intake(servers.settings()) as intake:
        await intake.wait_ready()
        events = [build_event("e2", subject="shredded"), build_event("e3", subject="living")]
        reply = await intake.member.send_batch(events)
    assert reply.statuses == [422, 202]
    assert reply.body["events"][0]["problem"]["errors"][0]["path"] == "/subject"
    stored = [record.key for record in await servers.read_case_events()]
    assert sorted(stored, key=str) == [b"living", b"shredded"]
