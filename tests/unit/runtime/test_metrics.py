"""What `/metrics` tells: the numbers of the log lines, and never a value of a case."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.intake import logbook as intake_logbook
from services.notify import logbook as notify_logbook
from services.routing import logbook as routing_logbook
from services.runtime import logbook as runtime_logbook
from services.runtime.logbook import Catalogue, LogEntry
from services.runtime.logs import capture_logs, find_tally, get_logger
from services.runtime.metrics import render
from services.runtime.tally import LABELS, MOST_SERIES, Gauges, LineTally, find_how_to_add

CATALOGUE: Catalogue = MappingProxyType(
    {
        "delivery.attempted": LogEntry(
            "info", "One try.", ("channel", "outcome", "duration_ms"), ("outcome",)
        ),
        "batch.decided": LogEntry("info", "A batch.", ("alert_count", "duration_ms", "partitions")),
        "quiet.line": LogEntry("debug", "Not written as things stand."),
    }
)
HOW = find_how_to_add(CATALOGUE)
NOTHING = Gauges({}, {})

Sample = tuple[str, frozenset[tuple[str, str]]]


def read(tally: LineTally, *, gauges: Gauges = NOTHING, dropped_keys: int = 0) -> dict[Sample, float]:
    """What Prometheus reads, without labels that are empty."""
    text = render(tally, HOW, dropped_keys=dropped_keys, gauges=gauges).decode()
    return {
        (
            sample.name,
            frozenset((name, value) for name, value in sample.labels.items() if value),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def sample(name: str, **labels: str) -> Sample:
    return name, frozenset(labels.items())


def tally_of(*lines: tuple[str, Mapping[str, object]]) -> LineTally:
    tally = LineTally()
    for event, keys in lines:
        tally.add(event, HOW[event], keys)
    return tally


def test_lines_are_counted_by_event_and_by_what_tells_them_apart() -> None:
    read_back = read(
        tally_of(
            ("delivery.attempted", {"channel": "webhook", "outcome": "delivered", "duration_ms": 12}),
            ("delivery.attempted", {"channel": "email", "outcome": "delivered", "duration_ms": 8}),
            ("delivery.attempted", {"channel": "webhook", "outcome": "refused"}),
        )
    )
    assert read_back[sample("tocsin_lines_total", event="delivery.attempted", outcome="delivered")] == 2
    assert read_back[sample("tocsin_lines_total", event="delivery.attempted", outcome="refused")] == 1
    assert read_back[sample("tocsin_line_seconds_sum", event="delivery.attempted", what="duration")] == 0.02
    assert read_back[sample("tocsin_line_seconds_count", event="delivery.attempted", what="duration")] == 3


def test_what_lines_count_is_added_up() -> None:
    tally = tally_of(
        ("batch.decided", {"alert_count": 3, "partitions": [0, 4]}), ("batch.decided", {"alert_count": 4})
    )
    assert read(tally)[sample("tocsin_line_counts_total", event="batch.decided", key="alert_count")] == 7


def test_checks_facts_and_the_process_are_told() -> None:
    gauges = Gauges({"kafka": True, "postgres": False}, {"dead_letters": 2})
    read_back = read(LineTally(), gauges=gauges, dropped_keys=5)
    assert read_back[sample("tocsin_check", check="kafka")] == 1
    assert read_back[sample("tocsin_check", check="postgres")] == 0
    assert read_back[sample("tocsin_fact", fact="dead_letters")] == 2
    assert read_back[sample("tocsin_dropped_log_keys_total")] == 5
    assert read_back[sample("process_resident_memory_bytes")] > 1_000_000


@pytest.mark.parametrize("told", ["x" * 65, ["Nadia", "Placeholder"]])
def test_what_is_no_word_of_ours_is_no_label(told: object) -> None:
    keys = {"outcome": tuple(told) if isinstance(told, list) else told}
    assert (
        read(tally_of(("delivery.attempted", keys)))[sample("tocsin_lines_total", event="delivery.attempted")]
        == 1
    )


def test_so_many_series_are_kept_and_no_more() -> None:
    tally = tally_of(*(("delivery.attempted", {"outcome": str(n)}) for n in range(MOST_SERIES + 10)))
    assert len(tally.rows) == MOST_SERIES + 1
    assert read(tally)[sample("tocsin_lines_total", event="delivery.attempted")] == 10


def test_a_line_is_counted_whatever_its_level() -> None:
    with capture_logs(CATALOGUE):
        get_logger().debug("quiet.line")
        get_logger().info("batch.decided", alert_count=2)
        tally, how = find_tally()
    assert tally.rows == {("quiet.line",): [1], ("batch.decided",): [1, 2, 0]}
    assert how["batch.decided"] == HOW["batch.decided"]


def test_another_catalogue_counts_an_event_of_the_same_name_for_itself() -> None:
    other = {"batch.decided": LogEntry("info", "Another service's.", ("source_count",))}
    with capture_logs(other):
        get_logger().info("batch.decided", source_count=1)
        with capture_logs(CATALOGUE):
            get_logger().info("batch.decided", alert_count=2)
            assert find_tally()[0].rows == {("batch.decided",): [1, 2, 0]}
        assert find_tally()[0].rows == {("batch.decided",): [1, 1]}


@pytest.mark.parametrize("book", [runtime_logbook, intake_logbook, routing_logbook, notify_logbook])
def test_lines_are_told_apart_by_keys_of_theirs_that_are_labels(book: object) -> None:
    catalogue: Catalogue = book.CATALOGUE  # type: ignore[attr-defined] # each of the modules has one
    apart = {event: set(entry.apart) for event, entry in catalogue.items() if entry.apart}
    assert all(keys <= set(catalogue[event].keys) & set(LABELS) for event, keys in apart.items())
