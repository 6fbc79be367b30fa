"""A real PostgreSQL and a real Kafka broker for tests; each test finds a database as it was migrated.

A conftest.py imports the fixtures and names them in its `__all__`: apache, broker, database, databases,
postgres_server, server_loop, shared_broker, shared_database.
"""

import asyncio
import os
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from schemas.topics import TOPICS
from services.devstack.account import find_account
from services.devstack.apache.configuration import Node
from services.devstack.apache.jars import find_kafka
from services.devstack.build import build_apache, build_broker
from services.devstack.cluster import Cluster
from services.devstack.database import ADMIN, DATABASE, ROLES
from services.devstack.kafka import Broker as KafkaBroker
from services.devstack.migrations import migrate_all
from services.devstack.orphans import build_guard
from services.devstack.ports import is_free
from services.devstack.postgres import EmbeddedPostgres
from services.devstack.postgres_config import PostgresSettings
from services.devstack.process import Surroundings
from services.devstack.programs import SHARED_CACHE, find_broker, find_postgres
from services.runtime.clock import SystemClock
from services.runtime.kafka import KafkaSettings, apply_topics, build_specs
from tests.support.containers import ContainerKafka, ContainerPostgres
from tests.support.databases import Databases
from tests.support.kafka_choice import IN_DOCKER, ON_APACHE
from tests.support.ports import free_port
from tests.support.waiting import eventually

T = TypeVar("T")

PASSWORDS = {role: f"secret-of-{role}" for role in ROLES}
_IS_SHARED = pytest.StashKey[bool]()
"""Whether the tests of the module that runs share a broker."""


class LoopThread:
    """An event loop in a thread: servers outlive the loops of single tests."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test servers", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """The same from another loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server for the whole test session, with a migrated database to clone."""

    postgres: EmbeddedPostgres | ContainerPostgres
    template: str

    def url(self, role: str, database: str) -> str:
        return self.postgres.url(role, database=database)


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated database that one test has for itself."""

    server: PostgresServer
    name: str

    @property
    def admin(self) -> str:
        """libpq URL of the owner of all tables, a superuser."""
        return self.server.url(ADMIN, self.name)

    def url(self, service: str) -> str:
        """libpq URL for `intake`, `routing` or `notify`, with that service's own role."""
        return self.server.url(f"tocsin_{service}", self.name)


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker with Tocsin's topics, all of them empty, that may be stopped and restarted.

    The embedded one is of one test's own. Apache's is the session's, and each test finds topics made anew.
    """

    server: KafkaBroker
    loop: LoopThread

    @property
    def bootstrap(self) -> str:
        return self.server.bootstrap

    @property
    def cluster_id(self) -> str:
        return self.server.cluster_id

    @property
    def pid(self) -> int:
        pid = self.server.processes["kafka"].pid
        assert pid is not None
        return pid

    def settings(self, *, member: str) -> KafkaSettings:
        """For a client of its own, as suits this kind of broker."""
        return KafkaSettings(
            bootstrap=self.bootstrap,
            membership=self.server.membership,
            idempotence=self.server.idempotence,
            member=member,
        )

    async def restart(self) -> None:
        """Returns when it answers: the embedded one empty and as another cluster, Apache's as it was."""
        await self.loop.finish(self.server.restart())

    async def stop(self) -> None:
        await self.loop.finish(self.server.stop())

    async def start(self) -> None:
        await self.loop.finish(self.server.start())


def build_surroundings() -> Surroundings:
    return Surroundings(guard=build_guard(), clock=SystemClock(), on_start=lambda _name, _pid: None)


def build_postgres(home: Path, *, surroundings: Surroundings) -> EmbeddedPostgres:
    """Without fsync: nobody misses a test's data."""
    account = find_account(effective_uid=os.geteuid())
    programs = find_postgres(None, account=account, cache=SHARED_CACHE)
    return EmbeddedPostgres(
        Cluster(home=home / "postgres", programs=programs, account=account),
        PostgresSettings(port=free_port(), durable=False),
        passwords=PASSWORDS,
        log_file=home / "postgres.log",
        surroundings=surroundings,
    )


async def _start_server(postgres: EmbeddedPostgres | ContainerPostgres) -> PostgresServer:
    await postgres.start()
    await migrate_all(postgres.url(ADMIN))
    return PostgresServer(postgres, template=DATABASE)


@pytest.fixture(scope="session")
def server_loop() -> Iterator[LoopThread]:
    with LoopThread() as loop:
        yield loop


@pytest.fixture(scope="session")
def postgres_server(server_loop: LoopThread) -> Iterator[PostgresServer]:
    """One PostgreSQL for the session, every schema migrated."""
    home = Path(tempfile.mkdtemp(prefix="tocsin-test-"))
    postgres = (
        ContainerPostgres(port=free_port(), passwords=PASSWORDS)
        if IN_DOCKER
        else build_postgres(home, surroundings=build_surroundings())
    )
    try:
        yield server_loop.run(_start_server(postgres))
    finally:
        server_loop.run(postgres.stop())
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def databases(postgres_server: PostgresServer) -> Databases:
    return Databases(lambda name: postgres_server.url(ADMIN, name), postgres_server.template)


@pytest.fixture
async def database(postgres_server: PostgresServer, databases: Databases) -> AsyncIterator[Database]:
    """A database as it was migrated, with nobody else in it."""
    name = await databases.take()
    try:
        yield Database(postgres_server, name)
    finally:
        await databases.give_back(name)


@pytest.fixture(scope="module")
def shared_database(
    postgres_server: PostgresServer, databases: Databases, server_loop: LoopThread
) -> Iterator[Database]:
    """A database that the tests of a module share."""
    name = server_loop.run(databases.take())
    try:
        yield Database(postgres_server, name)
    finally:
        server_loop.run(databases.give_back(name))


@pytest.fixture(scope="session")
def apache(server_loop: LoopThread) -> Iterator[Broker]:
    """One Apache Kafka for the session, started by the first test that asks."""
    with open_own_broker(server_loop) as shared:
        yield shared


@pytest.fixture
async def broker(server_loop: LoopThread, request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    """A broker with empty topics; the embedded one starts in a few hundredths of a second."""
    assert not request.config.stash.get(_IS_SHARED, False), "to empty Apache's is to empty the module's"
    if ON_APACHE:
        shared: Broker = request.getfixturevalue("apache")
        await empty_topics(shared)
        yield shared
    else:
        with open_own_broker(server_loop) as own:
            yield own


@pytest.fixture(scope="module")
def shared_broker(server_loop: LoopThread, request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A broker that the tests of a module share; none of them may ask for `broker`."""
    request.config.stash[_IS_SHARED] = True
    try:
        if ON_APACHE:
            shared: Broker = request.getfixturevalue("apache")
            server_loop.run(empty_topics(shared))
            yield shared
        else:
            with open_own_broker(server_loop) as own:
                yield own
    finally:
        request.config.stash[_IS_SHARED] = False


@contextmanager
def open_own_broker(loop: LoopThread) -> Iterator[Broker]:
    """A broker that is not the session's, of the kind that was chosen."""
    home = Path(tempfile.mkdtemp(prefix="tocsin-kafka-"))
    server = _build_server(home)
    try:
        loop.run(server.start())
        yield Broker(server, loop)
    finally:
        loop.run(server.remove() if isinstance(server, ContainerKafka) else server.stop())
        shutil.rmtree(home)


def _build_server(home: Path) -> KafkaBroker:
    around = build_surroundings()
    if IN_DOCKER:
        return ContainerKafka(port=free_port(), topics=TOPICS)
    if ON_APACHE:
        return build_apache(find_kafka(), build_nodes(home, 1), around=around)
    return build_broker(find_broker(None), port=free_port(), around=around)


async def empty_topics(broker: Broker) -> None:
    """Deletes every topic, and with them what groups committed, and makes Tocsin's again."""
    # One that an earlier test left stopped.
    if not is_listening(broker.bootstrap):
        await broker.start()
    client = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await client.start()
    try:
        names = [name for name in await client.list_topics() if not name.startswith("__")]
        if names:
            await client.delete_topics(names)
        await eventually(lambda: _are_gone(client, names), what="the topics are deleted")
    finally:
        await client.close()
    await apply_topics(broker.bootstrap, build_specs(TOPICS, copies=1))


async def _are_gone(client: AIOKafkaAdminClient, names: Sequence[str]) -> bool:
    return not set(names) & set(await client.list_topics())


def is_listening(bootstrap: str) -> bool:
    return not is_free(int(bootstrap.rpartition(":")[2]))


def build_nodes(home: Path, count: int) -> list[Node]:
    """For brokers of Apache Kafka that keep their logs in this folder."""
    return [
        Node(number=number, port=free_port(), controller_port=free_port(), home=home / f"node-{number}")
        for number in range(1, count + 1)
    ]
