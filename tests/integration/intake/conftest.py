"""One PostgreSQL and one broker for the session, with one directory; a new intake for every test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.intake import logbook
from services.runtime.crypto import Kek, generate_key_file
from services.runtime.logs import capture_logs
from tests.integration.intake.client import MemberSystem
from tests.integration.intake.directories import build_snapshot
from tests.integration.intake.stack import (
    RunningIntake,
    Servers,
    make_topics,
    migrate,
    open_intake,
    publish_directory,
)
from tests.integration.runtime.servers import KafkaServer, PostgresServer


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    Kek.generate_file(folder / "kek.json")
    generate_key_file(folder / "deployment.key")
    return folder


@pytest.fixture(scope="session")
def started(secrets: Path) -> Iterator[Servers]:
    servers = Servers(PostgresServer(), KafkaServer(), secrets)
    servers.postgres.create()
    migrate(servers.postgres)
    servers.kafka.start()
    yield servers
    servers.kafka.kill()
    servers.postgres.destroy()


@pytest.fixture
async def servers(started: Servers) -> Servers:
    """With the topics and the first directory."""
    await make_topics(started)
    await publish_directory(started, build_snapshot())
    return started


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
