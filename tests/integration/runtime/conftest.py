"""One PostgreSQL and one broker for the session; tests that kill a server start one of their own."""

from collections.abc import AsyncIterator, Iterator

import pytest

from services.runtime.database import Pool, open_pool
from services.runtime.kafka import KafkaSettings, Membership
from services.runtime.migrate import KEYRING_MIGRATIONS, KEYRING_TABLE, apply_migrations
from tests.integration.runtime.servers import KafkaServer, PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.create()
    apply_migrations(server.url(), KEYRING_MIGRATIONS, KEYRING_TABLE)
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    server = KafkaServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
def settings(kafka: KafkaServer) -> KafkaSettings:
    return settings_of(kafka)


@pytest.fixture
async def pool(postgres: PostgresServer) -> AsyncIterator[Pool]:
    async with open_pool(postgres.url(), size=4) as opened:
        yield opened


def settings_of(server: KafkaServer) -> KafkaSettings:
    return KafkaSettings(
        bootstrap=server.bootstrap, membership=Membership.SOLE, idempotence=False, member="test-0"
    )
