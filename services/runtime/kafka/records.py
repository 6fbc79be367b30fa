"""Records as they go out and come in, and what a topic must be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from aiokafka import ConsumerRecord

Headers: TypeAlias = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Record:
    """A record to publish. Headers hold ids and kinds only: they are not sealed."""

    topic: str
    key: bytes
    value: bytes = field(repr=False)
    headers: Headers = ()


class ReceivedRecord(NamedTuple):
    """A record as a consumer got it: raw bytes, to be parsed by whoever handles it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class TopicLike(Protocol):
    """The name of a topic and how many partitions it has."""

    @property
    def name(self) -> str: ...
    @property
    def partitions(self) -> int: ...


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it must be: created if missing, checked if there."""

    name: str
    partitions: int
    configs: Mapping[str, str] = field(default_factory=dict)
    replication_factor: int = -1
    """-1: as the cluster is configured."""


class PublishError(Exception):
    """Not every record was acknowledged; some may be stored. Transient: publish the same records again."""


def receive(record: "ConsumerRecord[Any, Any]") -> ReceivedRecord:
    return ReceivedRecord(
        record.topic, record.partition, record.offset, record.key, record.value, record.headers
    )


def latest_by_key(records: Sequence[ReceivedRecord]) -> dict[bytes, ReceivedRecord]:
    """What compaction would leave: the last record of each key, without those whose value is null."""
    latest = {record.key: record for record in records if record.key is not None}
    return {key: record for key, record in latest.items() if record.value is not None}
