"""A migrated database and a broker for each test."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.devstack.postgres import EmbeddedPostgres
from services.runtime.database import Pool, open_pool
from services.runtime.kafka import KafkaSettings
from tests.support.servers import (
    Broker,
    Database,
    LoopThread,
    build_postgres,
    build_surroundings,
)


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def settings(broker: Broker) -> KafkaSettings:
    return broker.settings(member="test-0")


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    """The owner's."""
    async with open_pool(database.admin, size=4) as opened:
        yield opened


@pytest.fixture
def own_postgres(server_loop: LoopThread) -> Iterator[EmbeddedPostgres]:
    """A server of one test's own, not yet started."""
    home = Path(tempfile.mkdtemp(prefix="tocsin-test-"))
    postgres = build_postgres(home, surroundings=build_surroundings())
    yield postgres
    server_loop.run(postgres.stop())
    shutil.rmtree(home)
