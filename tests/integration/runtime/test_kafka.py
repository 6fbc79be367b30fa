"""Consuming and publishing against the embedded broker."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from schemas.topics import RECEIPTS
from services.devstack import logbook as devstack_logbook
from services.runtime.health import NotReadyError
from services.runtime.kafka import (
    KafkaSettings,
    Membership,
    PartitionsReady,
    Publisher,
    PublishError,
    ReceivedRecord,
    Record,
    RecordTooLargeError,
    TopicLike,
    TopicMismatchError,
    TopicSpec,
    build_broker,
    committed_offsets,
    ensure_topics,
    is_passing_trouble,
    open_admin,
    open_consumers,
    open_producer,
    open_publisher,
    read_topic_to_end,
    rewind_commits,
    subscribe,
)
from services.runtime.lifecycle import ExitCode, Lifetime
from services.runtime.logs import capture_logs
from tests.support.servers import Broker
from tests.support.waiting import SECONDS


class Inbox:
    """A batch handler that keeps what it got and fails as it is told."""

    def __init__(self, *trouble: Exception) -> None:
        self.records: list[ReceivedRecord] = []
        self.trouble = list(trouble)
        self._grown = asyncio.Condition()

    async def handle(self, records: Sequence[ReceivedRecord]) -> None:
        if self.trouble:
            raise self.trouble.pop(0)
        self.records += records
        async with self._grown:
            self._grown.notify_all()

    async def wait_for(self, count: int) -> list[ReceivedRecord]:
        async with asyncio.timeout(SECONDS), self._grown:
            await self._grown.wait_for(lambda: len(self.records) >= count)
        return self.records


@pytest.fixture
async def topic(settings: KafkaSettings) -> TopicSpec:
    spec = TopicSpec(f"topic-{uuid4().hex}", 3, {"cleanup.policy": "delete"})
    await ensure_topics(settings.bootstrap, [spec])
    return spec


@pytest.fixture
async def publisher(settings: KafkaSettings) -> AsyncIterator[Publisher]:
    async with open_publisher(settings) as opened:
        yield opened


@asynccontextmanager
async def consuming(
    settings: KafkaSettings,
    topic: TopicLike,
    inbox: Inbox,
    *,
    group: str | None,
    lifetime: Lifetime | None = None,
) -> AsyncIterator[PartitionsReady]:
    broker = build_broker(settings)
    ready = subscribe(
        broker, settings, inbox.handle, group=group, topics=[topic], lifetime=lifetime or Lifetime()
    )
    async with open_consumers(broker):
        yield ready


async def committed_total(settings: KafkaSettings, topic: TopicSpec, group: str) -> int:
    offsets = await committed_offsets(settings.bootstrap, group, topic.name, range(topic.partitions))
    return sum(offsets.values())


async def wait_until_committed(settings: KafkaSettings, topic: TopicSpec, group: str, count: int) -> None:
    async with asyncio.timeout(SECONDS):
        while await committed_total(settings, topic, group) < count:  # noqa: ASYNC110 -- a broker tells nobody
            await asyncio.sleep(0.02)


def records_for(topic: TopicLike, count: int, *, start: int = 0) -> list[Record]:
    return [
        Record(topic.name, f"case-{n % 7}".encode(), str(n).encode()) for n in range(start, start + count)
    ]


def values_by_key(records: Sequence[ReceivedRecord]) -> dict[bytes, list[int]]:
    by_key: dict[bytes, list[int]] = {}
    for record in records:
        by_key.setdefault(record.key or b"", []).append(int(record.value or b""))
    return by_key


async def test_what_is_published_is_received_in_the_order_of_each_key(
    settings: KafkaSettings, topic: TopicSpec, publisher: Publisher
) -> None:
    inbox = Inbox()
    async with consuming(settings, topic, inbox, group="order"):
        acks = await publisher.publish(records_for(topic, 500))
        received = await inbox.wait_for(500)
    assert len(acks) == 500
    assert {(record.partition, record.offset) for record in received} == set(acks)
    assert all(values == sorted(values) for values in values_by_key(received).values())


async def test_what_is_larger_than_a_batch_is_published_in_order(
    settings: KafkaSettings, topic: TopicSpec, publisher: Publisher
) -> None:
    records = [
        Record(topic.name, f"case-{n % 7}".encode(), f"{n:04}".encode() + bytes(60_000)) for n in range(40)
    ]
    acks = await publisher.publish(records)
    read = await read_topic_to_end(settings.bootstrap, topic.name, partitions=topic.partitions)
    values = {(record.partition, record.offset): record.value for record in read}
    assert [values[ack] for ack in acks] == [record.value for record in records]
    order_by_partition = [sorted(offset for part, offset in acks if part == number) for number in range(3)]
    assert order_by_partition == [[o for part, o in acks if part == number] for number in range(3)]


async def test_a_key_has_its_partition_whoever_publishes_it(
    settings: KafkaSettings, topic: TopicSpec
) -> None:
    async with open_publisher(replace(settings, membership=Membership.STATIC)) as spreading:
        acks = await spreading.publish(records_for(topic, 7))
    async with open_producer(settings) as producer:
        theirs = [
            (await producer.send_and_wait(topic.name, value=record.value, key=record.key)).partition
            for record in records_for(topic, 7)
        ]
    assert [partition for partition, _ in acks] == theirs
    assert len(set(theirs)) > 1


async def test_who_takes_every_partition_fills_one(settings: KafkaSettings, topic: TopicSpec) -> None:
    async with open_publisher(replace(settings, membership=Membership.SOLE)) as gathering:
        acks = await gathering.publish(records_for(topic, 7))
    assert {partition for partition, _ in acks} == {0}


async def test_publishing_nothing_is_nothing(publisher: Publisher) -> None:
    assert await publisher.publish([]) == []


async def test_a_record_that_is_too_large_is_a_fault_and_no_passing_trouble(
    topic: TopicSpec, publisher: Publisher
) -> None:
    with pytest.raises(RecordTooLargeError) as caught:
        await publisher.publish([*records_for(topic, 3), Record(topic.name, b"k", bytes(2_000_000))])
    assert not is_passing_trouble(caught.value)
    assert len(await publisher.publish(records_for(topic, 3))) == 3


async def test_headers_arrive_as_bytes_also_when_they_are_no_text(
    settings: KafkaSettings, topic: TopicSpec, publisher: Publisher
) -> None:
    inbox = Inbox()
    async with consuming(settings, topic, inbox, group="headers"):
        await publisher.publish([Record(topic.name, b"k", b"v", [("kind", b"\xff\xfe"), ("n", b"")])])
        (record,) = await inbox.wait_for(1)
    assert tuple(record.headers) == (("kind", b"\xff\xfe"), ("n", b""))


async def test_a_consumer_that_comes_back_goes_on_after_what_it_committed(
    settings: KafkaSettings, topic: TopicSpec, publisher: Publisher
) -> None:
    first, second = Inbox(), Inbox()
    async with consuming(settings, topic, first, group="resume"):
        await publisher.publish(records_for(topic, 20))
        await first.wait_for(20)
        await wait_until_committed(settings, topic, "resume", 20)
    await publisher.publish(records_for(topic, 5, start=100))
    async with consuming(settings, topic, second, group="resume"):
        received = await second.wait_for(5)
    assert sorted(int(record.value or b"") for record in received) == list(range(100, 105))


async def test_a_group_of_its_own_reads_everything_and_without_a_group_nothing_is_committed(
    settings: KafkaSettings, topic: TopicSpec, publisher: Publisher
) -> None:
    await publisher.publish(records_for(topic, 10))
    for group in ("one", "two", None, None):
        inbox = Inbox()
        async with consuming(settings, topic, inbox, group=group):
            assert len(await inbox.wait_for(10)) == 10


async def test_commits_beyond_what_was_done_are_set_back_and_the_records_read_again(
    settings: KafkaSettings, topic: TopicSpec, publisher: Publisher
) -> None:
    inbox, again = Inbox(), Inbox()
    async with consuming(settings, topic, inbox, group="rewind"):
        await publisher.publish(records_for(topic, 30))
        received = await inbox.wait_for(30)
        await wait_until_committed(settings, topic, "rewind", 30)
    done = dict.fromkeys(range(topic.partitions), 2)
    with capture_logs({}) as lines:
        moved = await rewind_commits(settings.bootstrap, "rewind", topic.name, not_beyond=done)
    assert moved == dict.fromkeys({record.partition for record in received}, 2)
    # A member that has just left keeps a real group from being set back until its session ends.
    assert [line["event"] for line in lines if line["event"] != "kafka.unavailable"] == ["consumer.rewound"]
    missing = {(record.partition, record.offset) for record in received if record.offset >= 2}
    async with consuming(settings, topic, again, group="rewind"):
        await again.wait_for(len(missing))
    assert {(record.partition, record.offset) for record in again.records} == missing


async def test_commits_that_lag_behind_what_was_done_stay(
    settings: KafkaSettings, topic: TopicSpec, publisher: Publisher
) -> None:
    inbox = Inbox()
    async with consuming(settings, topic, inbox, group="lag"):
        await publisher.publish(records_for(topic, 30))
        await inbox.wait_for(30)
        await wait_until_committed(settings, topic, "lag", 30)
    before = await committed_offsets(settings.bootstrap, "lag", topic.name, range(topic.partitions))
    far = dict.fromkeys(range(topic.partitions), 1000)
    assert await rewind_commits(settings.bootstrap, "lag", topic.name, not_beyond=far) == {}
    after = await committed_offsets(settings.bootstrap, "lag", topic.name, range(topic.partitions))
    assert before == after


async def test_passing_trouble_has_the_whole_batch_read_again_and_nothing_lost(
    settings: KafkaSettings, topic: TopicSpec, publisher: Publisher
) -> None:
    inbox = Inbox(PublishError(), ConnectionResetError(), PublishError())
    await publisher.publish(records_for(topic, 50))
    with capture_logs({}) as lines:
        async with consuming(settings, topic, inbox, group="again"):
            await publisher.publish(records_for(topic, 50, start=50))
            received = await inbox.wait_for(100)
            await wait_until_committed(settings, topic, "again", 100)
    values = values_by_key(received)
    assert sorted(value for one in values.values() for value in one) == list(range(100))
    assert all(one == sorted(one) for one in values.values())
    postponed = [line for line in lines if line["event"] == "batch.postponed"]
    assert [line["attempt"] for line in postponed] == [1, 2, 3]
    assert [line["error_type"] for line in postponed][1] == "ConnectionResetError"


async def test_nothing_is_committed_while_a_batch_meets_trouble(
    settings: KafkaSettings, topic: TopicSpec, publisher: Publisher
) -> None:
    inbox = Inbox(*[PublishError()] * 1000)
    async with consuming(settings, topic, inbox, group="stuck"):
        await publisher.publish(records_for(topic, 10))
        async with asyncio.timeout(SECONDS):
            while len(inbox.trouble) > 997:  # noqa: ASYNC110 -- three batches refused is the fact
                await asyncio.sleep(0.02)
        assert await committed_total(settings, topic, "stuck") == 0
        inbox.trouble.clear()
        await inbox.wait_for(10)


async def test_a_batch_that_cannot_be_committed_is_logged_and_the_process_goes_on(
    broker: Broker, settings: KafkaSettings, publisher: Publisher
) -> None:
    class StoppingInbox(Inbox):
        async def handle(self, records: Sequence[ReceivedRecord]) -> None:
            await broker.stop()
            await super().handle(records)

    lifetime, inbox = Lifetime(), StoppingInbox()
    with capture_logs(devstack_logbook.CATALOGUE) as lines:
        async with consuming(settings, RECEIPTS, inbox, group="uncommitted", lifetime=lifetime):
            await publisher.publish(records_for(RECEIPTS, 1))
            await inbox.wait_for(1)
    assert "batch.not_committed" in [line["event"] for line in lines]
    assert not lifetime.is_stopping


async def test_a_fault_stops_the_consumer_and_the_process_with_nothing_committed(
    settings: KafkaSettings, topic: TopicSpec, publisher: Publisher
) -> None:
    lifetime, inbox = Lifetime(), Inbox(ZeroDivisionError("a value"))
    await publisher.publish(records_for(topic, 10))
    with capture_logs({}) as lines:
        async with consuming(settings, topic, inbox, group="fault", lifetime=lifetime):
            async with asyncio.timeout(SECONDS):
                await lifetime.wait()
            await publisher.publish(records_for(topic, 10))
    assert lifetime.exit_code is ExitCode.FAULT
    assert inbox.records == []
    assert await committed_total(settings, topic, "fault") == 0
    events = [line["event"] for line in lines if line["event"] != "consumer.partitions_assigned"]
    assert events == ["batch.failed", "service.failed", "service.stopping"]
    assert "a value" not in str(lines)


async def test_stopping_finishes_the_batch_in_hand(
    settings: KafkaSettings, topic: TopicSpec, publisher: Publisher
) -> None:
    begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class SlowInbox(Inbox):
        async def handle(self, records: Sequence[ReceivedRecord]) -> None:
            begun.set()
            await go_on.wait()
            done.set()

    async with asyncio.timeout(SECONDS):
        async with consuming(settings, topic, SlowInbox(), group="drain"):
            await publisher.publish(records_for(topic, 1))
            await begun.wait()
            asyncio.get_running_loop().call_later(0.2, go_on.set)
    assert done.is_set()
    assert await committed_total(settings, topic, "drain") == 1


async def test_ready_means_that_every_partition_has_a_position(
    settings: KafkaSettings, topic: TopicSpec
) -> None:
    broker = build_broker(settings)
    ready = subscribe(broker, settings, Inbox().handle, group="r", topics=[topic], lifetime=Lifetime())
    with pytest.raises(NotReadyError):
        await ready.check()
    async with open_consumers(broker):
        await ready.check()
        assert ready.describe() == {"group": "r", "partitions": [f"{topic.name}/{n}" for n in range(3)]}


async def test_a_static_member_joins_consumes_and_commits(
    broker: Broker, settings: KafkaSettings, topic: TopicSpec, publisher: Publisher
) -> None:
    static = KafkaSettings(
        bootstrap=broker.bootstrap, membership=Membership.STATIC, idempotence=False, member="one-0"
    )
    inbox = Inbox()
    await publisher.publish(records_for(topic, 10))
    consumers = build_broker(static)
    ready = subscribe(consumers, static, inbox.handle, group="static", topics=[topic], lifetime=Lifetime())
    starting = asyncio.create_task(consumers.start())
    async with asyncio.timeout(SECONDS):
        while await reason_not_ready(ready) != "no partitions yet":  # noqa: ASYNC110 -- what is asked is the fact
            await asyncio.sleep(0.01)
    await starting
    await ready.check()
    await inbox.wait_for(10)
    await wait_until_committed(settings, topic, "static", 10)
    await consumers.stop()


async def reason_not_ready(ready: PartitionsReady) -> str:
    try:
        await ready.check()
    except NotReadyError as error:
        return str(error)
    return ""


async def test_making_topics_again_changes_nothing(settings: KafkaSettings, topic: TopicSpec) -> None:
    await ensure_topics(settings.bootstrap, [topic, topic])
    async with open_admin(settings.bootstrap) as admin:
        await asyncio.gather(*(admin.ensure_topics([TopicSpec(f"{topic.name}-b", 2)]) for _ in range(3)))


async def test_a_topic_with_another_number_of_partitions_is_refused(
    settings: KafkaSettings, topic: TopicSpec
) -> None:
    with pytest.raises(TopicMismatchError, match="has 3 partitions, not 4"):
        await ensure_topics(settings.bootstrap, [TopicSpec(topic.name, 4)])


async def test_what_a_group_never_committed_is_absent(settings: KafkaSettings, topic: TopicSpec) -> None:
    assert await committed_offsets(settings.bootstrap, "nobody", topic.name, range(3)) == {}


@pytest.mark.parametrize("size", [0, 1, 250])
async def test_a_topic_is_read_to_its_very_end(
    settings: KafkaSettings, topic: TopicSpec, publisher: Publisher, size: int
) -> None:
    for start in (0, size):
        await publisher.publish(records_for(topic, size, start=start))
    read = await read_topic_to_end(settings.bootstrap, topic.name, partitions=topic.partitions)
    assert sorted(int(record.value or b"") for record in read) == list(range(size * 2))


async def test_without_a_broker_publishing_fails_in_time_and_works_again_when_it_is_back(
    broker: Broker, settings: KafkaSettings
) -> None:
    async with open_publisher(settings, ack_seconds=0.5) as publisher:
        await publish_when_back(publisher, RECEIPTS)
        await broker.stop()
        with pytest.raises(PublishError):
            await publisher.publish(records_for(RECEIPTS, 3))
        await broker.start()
        assert len(await publish_when_back(publisher, RECEIPTS)) == 1


async def publish_when_back(publisher: Publisher, topic: TopicLike) -> list[Any]:
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                return await publisher.publish(records_for(topic, 1))
            except PublishError:
                await asyncio.sleep(0.05)


async def test_a_client_waits_for_a_broker_that_comes_later(broker: Broker) -> None:
    await broker.stop()
    with capture_logs(devstack_logbook.CATALOGUE) as lines:
        opening = asyncio.create_task(get_cluster_id(broker))
        while not lines:  # noqa: ASYNC110 -- the line is the fact waited for
            await asyncio.sleep(0.01)
        await broker.start()
        assert await opening == broker.cluster_id
    events = [line["event"] for line in lines if line["event"].startswith("kafka.")]
    assert events == ["kafka.unavailable", "kafka.available"]


async def get_cluster_id(broker: Broker) -> str:
    async with open_admin(broker.bootstrap) as admin:
        return await admin.get_cluster_id()
