"""The routing part of `make bench`: what deciding costs, how that grows, and how long authors wait."""

import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from services.routing.packs import load_packs
from tests.bench import backtest, check, decide, index

WANTED_DECIDE_US: Final = 80
_CHECK_RULES: Final = 10_000
_CHECK_ROUNDS: Final = 2


def measure_routing(*, backtest_events: int, rounds: int) -> dict[str, Any]:
    """Every figure of routing that needs no server."""
    costs = [cost.microseconds for cost in decide.measure(load_packs(), rounds=rounds)]
    past = backtest.measure(backtest_events)
    return {
        "decide_us": {"median": round(statistics.median(costs), 1), "most": round(max(costs), 1)},
        "decide_cases": len(costs),
        "index": asdict(index.measure()),
        "check_10000_rules_s": _measure_check(),
        "backtest": asdict(past) | {"seconds_per_100000": past.seconds_per_100_000},
    }


def compare_routing(routing: dict[str, Any]) -> dict[str, bool]:
    """Which of the figures that we want to reach were reached."""
    return {
        "decide <= 80 µs at the median": routing["decide_us"]["median"] <= WANTED_DECIDE_US,
        "10,000 rules <= 1.5 x 100 rules": routing["index"]["ratio"] <= index.WANTED_RATIO,
        "check of 10,000 rules <= 5 s": routing["check_10000_rules_s"] <= check.WANTED_SECONDS,
        "backtest of 100,000 events <= 60 s": (
            routing["backtest"]["seconds_per_100000"] <= backtest.WANTED_SECONDS
        ),
    }


def _measure_check() -> float:
    """CPU seconds of the quietest round."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        pack = Path(folder) / "1.0.0.yaml"
        pack.write_text(check.render_pack(_CHECK_RULES))
        return round(min(check.measure_check(pack)[0] for _ in range(_CHECK_ROUNDS)), 2)
