"""Kafka or PostgreSQL away: said honestly, in bounded time, and over by itself."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
import psutil
import pytest

from services.devstack.database import ADMIN, DATABASE
from services.devstack.migrations import migrate_all
from services.devstack.postgres import EmbeddedPostgres
from services.intake.handlers.keydesk import PATIENCE_SECONDS
from services.runtime.lifecycle import ExitCode
from tests.integration.intake.client import Reply, is_problem
from tests.integration.intake.events import build_event
from tests.integration.intake.stack import RunningIntake, Servers, open_intake, wait_for
from tests.support.servers import Broker, LoopThread, build_postgres, build_surroundings
from tests.support.waiting import SECONDS


@dataclass(frozen=True)
class MortalPostgres:
    """A server to be stopped; each test leaves it running."""

    embedded: EmbeddedPostgres
    loop: LoopThread

    @property
    def url(self) -> str:
        return self.embedded.url("tocsin_intake", database=DATABASE)

    async def stop(self) -> None:
        await self.loop.finish(self.embedded.stop())

    async def start(self) -> None:
        await self.loop.finish(self.embedded.start())

    @contextmanager
    def held(self) -> Iterator[None]:
        """All its processes stand still: connections stay open, and nothing answers."""
        postmaster = psutil.Process(self.embedded.process.pid)
        family = [postmaster, *postmaster.children(recursive=True)]
        for process in family:
            process.suspend()
        try:
            yield
        finally:
            for process in family:
                process.resume()


@pytest.fixture(scope="module")
def mortal_postgres(server_loop: LoopThread) -> Iterator[MortalPostgres]:
    with tempfile.TemporaryDirectory(prefix="tocsin-test-") as home:
        postgres = build_postgres(Path(home), surroundings=build_surroundings())
        server_loop.run(postgres.start())
        server_loop.run(migrate_all(postgres.url(ADMIN)))
        yield MortalPostgres(postgres, server_loop)
        server_loop.run(postgres.stop())


@contextmanager
def held(broker: Broker) -> Iterator[None]:
    """The broker's process stands still: connections stay open, and nothing answers."""
    pid = broker.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def send_in_time(intake: RunningIntake, event_id: str) -> Reply:
    async with asyncio.timeout(SECONDS):
        return await intake.member.send(build_event(event_id))


async def test_a_broker_that_hangs_is_told_as_perhaps_stored_and_passes(
    intake: RunningIntake, servers: Servers, broker: Broker
) -> None:
    with held(broker):
        replies = await asyncio.gather(*(send_in_time(intake, f"e{index}") for index in range(50)))
        assert all(is_problem(reply, 503) for reply in replies)
        reply = replies[1]
        assert int(reply.headers["retry-after"]) >= 1
        assert reply.body["type"] == "urn:tocsin:problem:unconfirmed"
        assert reply.body["events"][0]["id"] == "e1"
        await intake.wait_failing("kafka")
        refused = await send_in_time(intake, "e99")
        assert refused.body["type"] == "urn:tocsin:problem:unavailable"
    await intake.wait_ready()
    assert (await send_in_time(intake, "e1")).status == 202
    stored = [event.id for event, _ in await servers.open_case_events()]
    assert stored.count("e1") >= 1
    assert "e99" not in stored


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
async def test_a_broker_that_lost_its_log_makes_intake_start_anew(
    intake: RunningIntake, servers: Servers, broker: Broker
) -> None:
    await broker.stop()
    assert (await send_in_time(intake, "e1")).status == 503
    await broker.start()
    async with asyncio.timeout(SECONDS):
        await intake.lifetime.wait()
    assert intake.lifetime.exit_code is ExitCode.CLUSTER_CHANGED
    await intake.running
    async with open_intake(servers.settings()) as again:
        await again.wait_ready()
        assert (await send_in_time(again, "e1")).status == 202
    # Once or twice: what was told as perhaps stored may have been.
    assert {event.id for event, _ in await servers.open_case_events()} == {"e1"}


async def test_without_the_key_store_only_cases_with_a_known_key_are_taken(
    servers: Servers, mortal_postgres: MortalPostgres
) -> None:
    own = replace(servers, database_url=mortal_postgres.url)
    async with open_intake(own.settings()) as intake:
        await intake.wait_ready()
        assert (await intake.member.send(build_event("e1", subject="known"))).status == 202
        await mortal_postgres.stop()
        reply = await intake.member.send(build_event("e2", subject="new"))
        assert is_problem(reply, 503)
        assert int(reply.headers["retry-after"]) >= 1
        assert reply.body["type"] == "urn:tocsin:problem:unavailable"
        assert (await intake.member.send(build_event("e3", subject="known"))).status == 202
        assert (await intake.member.status_of("e1")).status == 503
        await intake.wait_failing("postgres")
        await mortal_postgres.start()
        await intake.wait_ready()
        assert (await intake.member.send(build_event("e2", subject="new"))).status == 202
    assert {record.key for record in await own.read_case_events()} == {b"known", b"new"}


async def test_a_start_before_its_servers_waits_for_them(
    servers: Servers, mortal_postgres: MortalPostgres
) -> None:
    own = replace(servers, database_url=mortal_postgres.url)
    await mortal_postgres.stop()
    async with open_intake(own.settings()) as intake:
        await intake.wait_listening()
        await intake.wait_failing("connected")
        assert is_problem(await intake.member.send(build_event()), 503)
        await mortal_postgres.start()
        await intake.wait_ready()
        assert (await intake.member.send(build_event())).status == 202


async def test_a_stop_while_waiting_for_servers_ends_at_once(
    servers: Servers, mortal_postgres: MortalPostgres
) -> None:
    await mortal_postgres.stop()
    own = replace(servers, database_url=mortal_postgres.url)
    async with open_intake(own.settings()) as intake:
        await intake.wait_listening()
    assert intake.lifetime.exit_code is ExitCode.CLEAN
    await mortal_postgres.start()


async def test_a_request_in_hand_is_answered_before_the_end(
    intake: RunningIntake, servers: Servers, broker: Broker
) -> None:
    async def is_in_hand() -> bool:
        connection = await asyncpg.connect(servers.database_url)
        try:
            return bool(await connection.fetchval("SELECT count(*) FROM keyring.case_key"))
        finally:
            await connection.close()

    with held(broker):
        sending = asyncio.create_task(intake.member.send(build_event("e1")))
        # Its case has a key: all that it waits for is the broker.
        await wait_for(is_in_hand)
        intake.lifetime.stop(reason="test")
    assert (await sending).status == 202
    await intake.running


async def test_a_key_store_that_hangs_is_told_before_the_source_hangs_up(
    servers: Servers, mortal_postgres: MortalPostgres
) -> None:
    own = replace(servers, database_url=mortal_postgres.url)
    async with open_intake(own.settings()) as intake:
        await intake.wait_ready()
        with mortal_postgres.held():
            # The two wait beside each other, and both have waited before anything else times out.
            async with asyncio.timeout(PATIENCE_SECONDS + 1):
                new, known = await asyncio.gather(
                    intake.member.send(build_event("e1", subject="new")), intake.member.status_of("e1")
                )
        assert (new.status, known.status) == (503, 503)
        await intake.wait_ready()
        assert (await intake.member.send(build_event("e1", subject="new"))).status == 202
