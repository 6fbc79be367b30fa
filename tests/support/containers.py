"""The official images of Kafka and PostgreSQL behind the devstack's interface: TOCSIN_TEST_KAFKA=docker.

For integration tests where a Docker engine answers. Typed against testcontainers, and never run by those who
wrote it: there was no engine. What freezes the broker's process cannot be done to a container this way.
"""

import asyncio
from collections.abc import Mapping, Sequence

import asyncpg
from testcontainers.core.container import DockerContainer

from schemas.topics import Topic
from services.devstack.database import (
    ADMIN,
    DATABASE,
    build_url,
    ensure_database,
    ensure_roles,
    set_passwords,
)
from services.devstack.process import SupervisedProcess
from services.runtime.kafka import apply_topics, build_specs, open_admin
from services.runtime.settings import Durability, Membership

KAFKA_IMAGE = "apache/kafka:4.2.0"
POSTGRES_IMAGE = "postgres:17"

_KAFKA_PORT, _POSTGRES_PORT = 9092, 5432
_POLL_SECONDS = 0.2


class ContainerKafka:
    """One broker; its log lives as long as the container."""

    membership = Membership.STATIC
    idempotence = True
    durability = Durability.DISK

    def __init__(self, *, port: int, topics: Sequence[Topic]) -> None:
        self.bootstrap = f"127.0.0.1:{port}"
        self.cluster_id = ""
        self.processes: Mapping[str, SupervisedProcess] = {}
        self._topics = topics
        self._is_made = False
        self._container = (
            DockerContainer(KAFKA_IMAGE)
            .with_bind_ports(_KAFKA_PORT, port)
            .with_envs(**_kafka_variables(self.bootstrap))
        )

    async def start(self) -> None:
        if self._is_made:
            await asyncio.to_thread(self._container.get_wrapped_container().start)
        else:
            await asyncio.to_thread(self._container.start)
            self._is_made = True
        async with open_admin(self.bootstrap) as admin:
            self.cluster_id = await admin.get_cluster_id()
        await apply_topics(self.bootstrap, build_specs(self._topics, copies=1))

    async def stop(self, *, hurry: asyncio.Event | None = None) -> None:
        """The container stays, and its log with it."""
        del hurry
        await asyncio.to_thread(self._container.get_wrapped_container().stop)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def remove(self) -> None:
        await asyncio.to_thread(self._container.stop)


class ContainerPostgres:
    """One server with the services' roles, as the embedded one has them."""

    def __init__(self, *, port: int, passwords: Mapping[str, str]) -> None:
        self.port = port
        self._passwords = passwords
        self._container = (
            DockerContainer(POSTGRES_IMAGE)
            .with_bind_ports(_POSTGRES_PORT, port)
            .with_envs(POSTGRES_USER=ADMIN, POSTGRES_DB=DATABASE, POSTGRES_PASSWORD=passwords[ADMIN])
        )

    def url(self, role: str, *, database: str = DATABASE) -> str:
        return build_url(role=role, password=self._passwords[role], port=self.port, database=database)

    async def start(self) -> None:
        await asyncio.to_thread(self._container.start)
        connection = await self._connect()
        try:
            await ensure_roles(connection)
            await set_passwords(connection, {r: p for r, p in self._passwords.items() if r != ADMIN})
            await ensure_database(connection)
        finally:
            await connection.close()

    async def stop(self) -> None:
        await asyncio.to_thread(self._container.stop)

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """Once the server takes connections on its port, which it does when its database is made."""
        while True:
            try:
                return await asyncpg.connect(self.url(ADMIN))
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(_POLL_SECONDS)


def _kafka_variables(address: str) -> dict[str, str]:
    return {
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_NODE_ID": "1",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": f"CLIENT://:{_KAFKA_PORT},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"CLIENT://{address}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "CLIENT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    }
