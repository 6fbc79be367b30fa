"""Ids that grow with time, and a clock that a test moves."""

import re
import time
from datetime import timedelta
from pathlib import Path
from uuid import RFC_4122

from services.runtime.clock import SystemClock, new_ordered_id
from services.runtime.shifted_clock import build_clock

SERVICES = Path(__file__).parents[3] / "services"
UNSHADOWED = re.compile(
    r"CURRENT_(TIMESTAMP|TIME|DATE)|LOCALTIME|pg_catalog\.(now|\w*timestamp)|transaction_timestamp|timeofday",
    re.IGNORECASE,
)


def test_an_ordered_id_is_a_uuid_of_version_7() -> None:
    made = new_ordered_id()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert abs(time.time() - (made.int >> 80) / 1000) < 60


def test_ordered_ids_differ_and_do_not_go_back_by_more_than_a_millisecond() -> None:
    made = [new_ordered_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    milliseconds = [each.int >> 80 for each in made]
    assert milliseconds == sorted(milliseconds)


def test_a_moved_clock_follows_its_file_and_measures_lengths_as_ever(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_text("3600")
    clock = build_clock(file)
    assert abs(clock.now() - SystemClock().now() - timedelta(hours=1)) < timedelta(seconds=30)
    assert clock.monotonic() <= time.monotonic()
    file.write_text("-60.5")
    assert abs(clock.now() - SystemClock().now() + timedelta(seconds=60.5)) < timedelta(seconds=30)


def test_every_instant_of_postgresql_is_asked_for_by_a_name_that_a_test_can_shadow() -> None:
    """What the grammar itself answers would stay where it is when a test moves the clock."""
    files = [*SERVICES.rglob("*.py"), *SERVICES.rglob("*.sql")]
    asking = {path.relative_to(SERVICES).as_posix() for path in files if UNSHADOWED.search(path.read_text())}
    assert asking == {"runtime/shifted_clock.py"}
