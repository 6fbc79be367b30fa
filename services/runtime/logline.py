"""From what a caller wants to log to what may be written: pure, and the hot path of every log line."""

from collections.abc import Collection, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from services.runtime import logbook
from services.runtime.faults import error_at, error_type
from services.runtime.logbook import COMMON_KEYS, LIBRARY_LOGGED, UNCATALOGUED, Catalogue, LogLevel
from services.runtime.tally import HowToAdd, find_how_to_add

MAX_TEXT: Final = 256
MAX_ITEMS: Final = 64
LEVELS: Final[Mapping[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

_ALWAYS_SAFE: Final = frozenset({bool, float, type(None), UUID, datetime})
_INT64: Final = 1 << 63

Keys = MutableMapping[str, object]


class UncataloguedLineError(Exception):
    """The line's event, level, keys or values are not what the catalogue allows (tests only)."""


@dataclass(slots=True)
class DroppedKeys:
    """How many keys were dropped since the process started, in all and by event."""

    total: int = 0
    by_event: dict[str, int] = field(default_factory=dict)

    def add(self, event: str, count: int) -> None:
        self.total += count
        self.by_event[event] = self.by_event.get(event, 0) + count


@dataclass(frozen=True, slots=True)
class LineRules:
    """What may be logged, by which service, from which level on."""

    service: str
    catalogue: Catalogue
    allowed: Mapping[str, frozenset[str]]
    known_keys: frozenset[str]
    added: Mapping[str, HowToAdd]
    threshold: int
    strict: bool = False


def build_rules(
    *,
    service: str,
    catalogue: Catalogue,
    allowed_keys: Collection[str] = (),
    level: LogLevel = "info",
    strict: bool = False,
) -> LineRules:
    entries = {**logbook.CATALOGUE, **catalogue}
    common = COMMON_KEYS.union(allowed_keys)
    allowed = {event: common.union(entry.keys) for event, entry in entries.items()}
    return LineRules(
        service=service,
        catalogue=entries,
        allowed=allowed,
        known_keys=common.union(*allowed.values()),
        added=find_how_to_add(entries),
        threshold=LEVELS[level],
        strict=strict,
    )


def build_line(
    rules: LineRules, keys: Keys, *, level: str, at: datetime, dropped: DroppedKeys
) -> dict[str, object]:
    """The line; ``keys`` must hold a catalogued ``event`` and is used up."""
    event = str(keys.pop("event"))
    error = keys.pop("exc_info", None)
    line: dict[str, object] = {
        "at": at.isoformat(timespec="milliseconds")[:-6] + "Z",
        "level": level,
        "event": event,
        "service": rules.service,
    }
    refused = _copy_allowed(keys, line, rules.allowed[event])
    if refused:
        _tell_refused(rules, line, refused, dropped=dropped)
    if isinstance(error, BaseException):
        line["error_type"], line["error_at"] = error_type(error), error_at(error)
    return line


def withhold(rules: LineRules, keys: Keys, *, where: str) -> None:
    """Turns an uncatalogued line into one that only says which code wrote it; raises if strict."""
    if rules.strict:
        raise UncataloguedLineError(f"{keys.get('event')!r} at {where} is in no catalogue")
    kept = {key: keys[key] for key in ("exc_info", "correlation_id") if key in keys}
    keys.clear()
    keys.update(kept, event=UNCATALOGUED, where=where)


def check_level(rules: LineRules, event: str, level: str) -> None:
    """Raises UncataloguedLineError if the catalogue gives the event another level."""
    entry = rules.catalogue[event]
    if entry.level != level and event != LIBRARY_LOGGED:
        raise UncataloguedLineError(f"{event} is catalogued as {entry.level}, not {level}")


def render_json(line: dict[str, object]) -> bytes:
    """One JSON line; what does not render (a lone surrogate) costs the line its own keys."""
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        kept = {key: line[key] for key in ("at", "level", "event", "service")}
        return orjson.dumps(
            {**kept, "dropped_key_count": len(line) - len(kept)}, option=orjson.OPT_APPEND_NEWLINE
        )


def _copy_allowed(keys: Keys, line: dict[str, object], allowed: frozenset[str]) -> list[str]:
    refused = []
    for key, value in keys.items():
        if key in allowed and (type(value) in _ALWAYS_SAFE or _is_safe(value)):
            line[key] = value
        else:
            refused.append(key)
    return refused


def _is_safe(value: object) -> bool:
    match value:
        case str():
            return len(value) <= MAX_TEXT
        case int():
            return -_INT64 <= value < _INT64
        case list() | tuple():
            return len(value) <= MAX_ITEMS and all(
                type(item) in _ALWAYS_SAFE or (isinstance(item, str | int) and _is_safe(item))
                for item in value
            )
        case _:
            return False


def _tell_refused(
    rules: LineRules, line: dict[str, object], refused: list[str], *, dropped: DroppedKeys
) -> None:
    event = str(line["event"])
    if rules.strict:
        raise UncataloguedLineError(f"{event} may not carry these keys or their values: {', '.join(refused)}")
    dropped.add(event, len(refused))
    line["dropped_key_count"] = len(refused)
    # A name that no catalogue knows may itself be data (a group's name tells that the group exists).
    if names := sorted(rules.known_keys.intersection(refused)):
        line["dropped_keys"] = names
