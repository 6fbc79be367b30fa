"""What `/metrics` tells Prometheus: what this process logged, its checks, its memory and processor time.

Every unit of work writes one catalogued line (``logs``): its metrics are that line's event and numbers. The
labels are the catalogue's (``LogEntry.apart``), and no case, agency or person is one.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from services.runtime.tally import COUNT, LABELS, MILLISECONDS, Gauges, HowToAdd, LineTally

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PER_SECOND: Final = 1000


class _Lines(Collector):
    """The tally and the gauges as Prometheus reads them."""

    def __init__(
        self, tally: LineTally, how: Mapping[str, HowToAdd], *, dropped_keys: int, gauges: Gauges
    ) -> None:
        self._tally, self._how = tally, how
        self._dropped_keys, self._gauges = dropped_keys, gauges

    def collect(self) -> Iterator[Metric]:
        yield from self._collect_lines()
        yield CounterMetricFamily(
            "tocsin_dropped_log_keys", "Keys that log lines were refused.", value=self._dropped_keys
        )
        checks = GaugeMetricFamily("tocsin_check", "1: this check of /readyz is ok.", labels=["check"])
        for name, is_ok in self._gauges.checks.items():
            checks.add_metric([name], float(is_ok))
        facts = GaugeMetricFamily("tocsin_fact", "What /readyz tells beside its checks.", labels=["fact"])
        for name, value in self._gauges.facts.items():
            facts.add_metric([name], value)
        yield from (checks, facts)

    def _collect_lines(self) -> Iterator[Metric]:
        lines = CounterMetricFamily(
            "tocsin_lines", "Lines logged; docs/logs.md says what each means.", labels=["event", *LABELS]
        )
        counts = CounterMetricFamily(
            "tocsin_line_counts", "Sums of the lines' own counts.", labels=["event", "key"]
        )
        seconds = SummaryMetricFamily(
            "tocsin_line_seconds", "How long something took that the lines tell of.", labels=["event", "what"]
        )
        sums: dict[tuple[str, str], float] = {}
        done: dict[str, float] = {}
        for (event, *values), (line_count, *row) in self._tally.rows.items():
            how = self._how[str(event)]
            told = dict(zip(how.apart, values, strict=True))
            labels = ["" if told.get(label) is None else str(told[label]) for label in LABELS]
            lines.add_metric([str(event), *labels], line_count)
            done[str(event)] = done.get(str(event), 0) + line_count
            for key, value in zip(how.summed, row, strict=True):
                sums[str(event), key] = sums.get((str(event), key), 0) + value
        for (event, key), value in sums.items():
            if key.endswith(COUNT):
                counts.add_metric([event, key], value)
            else:
                what = key.removesuffix(MILLISECONDS)
                seconds.add_metric([event, what], int(done[event]), value / _PER_SECOND)
        yield from (lines, counts, seconds)


def render(tally: LineTally, how: Mapping[str, HowToAdd], *, dropped_keys: int, gauges: Gauges) -> bytes:
    """Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Lines(tally, how, dropped_keys=dropped_keys, gauges=gauges))
    ProcessCollector(registry=registry)
    return generate_latest(registry)
