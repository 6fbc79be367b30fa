"""Serving over real sockets: health, taken ports, and requests in hand at the end."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.runtime.health import NotReadyError, Probes, health_routes
from services.runtime.http import GRACEFUL_SECONDS, Address, open_server, serve
from services.runtime.lifecycle import Lifetime
from services.runtime.logs import capture_logs
from tests.support.waiting import SECONDS


async def fine() -> None:
    """All is well."""


async def not_yet() -> None:
    raise NotReadyError("no directory yet")


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_ready_and_live_are_answered_apart(client: aiohttp.ClientSession) -> None:
    probes = Probes()
    probes.add_check("database", fine)
    probes.add_check("directory", not_yet)
    probes.add_fact("directory_version", lambda: 0)
    probes.add_fact("consumers", lambda: {"events": {"group": "g", "partitions": ["t/0"]}})
    app = Starlette(routes=health_routes(probes))
    with capture_logs({}):
        async with open_server(app, host="127.0.0.1", port=0) as address:
            async with client.get(f"{address.url}/livez") as answer:
                assert (answer.status, await answer.json()) == (200, {"live": True})
            async with client.get(f"{address.url}/readyz") as answer:
                assert answer.status == 503
                assert await answer.json() == {
                    "ready": False,
                    "checks": {"database": "ok", "directory": "no directory yet"},
                    "directory_version": 0,
                    "consumers": {"events": {"group": "g", "partitions": ["t/0"]}},
                }


async def test_a_process_whose_checks_pass_is_ready(client: aiohttp.ClientSession) -> None:
    probes = Probes()
    probes.add_check("database", fine)
    with capture_logs({}):
        async with (
            open_server(Starlette(routes=health_routes(probes)), host="127.0.0.1", port=0) as address,
            client.get(f"{address.url}/readyz") as answer,
        ):
            assert answer.status == 200
            assert await answer.json() == {"ready": True, "checks": {"database": "ok"}}
            assert answer.headers.keys().isdisjoint({"server", "date"})


async def test_prometheus_reads_the_checks_and_the_facts_that_are_numbers(
    client: aiohttp.ClientSession,
) -> None:
    probes = Probes()
    probes.add_check("database", fine)
    probes.add_check("directory", not_yet)
    probes.add_fact("durability", lambda: "memory")
    probes.add_fact("without_next_step", lambda: {"deliveries": 2})
    with capture_logs({}):
        async with (
            open_server(Starlette(routes=health_routes(probes)), host="127.0.0.1", port=0) as address,
            client.get(f"{address.url}/metrics") as answer,
        ):
            assert (answer.status, answer.content_type) == (200, "text/plain")
            told = (await answer.text()).splitlines()
    ours = {line for line in told if line.startswith(("tocsin_check{", "tocsin_fact{"))}
    assert ours == {
        'tocsin_check{check="database"} 1.0',
        'tocsin_check{check="directory"} 0.0',
        'tocsin_fact{fact="without_next_step.deliveries"} 2.0',
    }


async def test_a_taken_port_is_an_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        async with open_server(Starlette(), host="127.0.0.1", port=taken.getsockname()[1]):
            pass


async def test_a_request_in_hand_is_answered_before_the_server_ends(client: aiohttp.ClientSession) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> Response:
        begun.set()
        await go_on.wait()
        return PlainTextResponse("done")

    async def ask(address: Address) -> str:
        async with client.get(f"{address.url}/slow") as answer:
            return await answer.text()

    async with open_server(Starlette(routes=[Route("/slow", slow)]), host="127.0.0.1", port=0) as address:
        asking = asyncio.create_task(ask(address))
        await begun.wait()
        asyncio.get_running_loop().call_later(0.2, go_on.set)
    assert await asking == "done"
    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(address)


async def test_a_client_that_stays_connected_does_not_hold_up_the_end(client: aiohttp.ClientSession) -> None:
    app = Starlette(routes=health_routes(Probes()))
    async with asyncio.timeout(GRACEFUL_SECONDS - 1), open_server(app, host="127.0.0.1", port=0) as address:
        answer = await client.get(f"{address.url}/livez")
        assert await answer.json() == {"live": True}


async def test_the_same_port_serves_again_at_once(client: aiohttp.ClientSession) -> None:
    app = Starlette(routes=health_routes(Probes()))
    port = 0
    for _ in range(3):
        async with open_server(app, host="127.0.0.1", port=port) as address:
            port = address.port
            async with client.get(f"{address.url}/livez") as answer:
                assert answer.status == 200


async def test_serving_ends_with_the_lifetime(client: aiohttp.ClientSession) -> None:
    lifetime = Lifetime()
    serving = asyncio.create_task(serve(Starlette(), host="127.0.0.1", port=0, lifetime=lifetime))
    with capture_logs({}):
        lifetime.stop(reason="SIGTERM")
    async with asyncio.timeout(SECONDS):
        await serving


async def test_head_and_body_of_an_answer_come_together_and_answers_in_order() -> None:
    async def echo(request: Request) -> Response:
        return PlainTextResponse(request.url.path)

    with capture_logs({}):
        app = Starlette(routes=[Route("/{name}", echo)])
        async with open_server(app, host="127.0.0.1", port=0) as address:
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(b"GET /one HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await reader.read(65536)).endswith(b"\r\n\r\n/one")
            writer.write(b"GET /two HTTP/1.1\r\nHost: h\r\n\r\nGET /three HTTP/1.1\r\nHost: h\r\n")
            writer.write(b"Connection: close\r\n\r\n")
            rest = await reader.read()
            assert rest.index(b"/two") < rest.index(b"/three")
            assert rest.endswith(b"/three")
            writer.close()
