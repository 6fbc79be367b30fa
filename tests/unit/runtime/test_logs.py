"""Whatever is handed to the logger, only what the catalogue allows comes out."""

import logging
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime import logbook
from services.runtime.logbook import LogEntry, render_catalogue
from services.runtime.loghooks import REPEAT_SECONDS, LibraryHandler
from services.runtime.logline import (
    DroppedKeys,
    UncataloguedLineError,
    build_line,
    build_rules,
    render_json,
    withhold,
)
from services.runtime.logs import capture_logs, get_logger

NOON = datetime(2026, 3, 3, 12, 0, 0, 123_000, tzinfo=UTC)
CATALOGUE = {
    "delivery.attempted": LogEntry("info", "One try.", ("delivery_id", "outcome", "attempt", "rules")),
    "delivery.refused": LogEntry("warning", "A refusal.", ("status_code",)),
}
log = get_logger()


class FixedClock:
    def now(self) -> datetime:
        return NOON

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    with capture_logs(CATALOGUE, clock=FixedClock()) as captured:
        yield captured


def line_of(event: str, **keys: object) -> tuple[dict[str, Any], DroppedKeys]:
    """The line as production writes it, and what was dropped."""
    dropped = DroppedKeys()
    rules = build_rules(service="notify", catalogue=CATALOGUE)
    line = build_line(rules, {"event": event, **keys}, level="info", at=NOON, dropped=dropped)
    return orjson.loads(render_json(line)), dropped


def test_a_line_has_its_instant_level_event_and_service_first() -> None:
    line, _ = line_of("delivery.attempted", attempt=1)
    assert list(line.items())[:4] == [
        ("at", "2026-03-03T12:00:00.123Z"),
        ("level", "info"),
        ("event", "delivery.attempted"),
        ("service", "notify"),
    ]


def test_the_keys_of_the_entry_pass() -> None:
    delivery_id = UUID(int=7)
    line, dropped = line_of("delivery.attempted", delivery_id=delivery_id, outcome="ok", rules=["K-01"])
    assert (line["delivery_id"], line["outcome"], line["rules"]) == (str(delivery_id), "ok", ["K-01"])
    assert dropped.total == 0


def test_a_key_that_the_entry_does_not_list_is_dropped_and_counted() -> None:
    line, dropped = line_of("delivery.attempted", narrative="she said")
    assert "narrative" not in line
    assert line["dropped_key_count"] == 1
    assert dropped.by_event == {"delivery.attempted": 1}


def test_the_name_of_a_dropped_key_shows_only_if_some_entry_knows_it() -> None:
    line, _ = line_of("delivery.attempted", immigration="x", status_code=410)
    assert line["dropped_key_count"] == 2
    assert line["dropped_keys"] == ["status_code"]


def test_a_key_common_to_every_line_passes() -> None:
    line, _ = line_of("delivery.refused", correlation_id="a" * 32)
    assert line["correlation_id"] == "a" * 32


@pytest.mark.parametrize(
    "value",
    [
        {"name": "Maria"},
        b"raw",
        object(),
        "x" * 257,
        [["nested"]],
        [{"a": 1}],
        ["x"] * 65,
        1 << 70,
        ValueError("v"),
    ],
)
def test_a_value_that_is_no_short_scalar_is_dropped(value: object) -> None:
    line, _ = line_of("delivery.attempted", outcome=value)
    assert "outcome" not in line
    assert line["dropped_key_count"] == 1


values = st.text() | st.integers() | st.binary() | st.lists(st.text() | st.binary())


@given(keys=st.dictionaries(st.text(max_size=20), values))
def test_nothing_but_the_allowed_keys_ever_comes_out(keys: dict[str, object]) -> None:
    for taken in ("event", "exc_info"):
        keys.pop(taken, None)
    line, _ = line_of("delivery.attempted", **keys)
    allowed = {"at", "level", "event", "service", "dropped_key_count", "dropped_keys"}
    allowed |= {"delivery_id", "outcome", "attempt", "rules", *logbook.COMMON_KEYS}
    assert line.keys() <= allowed


def test_text_that_is_no_unicode_costs_the_line_its_keys_and_not_the_process() -> None:
    line, _ = line_of("delivery.attempted", outcome="\ud800")
    assert line["event"] == "delivery.attempted"
    assert line["dropped_key_count"] == 1


def test_an_error_is_told_by_type_and_place_and_never_by_message(lines: list[dict[str, Any]]) -> None:
    try:
        int("Maria, 15, found at 12 Oak Street")
    except ValueError as error:
        log.warning("delivery.refused", exc_info=error)
    assert lines[0]["error_type"] == "ValueError"
    assert lines[0]["error_at"].startswith("tests.unit.runtime.test_logs:test_an_error_is_told")
    assert "Maria" not in str(lines)


def test_exc_info_true_means_the_error_in_hand(lines: list[dict[str, Any]]) -> None:
    try:
        CATALOGUE["secret"]
    except KeyError:
        log.warning("delivery.refused", exc_info=True)
    assert lines[0]["error_type"] == "KeyError"


def test_a_line_that_no_catalogue_knows_only_says_where_it_came_from() -> None:
    keys: dict[str, object] = {"event": "got Maria", "name": "Maria", "correlation_id": "c1"}
    withhold(build_rules(service="notify", catalogue=CATALOGUE), keys, where="services.x:f:1")
    assert keys == {"event": "log.uncatalogued", "where": "services.x:f:1", "correlation_id": "c1"}


def test_in_a_test_an_uncatalogued_event_raises(lines: list[dict[str, Any]]) -> None:
    with pytest.raises(UncataloguedLineError, match="test_in_a_test_an_uncatalogued_event_raises"):
        log.info("nobody.knows")


def test_in_a_test_another_level_than_the_catalogue_s_raises(lines: list[dict[str, Any]]) -> None:
    with pytest.raises(UncataloguedLineError, match="catalogued as info"):
        log.error("delivery.attempted")


def test_in_a_test_a_key_that_would_be_dropped_raises(lines: list[dict[str, Any]]) -> None:
    with pytest.raises(UncataloguedLineError, match="narrative"):
        log.info("delivery.attempted", narrative="x")


def test_the_loggers_of_libraries_are_told_by_place_and_never_by_text() -> None:
    lines = library_lines(("aiokafka.conn", logging.ERROR, "value=%s", "Maria"))
    assert [(line["logger"], line["level"]) for line in lines] == [("aiokafka.conn", "error")]
    assert lines[0]["where"] == "place:1"
    assert "Maria" not in str(lines)


def test_a_library_that_repeats_itself_is_heard_again_after_a_while_with_the_count() -> None:
    quiet = [("aiokafka", logging.WARNING, "", "")] * 5
    lines = library_lines(*quiet, later=REPEAT_SECONDS + 1)
    assert [line["repeat_count"] for line in lines] == [0, 4]


def library_lines(*records: tuple[str, int, str, str], later: float | None = None) -> list[dict[str, Any]]:
    made = [
        logging.LogRecord(name, level, "place.py", 1, text, (arg,), None)
        for name, level, text, arg in records
    ]
    if later is not None:
        last = logging.LogRecord(records[-1][0], records[-1][1], "place.py", 1, "", (), None)
        last.created = made[-1].created + later
        made.append(last)
    with capture_logs({}) as lines:
        handler = LibraryHandler(log)
        for record in made:
            handler.emit(record)
    return lines


def run_process(body: str, *, style: str = "JSON") -> tuple[list[bytes], subprocess.CompletedProcess[bytes]]:
    """A process of its own, since hooks and standard error belong to a process."""
    setup = f"""
        from services.runtime.logs import configure, get_logger, LogFormat
        from services.runtime.logbook import LogEntry
        catalogue = {{"thing.done": LogEntry("info", "Done.", ("count",))}}
        configure(service="demo", catalogue=catalogue, format=LogFormat.{style})
        log = get_logger()
    """
    code = textwrap.dedent(setup) + textwrap.dedent(body)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    return done.stderr.splitlines(), done


def test_lines_go_to_standard_error_and_nothing_to_standard_output() -> None:
    raw, done = run_process("log.info('thing.done', count=3)")
    lines = [orjson.loads(line) for line in raw]
    assert [(line["event"], line["service"], line["count"]) for line in lines] == [("thing.done", "demo", 3)]
    assert done.stdout == b""


@pytest.mark.parametrize(
    ("body", "event", "error_type"),
    [
        ("raise ValueError('Maria')", "service.failed", "ValueError"),
        (
            "import threading\nthreading.Thread(target={}.__getitem__, args=('Maria',)).start()",
            "task.failed",
            "KeyError",
        ),
        (
            "class A:\n  def __del__(self):\n    raise OSError('Maria')\nA()",
            "task.failed",
            "OSError",
        ),
        ("import warnings\nwarnings.warn('Maria')", "library.logged", None),
        ("import logging\nlogging.getLogger('x').error('Maria')", "library.logged", None),
        ("log.info('found Maria', name='Maria')", "log.uncatalogued", None),
    ],
)
def test_whatever_would_print_a_text_by_itself_is_led_through_the_pipeline(
    body: str, event: str, error_type: str | None
) -> None:
    raw, done = run_process(body)
    lines = [orjson.loads(line) for line in raw]
    assert [(line["event"], line.get("error_type")) for line in lines] == [(event, error_type)]
    assert b"Maria" not in done.stderr


def test_a_reader_that_went_away_does_not_stop_the_process() -> None:
    _, done = run_process("import os, sys\nos.close(2)\nlog.info('thing.done', count=1)\nprint('alive')")
    assert done.stdout == b"alive\n"


def test_pretty_lines_hold_the_same_facts() -> None:
    _, done = run_process("log.info('thing.done', count=3, hidden='Maria')", style="PRETTY")
    assert b"thing.done" in done.stderr
    assert b"count" in done.stderr
    assert b"Maria" not in done.stderr


def test_the_catalogue_becomes_a_page_with_a_row_for_each_event() -> None:
    page = render_catalogue({"notify": CATALOGUE})
    assert "## notify" in page
    assert "| `delivery.refused` | warning | A refusal. | `status_code` |" in page
    assert page.index("delivery.attempted") < page.index("delivery.refused")


def test_every_event_of_the_runtime_is_a_noun_and_a_participle_with_known_level() -> None:
    for event, entry in logbook.CATALOGUE.items():
        assert event.count(".") == 1, event
        assert entry.meaning.endswith("."), event
