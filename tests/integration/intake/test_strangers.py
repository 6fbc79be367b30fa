"""What somebody can take of intake's memory: without a key nothing, and with one a share."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.intake.api.hand import MAX_BYTES_ARRIVING
from services.runtime.connections import ConnectionLimits
from tests.integration.intake.client import BATCH, MemberSystem, is_problem
from tests.integration.intake.directories import ADVOCATES, POLICE, build_snapshot, key_of, source_record
from tests.integration.intake.events import build_event
from tests.integration.intake.stack import Servers, open_intake
from tests.support.strangers import MEGABYTE, TAKEN_AT_MOST, connected, stranger_at
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARTNER = "urn:tocsin:agency:ag-partner:cad"
START = f"POST /v1/events HTTP/1.1\r\nHost: h\r\nContent-Type: {BATCH}\r\n"


def announce(length: int, *, source: str | None = POLICE) -> bytes:
    key = "" if source is None else f"Authorization: Bearer {key_of(source)}\r\n"
    return f"{START}{key}Content-Length: {length}\r\n\r\n".encode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def member(shared_servers: Servers) -> AsyncIterator[MemberSystem]:
    """Of an intake that waits two seconds for a body."""
    await shared_servers.publish_directory(build_snapshot(sources=[source_record(PARTNER)]))
    limits = ConnectionLimits(body_seconds=2)
    async with open_intake(shared_servers.settings(), limits=limits) as running:
        await running.wait_ready()
        yield running.member


async def test_without_a_key_no_body_is_taken(member: MemberSystem) -> None:
    async with stranger_at(member.url) as stranger:
        ending = await stranger.pour(announce(100 * MEGABYTE, source=None), fill=b" " * MEGABYTE)
    assert ending.status == ending.problem["status"] == 401
    assert ending.sent_bytes < TAKEN_AT_MOST


async def test_with_a_key_no_more_than_a_batch_is_taken(member: MemberSystem) -> None:
    async with stranger_at(member.url) as stranger:
        ending = await stranger.pour(announce(100 * MEGABYTE), fill=b" " * MEGABYTE)
    assert ending.status == ending.problem["status"] == 413
    assert ending.sent_bytes < TAKEN_AT_MOST


async def test_unfinished_batches_of_a_source_count_and_keep_no_other_out(member: MemberSystem) -> None:
    async with connected(member.url, count=MAX_BYTES_ARRIVING // MEGABYTE) as strangers:
        for stranger in strangers:
            await stranger.send(announce(MEGABYTE) + b"[")

        async def find_refusal() -> bool:
            reply = await member.send(build_event("e1"))
            if reply.status == 202:
                return False
            assert is_problem(reply, 429)
            assert (reply.body["type"], reply.headers["retry-after"]) == (
                "urn:tocsin:problem:too-many-requests",
                "1",
            )
            return True

        await eventually(find_refusal, what="the source is told to finish first")
        other = await member.send(build_event("e1", source=PARTNER), key=key_of(PARTNER))
        assert other.status == 202

    async def is_taken() -> bool:
        return (await member.send(build_event("e1"))).status == 202

    await eventually(is_taken, what="what was announced is given back when its sender goes")


async def test_a_batch_that_never_ends_is_cut_and_given_back(member: MemberSystem) -> None:
    async with connected(member.url, count=MAX_BYTES_ARRIVING // MEGABYTE) as strangers:
        for stranger in strangers:
            await stranger.send(announce(MEGABYTE) + b"[")
        endings = [await stranger.wait_closed() for stranger in strangers]
        assert {ending.problem["status"] for ending in endings} == {408}
        assert (await member.send(build_event("e1"))).status == 202


async def test_a_source_that_may_send_nothing_else_is_still_judged_by_its_events(
    member: MemberSystem,
) -> None:
    """A body in parts, of no announced length, counts as the longest; and is given back as it is."""
    for _ in range(2 * MAX_BYTES_ARRIVING // MEGABYTE):
        reply = await member.post(_parts(), BATCH, key=key_of(ADVOCATES))
        assert is_problem(reply, 422)


async def _parts() -> AsyncIterator[bytes]:
    yield b"["
    yield b"]"
