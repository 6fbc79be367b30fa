"""What holds for every test: the folder it lies in is its marker, and it runs on the broker it is about."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.kafka_choice import CHOSEN, ON_APACHE

TESTS = Path(__file__).parent

OTHER_BROKER = "embedded_only" if ON_APACHE else "apache_only"
_LEFT_OUT = "left_out"

_left_out: Counter[str] = Counter()


@pytest.hookimpl(tryfirst=True)  # Before `-m` chooses, or there would be nothing to choose by.
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(item.path.relative_to(TESTS).parts[0])
    _left_out.update(reason for item in items if (reason := _why_left_out(item)) is not None)
    config.hook.pytest_deselected(items=[item for item in items if _why_left_out(item) is not None])
    items[:] = [item for item in items if _why_left_out(item) is None]


def _why_left_out(item: pytest.Item) -> str | None:
    """The reason of the marker that says the test is about the other kind of broker."""
    marker = item.get_closest_marker(OTHER_BROKER)
    return None if marker is None else str(marker.args[0])


@pytest.hookimpl
def pytest_sessionfinish(session: pytest.Session) -> None:
    # Of a worker: what it left out goes to the process that writes the summary. All leave out the same.
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_LEFT_OUT] = dict(_left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 -- xdist has no types
    _left_out.update(Counter(getattr(node, "workeroutput", {}).get(_LEFT_OUT, {})) - _left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """No test is left out without a word."""
    if _left_out:
        terminalreporter.section(f"Left out with {CHOSEN.value} Kafka")
        for reason, count in sorted(_left_out.items()):
            terminalreporter.line(f"{count} because {reason}")
