"""Structured logs that cannot leak: JSON lines on stderr, and only what the catalogue allows.

Every line passes one pipeline (``logline``). It keeps the keys that the event's catalogue entry lists, if
their values are short scalars; drops and counts the rest; and withholds a line whose event nobody catalogued.
What libraries log goes the same way without its text (``loghooks``). Errors are told by type and place, never
by message: pass ``exc_info=error``.

``configure`` may be called again (tests do): loggers that were handed out before follow.
"""

import inspect
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.typing import FilteringBoundLogger

from services.runtime.clock import Clock, SystemClock
from services.runtime.faults import caller_at
from services.runtime.logbook import Catalogue, LogLevel
from services.runtime.loghooks import install_hooks
from services.runtime.logline import (
    LEVELS,
    DroppedKeys,
    LineRules,
    UncataloguedLineError,
    build_line,
    build_rules,
    check_level,
    render_json,
    withhold,
)
from services.runtime.tally import HowToAdd, LineTally

__all__ = [
    "DroppedKeys",
    "LogFormat",
    "LogLevel",
    "UncataloguedLineError",
    "capture_logs",
    "configure",
    "dropped_keys",
    "find_tally",
    "get_logger",
]

_LOGGING_PACKAGES = ("structlog", "logging", "services.runtime.log")


class LogFormat(StrEnum):
    """How lines look."""

    AUTO = "auto"
    """Pretty on a terminal, JSON otherwise."""
    JSON = "json"
    PRETTY = "pretty"


dropped_keys = DroppedKeys()
"""The counter of dropped keys, for metrics and tests."""


@dataclass(frozen=True, slots=True)
class _Setup:
    rules: LineRules
    clock: Clock
    render: Callable[[dict[str, object]], bytes]
    write: Callable[[bytes], object]
    tally: LineTally = field(default_factory=LineTally)
    """Each setup's own: what is added up of an event is said by its catalogue."""


class _Pipeline:
    """The one structlog processor, and the one place that knows how logging is set up just now."""

    def __init__(self, setup: _Setup) -> None:
        self.setup = setup

    def __call__(self, _: object, level: str, keys: MutableMapping[str, Any]) -> bytes:
        setup = self.setup
        rules = setup.rules
        event = keys["event"]
        if event in rules.added:
            setup.tally.add(event, rules.added[event], keys)
        if LEVELS[level] < rules.threshold:
            raise structlog.DropEvent
        if keys.get("exc_info") is True:
            keys["exc_info"] = sys.exc_info()[1]
        if event not in rules.allowed:
            withhold(rules, keys, where=caller_at(_LOGGING_PACKAGES, inspect.currentframe()))
            level = "warning"
        if rules.strict:
            check_level(rules, keys["event"], level)
        line = build_line(rules, keys, level=level, at=setup.clock.now(), dropped=dropped_keys)
        return setup.render(line)


class _Sink:
    """What structlog writes to. A reader of stderr that went away must not stop a delivery."""

    def __init__(self, pipeline: _Pipeline) -> None:
        self._pipeline = pipeline

    def msg(self, line: bytes) -> None:
        try:
            self._pipeline.setup.write(line)
        except (OSError, ValueError):
            dropped_keys.add("log.unwritable", 1)

    debug = info = warning = error = critical = msg


def _write_to(stream: BinaryIO) -> Callable[[bytes], None]:
    def write(line: bytes) -> None:
        stream.write(line)
        stream.flush()

    return write


def _render_pretty(line: dict[str, object]) -> bytes:
    shown = {key: value for key, value in line.items() if key not in {"at", "service"}}
    shown["timestamp"] = str(line["at"])[11:23]
    return f"{_CONSOLE(None, '', shown)}\n".encode(errors="backslashreplace")


_CONSOLE = structlog.dev.ConsoleRenderer(colors=True, pad_event_to=26)
_PIPELINE = _Pipeline(
    # Before `configure` only the runtime's own lines pass.
    _Setup(
        rules=build_rules(service="unconfigured", catalogue=MappingProxyType({})),
        clock=SystemClock(),
        render=render_json,
        write=_write_to(sys.stderr.buffer),
    )
)
_SINK = _Sink(_PIPELINE)


def configure(
    *,
    service: str,
    catalogue: Catalogue,
    allowed_keys: Collection[str] = (),
    format: LogFormat = LogFormat.AUTO,  # noqa: A002 -- the word of the setting
    level: LogLevel = "info",
    clock: Clock | None = None,
) -> None:
    """Sets up this process's logs: our own, the libraries', and uncaught errors.

    ``allowed_keys`` may appear on any line of this service, beside those that each event's entry lists.
    """
    pretty = format is LogFormat.PRETTY or (format is LogFormat.AUTO and sys.stderr.isatty())
    _PIPELINE.setup = _Setup(
        rules=build_rules(service=service, catalogue=catalogue, allowed_keys=allowed_keys, level=level),
        clock=clock or SystemClock(),
        render=_render_pretty if pretty else render_json,
        write=_write_to(sys.stderr.buffer),
    )
    install_hooks(get_logger())


def get_logger() -> FilteringBoundLogger:
    """The process's logger; may be called at import time."""
    return cast(
        "FilteringBoundLogger",
        # Bound at once: the lazy proxy is for settings that come later, and every line would pass through it.
        structlog.wrap_logger(
            _SINK,
            processors=[_PIPELINE],
            wrapper_class=structlog.make_filtering_bound_logger(0),
        ).bind(),
    )


def find_tally() -> tuple[LineTally, Mapping[str, HowToAdd]]:
    """What the lines came to, whatever their level, and how those of each event are added up."""
    return _PIPELINE.setup.tally, _PIPELINE.setup.rules.added


@contextmanager
def capture_logs(
    catalogue: Catalogue, *, allowed_keys: Collection[str] = (), clock: Clock | None = None
) -> Iterator[list[dict[str, Any]]]:
    """For tests: the lines written meanwhile, parsed; a line that the catalogue does not allow raises."""
    lines: list[dict[str, Any]] = []
    before = _PIPELINE.setup
    _PIPELINE.setup = _Setup(
        rules=build_rules(
            service="test", catalogue=catalogue, allowed_keys=allowed_keys, level="debug", strict=True
        ),
        clock=clock or SystemClock(),
        render=render_json,
        write=lambda line: lines.append(orjson.loads(line)),
    )
    try:
        yield lines
    finally:
        _PIPELINE.setup = before
