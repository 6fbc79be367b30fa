"""The embedded PostgreSQL and Kafka broker, as the tests of every service use them."""

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from schemas.topics import TOPICS
from services.devstack.postgres import EmbeddedPostgres
from tests.support.servers import Broker, Database, LoopThread, PostgresServer


async def describe(bootstrap: str) -> tuple[str, dict[str, int]]:
    """Cluster id, and partitions by topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        cluster = await admin.describe_cluster()
        topics = await admin.describe_topics()
    finally:
        await admin.close()
    return cluster["cluster_id"], {topic["topic"]: len(topic["partitions"]) for topic in topics}


async def test_each_test_gets_a_migrated_database_of_its_own(database: Database) -> None:
    connection = await asyncpg.connect(database.admin)
    tables = await connection.fetchval("select count(*) from keyring.case_key")
    await connection.close()
    assert tables == 0


async def test_a_service_role_may_do_what_its_migrations_grant_and_no_more(database: Database) -> None:
    connection = await asyncpg.connect(database.url("routing"))
    assert await connection.fetch("select key_id from keyring.case_key") == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("delete from keyring.case_key")
    await connection.close()


async def test_the_server_wants_the_password_of_the_role(postgres_server: PostgresServer) -> None:
    port = postgres_server.postgres.port
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://tocsin_admin:guess@127.0.0.1:{port}/tocsin")


async def test_its_log_keeps_no_statement_and_no_value(postgres_server: PostgresServer) -> None:
    connection = await asyncpg.connect(postgres_server.url("tocsin_admin", "postgres"))
    await connection.execute("create table guest (name text primary key)")
    await connection.execute("insert into guest values ('Zanthorpe')")
    for statement in (
        "insert into guest values ('Zanthorpe')",
        "select 'Zanthorpe'::int",
        "select Zanthorpe(",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute(statement)
    await connection.execute("drop table guest")
    await connection.close()
    assert isinstance(postgres_server.postgres, EmbeddedPostgres)
    assert "Zanthorpe" not in postgres_server.postgres.log_file.read_text()
    assert "ready to accept connections" in postgres_server.postgres.log_file.read_text()


async def test_the_broker_has_the_topics_as_they_are_described(broker: Broker) -> None:
    _, partitions = await describe(broker.bootstrap)
    # Kafka makes topics of its own for those who were here before.
    ours = {name: count for name, count in partitions.items() if not name.startswith("__")}
    assert ours == {topic.name: topic.partitions for topic in TOPICS}


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
async def test_a_restarted_broker_is_another_cluster_with_its_topics_back(broker: Broker) -> None:
    before, _ = await describe(broker.bootstrap)
    await broker.restart()
    after, partitions = await describe(broker.bootstrap)
    assert after != before
    assert after == broker.cluster_id
    assert partitions == {topic.name: topic.partitions for topic in TOPICS}


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
async def test_a_client_that_waits_for_the_broker_does_not_spoil_its_topics(broker: Broker) -> None:
    """The broker makes a topic with four partitions for whoever asks first."""
    producer = AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap, metadata_max_age_ms=20, retry_backoff_ms=1
    )
    await producer.start()
    await producer.send_and_wait("tocsin.directory", b"{}")
    for _ in range(5):
        await broker.restart()
        _, partitions = await describe(broker.bootstrap)
        assert partitions == {topic.name: topic.partitions for topic in TOPICS}
    await producer.stop()


def test_servers_run_in_a_loop_of_their_own(server_loop: LoopThread, postgres_server: PostgresServer) -> None:
    async def count_databases() -> int:
        connection = await asyncpg.connect(postgres_server.url("tocsin_admin", "postgres"))
        count = await connection.fetchval("select count(*) from pg_database where datname = 'tocsin'")
        await connection.close()
        return int(count)

    assert server_loop.run(count_databases()) == 1
