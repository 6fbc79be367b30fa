"""A new intake for every test, on a database and a broker of its own, with one directory."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.intake import logbook
from services.runtime.crypto import Kek, generate_key_file
from services.runtime.logs import capture_logs
from tests.integration.intake.client import MemberSystem
from tests.integration.intake.directories import build_snapshot
from tests.integration.intake.stack import RunningIntake, Servers, open_intake
from tests.support.servers import (  # noqa: F401 -- fixtures
    Broker,
    Database,
    broker,
    database,
    postgres_server,
    server_loop,
)


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    Kek.generate_file(folder / "kek.json")
    generate_key_file(folder / "deployment.key")
    return folder


@pytest.fixture
def bare_servers(database: Database, broker: Broker, secrets: Path) -> Servers:  # noqa: F811 -- pytest's way
    """Without a directory."""
    return Servers(database.url("intake"), broker.bootstrap, secrets)


@pytest.fixture
async def servers(bare_servers: Servers) -> Servers:
    await bare_servers.publish_directory(build_snapshot())
    return bare_servers


@pytest.fixture
def logs() -> Iterator[list[dict[str, object]]]:
    with capture_logs(logbook.CATALOGUE) as lines:
        yield lines


@pytest.fixture
async def intake(servers: Servers, logs: list[dict[str, object]]) -> AsyncIterator[RunningIntake]:
    async with open_intake(servers.settings()) as running:
        await running.wait_ready()
        yield running


@pytest.fixture
def member(intake: RunningIntake) -> MemberSystem:
    return intake.member
