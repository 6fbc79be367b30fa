"""Where a batch stands against the positions of its partitions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.routing.repository.batch import BatchRepository
from services.runtime.kafka import ReceivedRecord
from services.runtime.logs import get_logger

log = get_logger()


class GapError(Exception):
    """The log goes on above our position: records are missing, and deciding without them is not safe."""

    def __init__(self, *, topic: str, partition: int, expected: int, found: int) -> None:
        super().__init__(f"{topic}/{partition}: expected offset {expected}, found {found}")
        self.topic = topic
        self.partition = partition
        self.expected = expected
        self.found = found


@dataclass(frozen=True, slots=True)
class Placed:
    """`behind` was handled before; `due` is to be handled now. Both in the order of the log."""

    behind: tuple[ReceivedRecord, ...]
    due: tuple[ReceivedRecord, ...]


def place_records(records: Iterable[ReceivedRecord], positions: Mapping[int, int]) -> Placed:
    """Sort a batch by the next offset of each partition. Raises GapError."""
    expected = dict(positions)
    behind, due = [], []
    for record in records:
        offset = expected[record.partition]
        if record.offset < offset:
            behind.append(record)
        elif record.offset == offset:
            due.append(record)
            expected[record.partition] = offset + 1
        else:
            raise GapError(
                topic=record.topic, partition=record.partition, expected=offset, found=record.offset
            )
    return Placed(tuple(behind), tuple(due))


async def place_batch(
    repository: BatchRepository, records: Sequence[ReceivedRecord], *, cluster_id: str, topic: str
) -> Placed:
    """Lock the positions of the batch's partitions and sort it by them. Raises GapError, after an alarm."""
    positions = await repository.lock_positions(
        cluster_id=cluster_id, topic=topic, partitions={record.partition for record in records}
    )
    try:
        return place_records(records, positions)
    except GapError as gap:
        log.error(
            "consumer.gap_found",
            topic=gap.topic,
            partition=gap.partition,
            offset=gap.found,
            expected_offset=gap.expected,
        )
        raise


def next_offsets(handled: Iterable[ReceivedRecord]) -> dict[int, int]:
    """The position after these records, by partition."""
    return {record.partition: record.offset + 1 for record in handled}
