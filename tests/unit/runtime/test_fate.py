"""What a batch leaves behind once it is settled. That it is settled rightly is tested on a broker."""

from collections.abc import Sequence
from typing import Any, cast

from aiokafka import ConsumerRecord, TopicPartition
from faststream.kafka.message import ConsumerProtocol, KafkaAckableMessage

from services.runtime.database import DatabaseUnavailableError
from services.runtime.kafka import ReceivedRecord
from services.runtime.kafka.fate import BatchFate
from services.runtime.lifecycle import Lifetime
from services.runtime.logs import capture_logs


class Consumer:
    """Counts commits, and remembers where it was sent back to."""

    def __init__(self) -> None:
        self.commit_count = 0
        self.offsets: list[int] = []
        self.assigned = {TopicPartition("t", 0), TopicPartition("t", 1)}
        self.paused: set[TopicPartition] = set()

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        assert self.assigned.issuperset(partitions)
        self.paused -= set(partitions)

    async def commit(self, *_: object) -> None:
        self.commit_count += 1

    def seek(self, *, partition: object, offset: int) -> None:
        self.offsets.append(offset)


def build_message(consumer: Consumer) -> KafkaAckableMessage:
    record: ConsumerRecord[Any, Any] = ConsumerRecord("t", 0, 7, 0, 0, b"k", b"v", None, 1, 1, ())
    return KafkaAckableMessage(
        raw_message=(record,), body=b"", correlation_id="-", consumer=cast("ConsumerProtocol", consumer)
    )


async def test_the_records_of_a_handled_batch_are_let_go_of_at_once() -> None:
    consumer, seen = Consumer(), list[int]()

    async def handle(records: Sequence[ReceivedRecord]) -> None:
        seen.extend(record.offset for record in records)

    message = build_message(consumer)
    await BatchFate(handle, find_consumer=lambda: consumer, group="g", lifetime=Lifetime()).consume(message)

    assert (seen, consumer.commit_count, message.raw_message) == ([7], 1, ())


async def test_a_batch_that_is_read_again_starts_at_its_first_record() -> None:
    consumer = Consumer()

    async def handle(_: Sequence[ReceivedRecord]) -> None:
        raise DatabaseUnavailableError

    with capture_logs({}) as lines:
        await BatchFate(handle, find_consumer=lambda: consumer, group="g", lifetime=Lifetime()).consume(
            build_message(consumer)
        )

    assert (consumer.commit_count, consumer.offsets) == (0, [7])
    assert [line["event"] for line in lines] == ["batch.postponed"]


async def test_nothing_is_fetched_while_a_batch_is_handled_and_a_lost_partition_is_left_alone() -> None:
    consumer, during = Consumer(), set[TopicPartition]()

    async def handle(_: Sequence[ReceivedRecord]) -> None:
        during.update(consumer.paused)
        consumer.assigned = {TopicPartition("t", 1)}

    await BatchFate(handle, find_consumer=lambda: consumer, group="g", lifetime=Lifetime()).consume(
        build_message(consumer)
    )

    assert during == {TopicPartition("t", 0), TopicPartition("t", 1)}
    assert consumer.paused == {TopicPartition("t", 0)}


async def test_fetching_goes_on_after_a_batch_that_is_read_again() -> None:
    consumer = Consumer()

    async def handle(_: Sequence[ReceivedRecord]) -> None:
        raise DatabaseUnavailableError

    with capture_logs({}):
        await BatchFate(handle, find_consumer=lambda: consumer, group="g", lifetime=Lifetime()).consume(
            build_message(consumer)
        )

    assert consumer.paused == set()
