"""A batch against the positions of its partitions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.routing.handlers.positions import GapError, next_offsets, place_records
from services.runtime.kafka import ReceivedRecord


def records(partition: int, first: int, count: int) -> list[ReceivedRecord]:
    return [ReceivedRecord("topic", partition, offset, None, b"") for offset in range(first, first + count)]


@given(position=st.integers(0, 20), first=st.integers(0, 20), count=st.integers(1, 20))
def test_what_is_below_the_position_was_handled_and_what_is_at_it_is_due(
    position: int, first: int, count: int
) -> None:
    if first > position:
        with pytest.raises(GapError):
            place_records(records(0, first, count), {0: position})
        return

    placed = place_records(records(0, first, count), {0: position})

    assert [record.offset for record in placed.behind] == list(range(first, min(position, first + count)))
    assert [record.offset for record in placed.due] == list(range(max(position, first), first + count))[
        : max(0, first + count - position)
    ]


def test_each_partition_has_a_position_of_its_own() -> None:
    placed = place_records([*records(0, 3, 2), *records(1, 0, 2)], {0: 4, 1: 0})

    assert [(record.partition, record.offset) for record in placed.behind] == [(0, 3)]
    assert [(record.partition, record.offset) for record in placed.due] == [(0, 4), (1, 0), (1, 1)]


def test_a_hole_inside_a_batch_is_a_gap_and_says_where() -> None:
    with pytest.raises(GapError) as raised:
        place_records([*records(0, 0, 2), *records(0, 3, 1)], {0: 0})

    assert (raised.value.partition, raised.value.expected, raised.value.found) == (0, 2, 3)


def test_the_next_offset_is_behind_the_last_record_of_each_partition() -> None:
    assert next_offsets([*records(0, 0, 3), *records(2, 7, 1)]) == {0: 3, 2: 8}
    assert next_offsets([]) == {}
