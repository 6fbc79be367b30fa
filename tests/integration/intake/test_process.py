"""Intake as its supervisor sees it: a process with an environment, signals and an exit code."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import orjson
import pytest

from tests.integration.intake.client import MemberSystem
from tests.integration.intake.events import build_event
from tests.integration.intake.stack import Servers, wait_for
from tests.support.ports import free_port
from tests.support.servers import Broker


@asynccontextmanager
async def open_process(servers: Servers, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        "PATH": os.environ["PATH"],
        "TOCSIN_PORT": str(port),
        "TOCSIN_KAFKA": servers.bootstrap,
        "TOCSIN_KAFKA_MEMBERSHIP": "sole",
        "TOCSIN_KAFKA_IDEMPOTENCE": "false",
        "TOCSIN_DATABASE_URL": servers.database_url,
        "TOCSIN_KEK_FILE": str(servers.secrets / "kek.json"),
        "TOCSIN_DEPLOYMENT_KEY_FILE": str(servers.secrets / "deployment.key"),
        "TOCSIN_DURABILITY": "memory",
        "TOCSIN_LOG_FORMAT": "json",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.intake", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def wait_ready(member: MemberSystem) -> None:
    async def is_ready() -> bool:
        with suppress(aiohttp.ClientConnectionError):
            return (await member.ask("GET", "/readyz")).status == 200
        return False

    await wait_for(is_ready)


async def test_a_process_serves_until_it_is_told_to_end_and_ends_cleanly(servers: Servers) -> None:
    port = free_port()
    async with open_process(servers, port) as process, aiohttp.ClientSession() as session:
        member = MemberSystem(session, f"http://127.0.0.1:{port}")
        await wait_ready(member)
        assert (await member.send(build_event("e1"))).status == 202
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        lines = [orjson.loads(line) for line in (await process.stderr.read()).splitlines()]
        assert await process.wait() == 0
    assert {line["service"] for line in lines} == {"intake"}
    events = [line["event"] for line in lines]
    assert "events.received" in events
    assert events[-1] == "service.stopped"
    # A client of Kafka complains while a fresh cluster has no coordinator for its group yet.
    ours = [line for line in lines if line["event"] != "library.logged"]
    assert {line["level"] for line in ours} == {"info"}


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
async def test_a_process_whose_cluster_was_replaced_asks_to_be_started_again(
    servers: Servers, broker: Broker
) -> None:
    port = free_port()
    async with open_process(servers, port) as process, aiohttp.ClientSession() as session:
        await wait_ready(MemberSystem(session, f"http://127.0.0.1:{port}"))
        await broker.restart()
        assert process.stderr is not None
        await process.stderr.read()
        assert await process.wait() == os.EX_TEMPFAIL
