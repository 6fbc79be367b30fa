"""POST /v1/events over real HTTP, onto a real Kafka protocol."""

import asyncio

import orjson

from tests.integration.intake.client import BATCH, MemberSystem, Reply, is_problem
from tests.integration.intake.directories import ADVOCATES, POLICE, key_of
from tests.integration.intake.events import BINARY_HEADERS, build_event, pad
from tests.integration.intake.stack import RunningIntake, Servers, open_intake
from tests.support.examples import accepted_events, refused_events

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_a_structured_event_is_accepted(member: MemberSystem, servers: Servers) -> None:
    reply = await member.send(build_event("e1"))
    assert (reply.status, reply.media_type) == (202, "application/json")
    assert reply.body == {"durability": "memory", "events": [{"index": 0, "id": "e1", "status": 202}]}
    assert [event.id for event, _ in await servers.open_case_events()] == ["e1"]


async def test_a_binary_event_is_accepted_with_its_headers_decoded(
    member: MemberSystem, servers: Servers
) -> None:
    reply = await member.post(b'{"county":"06029"}', "application/json", headers=BINARY_HEADERS)
    assert (reply.status, reply.body["events"]) == (202, [{"index": 0, "id": "b1", "status": 202}])
    [(event, content)] = await servers.open_case_events()
    assert (event.subject, content.type) == ("case-1", "org.tocsin.victim.recovered.v1")
    assert content.data == {"county": "06029"}


async def test_a_batch_is_judged_per_event(member: MemberSystem, servers: Servers) -> None:
    events = [
        build_event("e0"),
        build_event("e1", source=ADVOCATES),
        pad(build_event("e2"), 80_000),
        build_event("e3", data={}),
        "no object",
        build_event("e5", subject="case-2"),
    ]
    reply = await member.send_batch(events)
    assert (reply.status, reply.media_type) == (202, "application/json")
    assert reply.statuses == [202, 403, 413, 422, 422, 202]
    assert [event["index"] for event in reply.body["events"]] == [0, 1, 2, 3, 4, 5]
    assert [event["id"] for event in reply.body["events"]] == ["e0", "e1", "e2", "e3", None, "e5"]
    assert reply.body["events"][3]["problem"]["errors"][0]["path"] == "/data/county"
    assert sorted(event.id for event, _ in await servers.open_case_events()) == ["e0", "e5"]


async def test_half_a_surrogate_pair_costs_its_own_event_and_not_the_batch(
    member: MemberSystem, servers: Servers
) -> None:
    broken = build_event("e1", data={"county": "06029", "narrative": {"text": "BROKEN"}})
    batch = orjson.dumps([build_event("e0"), broken, build_event("e2")]).replace(b"BROKEN", b"\\ud83d")
    reply = await member.post(batch, BATCH)
    assert reply.statuses == [202, 422, 202]
    assert reply.body["events"][1]["problem"]["errors"][0]["path"] == "/data/narrative/text"
    assert sorted(event.id for event, _ in await servers.open_case_events()) == ["e0", "e2"]


async def test_an_invalid_event_is_told_all_of_its_faults_and_none_of_its_values(
    member: MemberSystem, logs: list[dict[str, object]]
) -> None:
    data = {
        "county": "Planted",
        "date_of_birth": "Planted",
        "nickname": "Planted",
        "age": {"band": "Planted"},
    }
    reply = await member.send(build_event("e1", subject="Planted Person", data=data))
    assert is_problem(reply, 422)
    assert reply.paths == [
        "/data/age/band",
        "/data/county",
        "/data/date_of_birth",
        "/data/nickname",
        "/subject",
    ]
    assert reply.body["events"][0]["problem"]["errors"] == reply.body["errors"]
    assert "Planted" not in str(reply.body)
    assert "Planted" not in str(logs)
    assert "nickname" not in str(logs)


async def test_every_accepted_example_is_accepted_and_every_refused_one_refused(
    servers: Servers, member: MemberSystem
) -> None:
    # Sent as the examples' own sources would be refused with 403; here each is the police's.
    for example in accepted_events():
        reply = await member.send({**example.document, "source": POLICE})
        assert reply.status == 202, example.name
    for refused in refused_events():
        reply = await member.post(refused.raw)
        assert reply.status == (422 if isinstance(refused.document, dict) else 400) or (
            reply.status == 403 and refused.document["source"] != POLICE
        ), refused.name
    assert len(await servers.read_case_events()) == len(accepted_events())


async def test_a_source_beyond_its_rate_is_told_to_wait(servers: Servers) -> None:
    async with open_intake(servers.settings(rate=3)) as intake:
        await intake.wait_ready()
        reply = await intake.member.send_batch([build_event(f"e{index}") for index in range(5)])
        assert (reply.status, reply.statuses) == (202, [202, 202, 202, 429, 429])
        assert [event["id"] for event in reply.body["events"]] == ["e0", "e1", "e2", "e3", "e4"]
        assert int(reply.headers["retry-after"]) >= 1
        # Many at once: a second brings three more.
        replies = await asyncio.gather(*(intake.member.send(build_event(f"m{n}")) for n in range(60)))
        refused = [reply for reply in replies if reply.status != 202]
        assert refused
        assert all(is_problem(reply, 429) for reply in refused)
        assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)
        others = build_event(source=ADVOCATES, type="org.tocsin.shelter.bed_needed.v1")
        assert (await intake.member.send(others, key=key_of(ADVOCATES))).status == 202


async def test_a_request_can_be_followed_by_its_trace(
    member: MemberSystem, servers: Servers, logs: list[dict[str, object]]
) -> None:
    reply = await member.send(build_event("e1"), headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    assert reply.headers["tocsin-correlation-id"] == TRACE
    [(event, _)] = await servers.open_case_events()
    [record] = await servers.read_case_events()
    assert event.data.correlation_id == TRACE
    assert list(record.headers) == [("correlation_id", TRACE.encode())]
    told = [(line["event"], line.get("event_id")) for line in logs if line.get("correlation_id") == TRACE]
    assert told == [("events.received", "e1")]


async def test_each_accepted_event_is_named_in_one_line_and_none_joins_case_and_type(
    member: MemberSystem, logs: list[dict[str, object]]
) -> None:
    await member.send(build_event("e1"))
    await member.send_batch([build_event("e2"), build_event("e3", data={}), build_event("e4")])
    named = [(line["event"], line["event_id"], line["case_ref"]) for line in logs if "event_id" in line]
    assert named == [
        ("events.received", "e1", "case-1"),
        ("event.accepted", "e2", "case-1"),
        ("event.accepted", "e4", "case-1"),
    ]
    lines = [line for line in logs if line["event"] == "events.received"]
    told = [(line["source"], line["status"], line["event_count"], line["accepted_count"]) for line in lines]
    assert told == [(POLICE, 202, 1, 1), (POLICE, 202, 3, 2)]
    assert "victim.recovered" not in str(logs)


async def test_without_a_directory_nothing_is_taken(bare_servers: Servers) -> None:
    async with open_intake(bare_servers.settings()) as intake:
        await intake.wait_listening()
        await intake.wait_failing("directory")
        reply = await intake.member.send(build_event())
        assert is_problem(reply, 503)
        assert int(reply.headers["retry-after"]) >= 1


async def test_many_requests_at_once_are_each_answered_for_their_own(
    intake: RunningIntake, servers: Servers
) -> None:
    replies = await gather_all(intake.member, [f"e{index}" for index in range(200)])
    assert [reply.body["events"][0]["id"] for reply in replies] == [f"e{index}" for index in range(200)]
    assert {reply.status for reply in replies} == {202}
    assert len({event.data.key_id for event, _ in await servers.open_case_events()}) == 20


async def gather_all(member: MemberSystem, ids: list[str]) -> list[Reply]:
    events = [build_event(name, subject=f"case-{int(name[1:]) % 20}") for name in ids]
    return await asyncio.gather(*(member.send(event) for event in events))
