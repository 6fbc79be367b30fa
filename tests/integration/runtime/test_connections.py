"""What a connection may take of a server, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.runtime.connections import DEFAULT_LIMITS, ConnectionLimits
from services.runtime.http import open_server
from services.runtime.logs import capture_logs
from tests.support.strangers import MEGABYTE, TAKEN_AT_MOST, connected, stranger_at
from tests.support.waiting import SECONDS, eventually

GET = b"GET /size HTTP/1.1\r\nHost: h\r\n"
POST = b"POST /size HTTP/1.1\r\nHost: h\r\n"
QUICK = ConnectionLimits(head_seconds=0.2, body_seconds=0.3)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of production."""
    return {"uvloop": uvloop.new_event_loop}


class App:
    """Reads and measures, waits, answers unread, or with much; and knows of what was cut."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.cut = asyncio.Event()
        self.asgi = Starlette(
            routes=[
                Route("/size", self._measure, methods=["GET", "POST"]),
                Route("/slow", self._wait),
                Route("/no", self._refuse, methods=["POST"]),
                Route("/much", self._tell),
            ]
        )

    async def _measure(self, request: Request) -> Response:
        try:
            return PlainTextResponse(str(len(await request.body())))
        except ClientDisconnect:
            self.cut.set()
            raise

    async def _wait(self, _: Request) -> Response:
        await self.go_on.wait()
        return PlainTextResponse("done")

    async def _refuse(self, _: Request) -> Response:
        return PlainTextResponse("no", status_code=401)

    async def _tell(self, _: Request) -> Response:
        return PlainTextResponse(b"x" * 16 * MEGABYTE)


@pytest.fixture
def app() -> App:
    return App()


@asynccontextmanager
async def serving(app: App, limits: ConnectionLimits = DEFAULT_LIMITS) -> AsyncIterator[str]:
    with capture_logs({}):
        async with open_server(app.asgi, host="127.0.0.1", port=0, limits=limits) as address:
            yield address.url


async def test_a_head_without_end_is_not_read(app: App) -> None:
    async with serving(app) as url, stranger_at(url) as stranger:
        ending = await stranger.pour(GET + b"X: ", fill=b"y" * MEGABYTE)
    assert ending.status == ending.problem["status"] == 431
    assert "connection: close" in ending.head
    assert ending.sent_bytes < TAKEN_AT_MOST


async def test_a_head_of_60_kib_passes_and_neither_a_longer_one_nor_one_of_many_lines(app: App) -> None:
    heads = [b"X: " + b"y" * 60 * 1024, b"X: " + b"y" * 90 * 1024, b"X: y\r\n" * 200 + b"Z: z"]
    async with serving(app) as url:
        statuses = []
        for head in heads:
            async with stranger_at(url) as stranger:
                await stranger.send(GET + b"Connection: close\r\n" + head + b"\r\n\r\n")
                statuses.append((await stranger.wait_closed()).status)
    assert statuses == [200, 431, 431]


async def test_many_lines_of_an_unfinished_head_are_not_kept(app: App) -> None:
    async with serving(app) as url, stranger_at(url) as stranger:
        await stranger.send(GET + b"X: y\r\n" * 200)
        assert (await stranger.wait_closed()).status == 431


async def test_trailers_without_end_are_not_read(app: App) -> None:
    start = POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: "
    async with serving(app) as url, stranger_at(url) as stranger:
        ending = await stranger.pour(start, fill=b"y" * MEGABYTE)
    assert ending.status == 431
    assert ending.sent_bytes < TAKEN_AT_MOST


async def test_what_is_no_http_is_answered_with_a_problem(app: App) -> None:
    async with serving(app) as url, stranger_at(url) as stranger:
        await stranger.send(b"\x16\x03\x01 hello\r\n\r\n")
        assert (await stranger.wait_closed()).problem["status"] == 400


async def test_a_head_that_dribbles_is_told_that_it_took_too_long(app: App) -> None:
    async with serving(app, QUICK) as url, stranger_at(url) as stranger:
        await stranger.send(GET)
        ending = asyncio.create_task(stranger.wait_closed())
        while not ending.done():
            await stranger.send(b"x")
            await asyncio.wait({ending}, timeout=0.05)
        assert (await ending).problem["status"] == 408


async def test_a_connection_that_says_nothing_is_closed_without_a_word(app: App) -> None:
    async with serving(app, QUICK) as url, stranger_at(url) as stranger:
        assert (await stranger.wait_closed()).received == b""


async def test_a_body_that_never_ends_is_cut_and_its_endpoint_knows(app: App) -> None:
    async with serving(app, QUICK) as url, stranger_at(url) as stranger:
        await stranger.send(POST + b"Content-Length: 9\r\n\r\nx")
        assert (await stranger.wait_closed()).problem["status"] == 408
        async with asyncio.timeout(SECONDS):
            await app.cut.wait()


async def test_whoever_waits_for_us_is_not_cut_however_long_we_take(app: App) -> None:
    slow, last = b"GET /slow HTTP/1.1\r\nHost: h\r\n", b"Connection: close\r\n\r\n"
    async with serving(app, QUICK) as url, connected(url, count=3) as (patient, ahead, other):
        await patient.send(slow + last)
        await ahead.send(slow + b"\r\n" + GET + last)
        # Others are cut meanwhile, one after the other.
        await other.wait_closed()
        async with stranger_at(url) as another:
            await another.wait_closed()
        app.go_on.set()
        assert (await patient.wait_closed()).received.count(b"HTTP/1.1 200 ") == 1
        assert (await ahead.wait_closed()).received.count(b"HTTP/1.1 200 ") == 2


async def test_requests_far_ahead_of_their_answers_are_not_kept(app: App) -> None:
    async with serving(app) as url, connected(url, count=2) as (modest, greedy):
        await greedy.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n" + (GET + b"\r\n") * 17)
        assert (await greedy.wait_closed()).received == b""
        last = GET + b"Connection: close\r\n\r\n"
        await modest.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n" + (GET + b"\r\n") * 15 + last)
        app.go_on.set()
        assert (await modest.wait_closed()).received.count(b"HTTP/1.1 200 ") == 17


async def test_a_body_that_nobody_reads_is_not_taken_for_ever(app: App) -> None:
    limits = ConnectionLimits(unread_bytes=MEGABYTE)
    start = b"POST /no HTTP/1.1\r\nHost: h\r\nContent-Length: 104857600\r\n\r\n"
    async with serving(app, limits) as url, stranger_at(url) as stranger:
        ending = await stranger.pour(start, fill=b"y" * MEGABYTE)
    assert ending.status == 401
    assert ending.sent_bytes < TAKEN_AT_MOST


async def test_a_short_body_that_nobody_read_costs_no_connection(app: App) -> None:
    body = b"y" * 300_000
    start = b"POST /no HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with serving(app) as url, stranger_at(url) as stranger:
        await stranger.send(start)
        assert (await stranger.answer()).startswith(b"HTTP/1.1 401 ")
        await stranger.send(body + GET + b"\r\n")
        assert (await stranger.answer()).startswith(b"HTTP/1.1 200 ")


async def test_of_too_many_connections_the_longest_idle_goes(app: App) -> None:
    async with serving(app, ConnectionLimits(connections=3)) as url, connected(url, count=3) as first:
        # Answered: all three are open, and the first is no longer the one that waits longest.
        for stranger in (first[1], first[2], first[0]):
            await stranger.send(GET + b"\r\n")
            assert (await stranger.answer()).startswith(b"HTTP/1.1 200 ")
        async with stranger_at(url) as newcomer:
            await newcomer.send(GET + b"\r\n")
            assert (await newcomer.answer()).startswith(b"HTTP/1.1 200 ")
        ending = await first[1].wait_closed()
        assert (ending.status, "retry-after: 1" in ending.head) == (503, True)
        for stranger in (first[2], first[0]):
            await stranger.send(GET + b"\r\n")
            assert (await stranger.answer()).startswith(b"HTTP/1.1 200 ")


async def test_a_newcomer_is_told_to_come_back_where_all_wait_for_us(app: App) -> None:
    async with serving(app, ConnectionLimits(connections=2)) as url, connected(url, count=2) as busy:
        for stranger in busy:
            await stranger.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")

        async def is_refused() -> bool:
            async with stranger_at(url) as newcomer:
                await newcomer.send(GET + b"Connection: close\r\n\r\n")
                return (await newcomer.wait_closed()).status == 503

        await eventually(is_refused, what="a newcomer is refused")
        app.go_on.set()
        assert [(await stranger.answer())[-4:] for stranger in busy] == [b"done"] * 2


async def test_an_answer_that_nobody_reads_is_given_up_and_told_in_the_log(app: App) -> None:
    with capture_logs({}) as logs:
        async with open_server(app.asgi, host="127.0.0.1", port=0, limits=QUICK) as address:
            with socket.create_connection((address.host, address.port)) as silent:
                silent.sendall(b"GET /much HTTP/1.1\r\nHost: h\r\n\r\n")

                async def find() -> list[dict[str, object]]:
                    return [line for line in logs if line["event"] == "connections.cut_off"]

                (line,) = await eventually(find, what="given up")
    assert (line["slow_count"], line["crowded_count"]) == (1, 0)


async def test_an_answer_that_is_read_slowly_comes_whole(app: App) -> None:
    async with serving(app, QUICK) as url, stranger_at(url) as stranger:
        await stranger.send(b"GET /much HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        received = 0
        while part := await stranger.reader.read(MEGABYTE // 2):
            received += len(part)
            # Reading the whole takes longer than a client may be silent.
            await asyncio.sleep(0.02)
    assert received > 16 * MEGABYTE
