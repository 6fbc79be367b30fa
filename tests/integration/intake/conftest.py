"""A new intake for every test, on a database and a broker of its own, with one directory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop

from services.devstack import logbook as devstack_logbook
from services.intake import logbook
from services.runtime.crypto import Kek, generate_key_file
from services.runtime.logs import capture_logs
from tests.integration.intake.client import MemberSystem
from tests.integration.intake.directories import build_snapshot
from tests.integration.intake.stack import RunningIntake, Servers, open_intake
from tests.support.databases import Databases
from tests.support.servers import Broker, Database, LoopThread, PostgresServer, open_own_broker


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of production: its sockets send small packets at once."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    Kek.generate_file(folder / "kek.json")
    generate_key_file(folder / "deployment.key")
    return folder


@pytest.fixture
def bare_servers(database: Database, broker: Broker, secrets: Path) -> Servers:
    """Without a directory."""
    return Servers(database.url("intake"), broker, secrets)


@pytest.fixture
async def servers(bare_servers: Servers) -> Servers:
    await bare_servers.publish_directory(build_snapshot())
    return bare_servers


@pytest.fixture
def logs() -> Iterator[list[dict[str, object]]]:
    # The devstack's servers write theirs through the same pipeline.
    with capture_logs({**logbook.CATALOGUE, **devstack_logbook.CATALOGUE}) as lines:
        yield lines


@pytest.fixture
async def intake(servers: Servers, logs: list[dict[str, object]]) -> AsyncIterator[RunningIntake]:
    async with open_intake(servers.settings()) as running:
        await running.wait_ready()
        yield running


@pytest.fixture
def member(intake: RunningIntake) -> MemberSystem:
    return intake.member


@pytest.fixture(scope="module")
def shared_servers(
    postgres_server: PostgresServer, databases: Databases, server_loop: LoopThread, secrets: Path
) -> Iterator[Servers]:
    """A database and a broker that a whole module shares."""
    name = server_loop.run(databases.take())
    with open_own_broker(server_loop) as shared:
        yield Servers(Database(postgres_server, name).url("intake"), shared, secrets)
    server_loop.run(databases.give_back(name))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(shared_servers: Servers) -> AsyncIterator[MemberSystem]:
    """A member system of an intake that a whole module shares."""
    await shared_servers.publish_directory(build_snapshot())
    async with open_intake(shared_servers.settings()) as running:
        await running.wait_ready()
        yield running.member
