"""Apache Kafka behind the devstack's interface: as a broker that keeps its log, and as one that demands."""

import asyncio
import gc
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from pydantic import SecretStr

from schemas.topics import CASE_EVENTS, RECEIPTS, TOPICS
from services.devstack.apache.broker import ApacheKafka
from services.devstack.apache.configuration import ListenerSecurity
from services.devstack.apache.jars import find_kafka
from services.devstack.build import build_apache
from services.devstack.errors import DataDirectoryError
from services.intake.settings import IntakeSettings
from services.runtime.kafka import (
    Alter,
    DangerousTopicsError,
    KafkaAccess,
    KafkaSecurity,
    KafkaSettings,
    ReceivedRecord,
    Record,
    TopicSpec,
    TopicsRefusedError,
    apply_topics,
    build_broker,
    build_specs,
    check_topics,
    open_cluster_watch,
    open_consumers,
    open_publisher,
    plan_cluster,
    read_topic_to_end,
    rewind_commits,
    subscribe,
)
from services.runtime.kafka_access import SaslMechanism, SecurityProtocol, client_arguments
from services.runtime.lifecycle import Lifetime
from services.runtime.logs import capture_logs
from services.runtime.settings import Durability
from tests.support.certificates import make_certificates
from tests.support.command import tocsin
from tests.support.servers import Broker, LoopThread, build_nodes, build_surroundings
from tests.support.waiting import SECONDS, eventually

pytestmark = pytest.mark.apache_only("they are about Apache Kafka itself")


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tocsin-kafka-"))
    yield folder
    shutil.rmtree(folder)


def build(home: Path, count: int = 1, *, security: ListenerSecurity | None = None) -> ApacheKafka:
    return build_apache(
        find_kafka(), build_nodes(home, count), around=build_surroundings(), security=security
    )


async def test_its_log_and_its_cluster_id_outlive_a_restart_and_a_kill(broker: Broker) -> None:
    before = broker.cluster_id
    settings = broker.settings(member="test-0")
    async with open_publisher(settings) as publisher:
        await publisher.publish([Record(RECEIPTS.name, b"case", b"kept")])
    await broker.restart()
    assert broker.cluster_id == before
    records = await read_topic_to_end(settings, RECEIPTS.name, partitions=RECEIPTS.partitions)
    assert [record.value for record in records] == [b"kept"]


def test_one_broker_says_disk_and_three_say_replicated(home: Path) -> None:
    assert build(home).durability is Durability.DISK
    assert build(home, 3).durability is Durability.REPLICATED


async def test_another_number_of_brokers_on_the_same_logs_is_refused(
    home: Path, server_loop: LoopThread
) -> None:
    one = build(home)
    await server_loop.finish(one.start())
    await server_loop.finish(one.stop())
    with pytest.raises(DataDirectoryError, match=r"made by 1 broker\(s\), and 3"):
        await server_loop.finish(build(home, 3).start())


async def test_its_topics_are_as_they_must_be(broker: Broker) -> None:
    await check_topics(broker.bootstrap, TOPICS, durability=Durability.DISK)


async def test_nobody_makes_a_topic_by_asking_for_it(broker: Broker) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await client.start()
    try:
        await client.describe_topics(["nobody-made-this"])
        assert "nobody-made-this" not in await client.list_topics()
    finally:
        await client.close()


async def spoil(broker: Broker, **settings: str) -> None:
    """Changes settings of the case events (`_` for `.`), as a well-meaning operator would."""
    changed = {name.replace("_", "."): value for name, value in settings.items()}
    await apply_topics(broker.bootstrap, [TopicSpec(CASE_EVENTS.name, CASE_EVENTS.partitions, changed)])


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("cleanup_policy", "compact", "cleanup.policy is compact and must be delete"),
        ("retention_ms", "604800000", "retention.ms is 604800000 and must be -1"),
        ("unclean_leader_election_enable", "true", "may become leader"),
    ],
)
async def test_a_service_refuses_topics_that_lose_what_was_accepted(
    broker: Broker, setting: str, value: str, said: str
) -> None:
    await spoil(broker, **{setting: value})
    with capture_logs({}) as lines, pytest.raises(DangerousTopicsError, match=said):
        await check_topics(broker.bootstrap, TOPICS, durability=Durability.DISK)
    assert [line["event"] for line in lines if line["level"] == "error"] == ["kafka.topic_refused"]
    # And what the operator is told to do mends it.
    await apply_topics(broker.bootstrap, build_specs(TOPICS, copies=1))
    await check_topics(broker.bootstrap, TOPICS, durability=Durability.DISK)


async def test_one_copy_is_refused_where_the_deployment_says_replicated(broker: Broker) -> None:
    with pytest.raises(DangerousTopicsError, match="1 copy of each partition"):
        await check_topics(broker.bootstrap, TOPICS, durability=Durability.REPLICATED)


async def test_a_plan_changes_nothing_and_settings_of_others_outlive_an_alteration(broker: Broker) -> None:
    await spoil(broker, retention_ms="1000", segment_bytes="2000000")
    specs = build_specs(TOPICS, copies=1)
    for _ in range(2):
        step = (await plan_cluster(broker.bootstrap, specs))[0]
        assert isinstance(step, Alter)
        assert step.changes == {"retention.ms": ("1000", "-1")}
    await apply_topics(broker.bootstrap, specs)
    again = [TopicSpec(TOPICS[0].name, TOPICS[0].partitions, {"segment.bytes": "2000000"})]
    assert not isinstance((await plan_cluster(broker.bootstrap, again))[0], Alter)


async def test_a_refused_topic_leaves_all_the_others_as_they_were(broker: Broker) -> None:
    await spoil(broker, retention_ms="1000")
    specs = build_specs(TOPICS, copies=1)
    wrong = [*specs[:-1], TopicSpec(specs[-1].name, 9, specs[-1].configs, replication_factor=1)]
    with pytest.raises(TopicsRefusedError, match="1 partitions and must have 9"):
        await apply_topics(broker.bootstrap, wrong)
    assert isinstance((await plan_cluster(broker.bootstrap, specs))[0], Alter)


async def test_an_idempotent_producer_stores_what_it_sends_once(broker: Broker) -> None:
    settings = broker.settings(member="test-0")
    assert settings.idempotence
    async with open_publisher(settings) as publisher:
        acks = await publisher.publish(
            [Record(RECEIPTS.name, b"case", str(number).encode()) for number in range(300)]
        )
    assert len({offset for _, offset in acks}) == 300
    records = await read_topic_to_end(settings, RECEIPTS.name, partitions=RECEIPTS.partitions)
    assert [record.value for record in records] == [str(number).encode() for number in range(300)]


USER, PASSWORD = "tocsin", "zanthorpe"


@pytest.fixture(scope="module")
def demanding_broker(server_loop: LoopThread) -> Iterator[KafkaAccess]:
    """The right way into a broker that wants TLS and a password."""
    home = Path(tempfile.mkdtemp(prefix="tocsin-kafka-"))
    certificates = make_certificates(home)
    way_in = KafkaSecurity(
        protocol=SecurityProtocol.SASL_SSL,
        ca_file=certificates.authority,
        username=USER,
        password=SecretStr(PASSWORD),
    )
    security = ListenerSecurity(
        protocol="SASL_SSL",
        properties={
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.chain),
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.client.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
        },
        scram={USER: PASSWORD},
        way_in=way_in,
    )
    kafka = build(home, security=security)
    server_loop.run(kafka.start())
    yield KafkaAccess(bootstrap=kafka.bootstrap, security=way_in)
    server_loop.run(kafka.stop())
    shutil.rmtree(home)


@pytest.fixture
async def demanding(demanding_broker: KafkaAccess) -> AsyncIterator[KafkaAccess]:
    """The same; a test's connections are closed before its loop is.

    aiokafka closes a connection and does not wait for it, and closing TLS takes some turns of the loop. That
    of a handshake that failed it does not close at all: the collector does.
    """
    yield demanding_broker
    port = int(demanding_broker.bootstrap.rpartition(":")[2])

    async def find_none_open() -> bool:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        return not any(
            connection.raddr and connection.raddr.port == port
            for connection in psutil.Process().net_connections("tcp")
        )

    await eventually(find_none_open, what="every connection to the broker closed")


@pytest.mark.parametrize(
    "changed",
    [
        {"password": SecretStr("guess")},
        {"mechanism": SaslMechanism.SCRAM_SHA_256},
        {"ca_file": None},
        {"protocol": SecurityProtocol.SSL},
        {"protocol": SecurityProtocol.PLAINTEXT, "ca_file": None},
    ],
    ids=["wrong password", "wrong mechanism", "untrusted certificate", "no password", "no encryption"],
)
async def test_a_broker_that_demands_lets_nobody_else_in(
    demanding: KafkaAccess, changed: dict[str, Any]
) -> None:
    access = KafkaAccess(bootstrap=demanding.bootstrap, security=replace(demanding.security, **changed))
    client = AIOKafkaAdminClient(**client_arguments(access), request_timeout_ms=5000)
    with pytest.raises(KafkaError):
        await client.start()
    await client.close()


async def test_every_client_of_ours_gets_in(demanding: KafkaAccess) -> None:
    settings = KafkaSettings(bootstrap=demanding.bootstrap, security=demanding.security, member="in-0")
    await check_topics(settings, TOPICS, durability=Durability.DISK)
    received: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def keep(records: Sequence[ReceivedRecord]) -> None:
        for record in records:
            received.put_nowait(record.value)

    broker = build_broker(settings)
    subscribe(broker, settings, keep, group="in", topics=[RECEIPTS], lifetime=Lifetime())
    async with (
        asyncio.timeout(SECONDS),
        open_consumers(broker),
        open_publisher(settings) as publisher,
        open_cluster_watch(settings) as watch,
    ):
        await publisher.publish([Record(RECEIPTS.name, b"case", b"value")])
        assert await received.get() == b"value"
        await watch.check()
    read = await read_topic_to_end(settings, RECEIPTS.name, partitions=RECEIPTS.partitions)
    assert [record.value for record in read] == [b"value"]
    assert await rewind_commits(settings, "in", RECEIPTS.name, not_beyond={0: 99}) == {}


async def test_a_service_with_these_variables_works_and_its_password_is_in_a_file(
    demanding: KafkaAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    variables = {
        "KAFKA": demanding.bootstrap,
        "KAFKA_SECURITY": "SASL_SSL",
        "KAFKA_SASL_USERNAME": USER,
        "KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "password"),
        "KAFKA_CA_FILE": str(demanding.security.ca_file),
        "PORT": "0",
        "DATABASE_URL": "postgresql://nobody@nowhere/nothing",
        "KEK_FILE": "kek.json",
        "DEPLOYMENT_KEY_FILE": "deployment.key",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"TOCSIN_{name}", value)
    settings = IntakeSettings.from_environment().kafka_settings
    await check_topics(settings, TOPICS, durability=Durability.DISK)
    done = await tocsin("topics", "plan", "--replication", "1", environment=given_to_tocsin(variables))
    assert (done.exit_code, done.output.count("as it must be")) == (0, len(TOPICS)), done.errors
    assert PASSWORD not in done.output + done.errors


def given_to_tocsin(variables: Mapping[str, str]) -> dict[str, str]:
    return {f"TOCSIN_{name}": value for name, value in variables.items() if name.startswith("KAFKA")}
