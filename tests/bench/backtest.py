"""What a backtest of 100,000 events costs: unsealed, parsed, decided twice and compared, on every core.

Run with `python -m tests.bench.backtest [EVENTS]`; it shows its progress on a terminal.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from schemas.pack import ProtocolPack
from services.cli.backtesting.command import show_progress
from services.cli.backtesting.courses import open_courses
from services.cli.backtesting.drafts import Protocols
from services.cli.backtesting.findings import Findings
from services.cli.backtesting.replay import Period
from services.cli.backtesting.workers import Job, decide_all
from services.routing.packs import SHIPPED, find_pack_files, read_packs
from tests.bench.past import Past, build_past

EVENTS: Final = 100_000
WANTED_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class BacktestCost:
    """How long it took, and what it found: an empty comparison would measure nothing."""

    events: int
    seconds: float
    changed_alerts: int

    @property
    def seconds_per_100_000(self) -> float:
        return round(self.seconds * EVENTS / self.events, 1)


def measure(events: int = EVENTS) -> BacktestCost:
    """Decide a made past with a draft of the Kern pack whose shared rules tell more, and faster."""
    past = build_past(events)
    begun_at = time.perf_counter()
    with show_progress("events", events) as progress:
        findings = _backtest(past, progress)
    seconds = time.perf_counter() - begun_at
    return BacktestCost(findings.event_count, round(seconds, 1), len(findings.alerts))


def _backtest(past: Past, progress: Callable[[int], None]) -> Findings:
    period = Period()
    in_force = [pack for _, _, pack in read_packs(find_pack_files(SHIPPED)).packs]
    drafts = [_redraft(pack) for pack in in_force if pack.pack == "ca-kern-httf"]
    courses = open_courses(past.records, past.keys)
    job = Job(Protocols.of(in_force, drafts, since=None), period, past.directories)
    return decide_all(job, courses.courses, progress=progress)


def _redraft(pack: ProtocolPack) -> ProtocolPack:
    """One rule in three is gone, so that many alerts differ."""
    return pack.model_copy(update={"rules": [rule for n, rule in enumerate(pack.rules) if n % 3]})


def main() -> None:
    """Print what it cost."""
    cost = measure(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)
    sys.stdout.write(
        f"{cost.events} events in {cost.seconds} s ({WANTED_SECONDS} s wanted of {EVENTS}); "
        f"{cost.changed_alerts} alerts differ\n"
    )


if __name__ == "__main__":
    main()
