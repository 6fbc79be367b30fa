"""POST /v1/events over real HTTP: how a request is refused, and what just passes."""

from collections.abc import AsyncIterator

import orjson
import pytest

from tests.integration.intake.client import BATCH, STRUCTURED, MemberSystem, is_problem
from tests.integration.intake.directories import ADVOCATES, FORMER, NOBODY, POLICE, key_of
from tests.integration.intake.events import BINARY_HEADERS, build_event, pad

# One intake for all of them: none of these looks behind the answer.
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def chunked(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 16_384):
        yield body[start : start + 16_384]


async def test_a_batch_with_nothing_to_accept_is_a_problem(standing: MemberSystem) -> None:
    assert is_problem(await standing.send_batch([build_event(source=ADVOCATES)] * 2), 403)
    assert is_problem(await standing.send_batch([build_event(source=ADVOCATES), 5]), 422)
    assert is_problem(await standing.send_batch([]), 422)


async def test_duplicates_and_reused_ids_are_accepted(standing: MemberSystem) -> None:
    first = await standing.send(build_event("e1"))
    again = await standing.send(build_event("e1"))
    other = await standing.send(build_event("e1", subject="case-9"))
    assert [first.status, again.status, other.status] == [202, 202, 202]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", STRUCTURED),
        (b'{"specversion": "1.0", "id": "e1", "data": {"name": {"full": "Planted Per', STRUCTURED),
        (b"[]", STRUCTURED),
        (b"{}", BATCH),
        (b"null", BATCH),
    ],
)
async def test_what_cannot_be_read_is_malformed(
    standing: MemberSystem, body: bytes, content_type: str
) -> None:
    reply = await standing.post(body, content_type)
    assert is_problem(reply, 400)
    assert "Planted" not in str(reply.body)


async def test_a_binary_event_whose_headers_do_not_decode_is_malformed(standing: MemberSystem) -> None:
    headers = {**BINARY_HEADERS, "ce-subject": "%FF"}
    assert is_problem(await standing.post(b'{"county":"06029"}', "application/json", headers=headers), 400)


@pytest.mark.parametrize(
    "authorization", [None, "Bearer", "Bearer tcs_unknown_0123456789abcdef", f"Basic {key_of(POLICE)}"]
)
async def test_without_a_known_key_nothing_is_read(standing: MemberSystem, authorization: str | None) -> None:
    headers = {"Content-Type": STRUCTURED} | ({"Authorization": authorization} if authorization else {})
    reply = await standing.ask("POST", "/v1/events", headers=headers, body=b"not even JSON")
    assert is_problem(reply, 401)
    assert reply.headers["www-authenticate"] == 'Bearer realm="tocsin"'


async def test_the_scheme_is_written_in_any_case(standing: MemberSystem) -> None:
    headers = {"Authorization": f"bearer {key_of(POLICE)}", "Content-Type": STRUCTURED}
    reply = await standing.ask("POST", "/v1/events", headers=headers, body=orjson.dumps(build_event()))
    assert reply.status == 202


async def test_a_key_sends_its_own_source_only(standing: MemberSystem) -> None:
    reply = await standing.send(build_event(source=ADVOCATES))
    assert is_problem(reply, 403)
    assert reply.paths == ["/source"]


async def test_a_key_sends_its_types_only(standing: MemberSystem) -> None:
    reply = await standing.send(build_event(source=ADVOCATES), key=key_of(ADVOCATES))
    assert is_problem(reply, 403)
    assert reply.paths == ["/type"]
    allowed = build_event(source=ADVOCATES, type="org.tocsin.shelter.bed_needed.v1")
    assert (await standing.send(allowed, key=key_of(ADVOCATES))).status == 202


@pytest.mark.parametrize("source", [FORMER, NOBODY])
async def test_an_agency_that_is_not_active_sends_nothing(standing: MemberSystem, source: str) -> None:
    assert is_problem(await standing.send(build_event(source=source), key=key_of(source)), 403)


async def test_an_event_beyond_64_kib_is_too_large(standing: MemberSystem) -> None:
    body = orjson.dumps(pad(build_event(), 70_000))
    for given in (body, chunked(body)):
        reply = await standing.post(given)
        assert is_problem(reply, 413)
        assert reply.body["events"][0]["id"] is None


async def test_a_request_beyond_1_mib_is_too_large(standing: MemberSystem) -> None:
    body = orjson.dumps([pad(build_event(), 60_000)] * 18)
    assert len(body) > 1024 * 1024
    for given in (body, chunked(body)):
        reply = await standing.post(given, BATCH)
        assert is_problem(reply, 413)
        assert reply.body["events"] == []


async def test_a_batch_of_1_mib_is_taken(standing: MemberSystem) -> None:
    body = orjson.dumps([pad(build_event(f"e{index}"), 60_000) for index in range(17)])
    reply = await standing.post(chunked(body), BATCH)
    assert (reply.status, reply.statuses) == (202, [202] * 17)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/json",
        "application/xml",
        "application/cloudevents+json; charset=latin-1",
    ],
)
async def test_any_other_content_type_is_unsupported(
    standing: MemberSystem, content_type: str | None
) -> None:
    assert is_problem(await standing.post(orjson.dumps(build_event()), content_type), 415)


async def test_a_compressed_body_is_unsupported(standing: MemberSystem) -> None:
    assert is_problem(await standing.send(build_event(), headers={"Content-Encoding": "gzip"}), 415)


async def test_a_request_without_a_trace_gets_an_id_of_its_own(standing: MemberSystem) -> None:
    ids = {(await standing.send(build_event())).headers["tocsin-correlation-id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(len(name) == 32 for name in ids)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("POST", "/v1/nothing", 404),
        ("POST", "/v1/events/", 404),
        ("GET", "/livez/", 404),
        ("GET", "/v1/events", 405),
        ("PUT", "/v1/events", 405),
        ("DELETE", "/v1/events/e1", 405),
    ],
)
async def test_other_paths_and_methods_answer_with_problems(
    standing: MemberSystem, method: str, path: str, status: int
) -> None:
    reply = await standing.ask(method, path)
    assert (reply.status, reply.media_type) == (status, "application/problem+json")
    assert reply.body["status"] == status
    assert (status == 405) == ("allow" in reply.headers)


async def test_head_is_not_answered_with_a_body(standing: MemberSystem) -> None:
    reply = await standing.ask("HEAD", "/v1/events")
    assert (reply.status, reply.body) == (405, b"")
