"""What becomes of a batch, as far as it can be said without a broker."""

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError, NotLeaderForPartitionError
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.crypto import SealError
from services.runtime.database import DatabaseUnavailableError, is_transient
from services.runtime.kafka import (
    KafkaSettings,
    Membership,
    Pace,
    PublishError,
    ReceivedRecord,
    Record,
    TopicSpec,
    is_passing_trouble,
    latest_by_key,
    next_pause,
    subscriber_options,
    topic_arguments,
)

EVENTS = TopicSpec("events", 3)


@pytest.mark.parametrize(
    "error",
    [
        PublishError(),
        KafkaConnectionError(),
        NotLeaderForPartitionError(),
        ConnectionResetError(),
        TimeoutError(),
        DatabaseUnavailableError(),
        asyncpg.CannotConnectNowError(),
        asyncpg.SerializationError(),
        asyncpg.DeadlockDetectedError(),
        asyncpg.TooManyConnectionsError(),
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.InterfaceError("cannot perform operation: connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress"),
    ],
)
def test_trouble_that_passes_is_worth_another_reading(error: Exception) -> None:
    assert is_passing_trouble(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        KeyError(),
        SealError(),
        asyncpg.UniqueViolationError(),
        asyncpg.UndefinedTableError(),
        asyncpg.InsufficientPrivilegeError(),
        asyncpg.DataError("invalid input for query argument $1: 'connection is closed' (a value)"),
        asyncpg.InterfaceError("the server expects 1 argument for this query, 2 were passed"),
    ],
)
def test_a_fault_of_ours_is_not(error: Exception) -> None:
    assert not is_passing_trouble(error)
    assert not is_transient(error)


@given(st.integers(1, 10_000))
def test_pauses_grow_and_never_exceed_a_second(attempt: int) -> None:
    assert 0 < next_pause(attempt) <= next_pause(attempt + 1) <= 1.0


def test_a_sole_member_takes_every_partition_by_hand_and_still_commits_for_its_group() -> None:
    settings = KafkaSettings(bootstrap="h:1", membership=Membership.SOLE)
    options = subscriber_options(settings, group="routing", topics=[EVENTS])
    assert [(place.topic, place.partition) for place in options["partitions"]] == [
        ("events", 0),
        ("events", 1),
        ("events", 2),
    ]
    assert options["group_id"] == "routing"
    assert topic_arguments(settings, group="routing", topics=[EVENTS]) == []


def test_a_static_member_joins_its_group_by_name_with_a_short_session() -> None:
    settings = KafkaSettings(bootstrap="h:1", member="routing-1")
    options = subscriber_options(settings, group="routing", topics=[EVENTS])
    assert (options["group_id"], options["group_instance_id"]) == ("routing", "routing-1")
    assert options["session_timeout_ms"] == 6000
    assert options["heartbeat_interval_ms"] * 3 <= options["session_timeout_ms"]
    assert [topic.name for topic in topic_arguments(settings, group="routing", topics=[EVENTS])] == ["events"]


@pytest.mark.parametrize("membership", Membership)
def test_without_a_group_every_partition_is_read(membership: Membership) -> None:
    settings = KafkaSettings(bootstrap="h:1", membership=membership)
    options = subscriber_options(settings, group=None, topics=[EVENTS])
    assert len(options["partitions"]) == 3
    assert "group_instance_id" not in options


@pytest.mark.parametrize("membership", Membership)
@pytest.mark.parametrize("pace", Pace)
def test_every_subscriber_starts_at_the_earliest_and_acks_by_itself(
    membership: Membership, pace: Pace
) -> None:
    settings = KafkaSettings(bootstrap="h:1", membership=membership)
    options = subscriber_options(settings, group="g", topics=[EVENTS], pace=pace)
    assert options["auto_offset_reset"] == "earliest"
    assert options["ack_policy"].value == "manual"


def test_the_latest_record_of_a_key_counts_and_a_null_ends_it() -> None:
    def record(offset: int, key: bytes | None, value: bytes | None) -> ReceivedRecord:
        return ReceivedRecord("t", 0, offset, key, value)

    records = [record(0, b"a", b"1"), record(1, b"b", b"1"), record(2, b"a", b"2"), record(3, b"b", None)]
    assert latest_by_key([*records, record(4, None, b"x")]) == {b"a": records[2]}


def test_a_record_does_not_print_its_value() -> None:
    assert "Maria" not in repr(Record("t", b"k", b"Maria"))
