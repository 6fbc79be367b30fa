"""Ids that grow with time."""

import time
from uuid import RFC_4122

from services.runtime.clock import new_ordered_id


def test_an_ordered_id_is_a_uuid_of_version_7() -> None:
    made = new_ordered_id()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert abs(time.time() - (made.int >> 80) / 1000) < 60


def test_ordered_ids_differ_and_do_not_go_back_by_more_than_a_millisecond() -> None:
    made = [new_ordered_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    milliseconds = [each.int >> 80 for each in made]
    assert milliseconds == sorted(milliseconds)
