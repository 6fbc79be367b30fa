"""What a log line may say: the form of a service's catalogue, and the runtime's own entries."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

LogLevel = Literal["debug", "info", "warning", "error", "critical"]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One kind of log line: its level, what it tells an operator, and the keys it may carry.

    ``apart`` are those of its keys, each with a few values, by which `/metrics` counts its lines apart.
    """

    level: LogLevel
    meaning: str
    keys: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()


Catalogue: TypeAlias = Mapping[str, LogEntry]

COMMON_KEYS = frozenset({"correlation_id", "error_type", "error_at"})
"""What any line may carry beside its own keys: ids, and facts about our code."""

UNCATALOGUED = "log.uncatalogued"
LIBRARY_LOGGED = "library.logged"

CATALOGUE: Catalogue = MappingProxyType(
    {
        "service.started": LogEntry(
            "info",
            "The process serves; whether it is ready, /readyz tells.",
            ("host", "port", "member", "durability"),
        ),
        "service.stopping": LogEntry(
            "info", "A stop was asked for; work in hand is finished first.", ("reason",)
        ),
        "service.stopped": LogEntry("info", "The process ends with this exit code.", ("exit_code",)),
        "service.failed": LogEntry("error", "A fault of ours that the process does not go on after."),
        "service.drain_cut_short": LogEntry(
            "error", "Work in hand was not finished in time and was cut off.", ("seconds",)
        ),
        "work.stranded": LogEntry(
            "error",
            "Something has no next step, or nobody took it for minutes: a fault of ours, or a process that "
            "is missing. `/readyz` tells how much of it there is.",
            ("kind", "found_count"),
        ),
        "work.not_looked_for": LogEntry(
            "warning", "PostgreSQL was away when work without a next step was looked for; looking again."
        ),
        "task.failed": LogEntry(
            "error", "A task nobody waits for raised, or the interpreter reported a stray error."
        ),
        "database.unavailable": LogEntry(
            "warning", "PostgreSQL does not answer; asking again.", ("attempt",)
        ),
        "database.available": LogEntry("info", "PostgreSQL answers again.", ("attempt",)),
        "kafka.unavailable": LogEntry("warning", "Kafka does not answer; asking again.", ("attempt",)),
        "kafka.available": LogEntry("info", "Kafka answers.", ("attempt", "cluster_id")),
        "kafka.cluster_changed": LogEntry(
            "warning",
            "The broker lost its log and is another cluster now; the process drains and is started again.",
            ("cluster_id", "previous_cluster_id"),
        ),
        "kafka.topic_created": LogEntry(
            "info", "A topic was missing and has been created.", ("topic", "partition_count")
        ),
        "kafka.topic_altered": LogEntry(
            "info", "Settings of a topic were brought to what they must be.", ("topic", "settings")
        ),
        "kafka.topics_missing": LogEntry(
            "warning", "These topics are not there; waiting for `tocsin topics apply`.", ("topics",)
        ),
        "kafka.topic_refused": LogEntry(
            "error",
            "A topic would lose what was accepted, or is not what TOCSIN_DURABILITY says; the process ends. "
            "`tocsin topics plan` says what to change.",
            ("reason",),
        ),
        "consumer.partitions_assigned": LogEntry(
            "info", "The consumer reads these partitions from now on.", ("topic", "group", "partitions")
        ),
        "consumer.rewound": LogEntry(
            "warning",
            "The group had committed beyond what the database knows as done; it reads again from there.",
            ("topic", "group", "partitions"),
        ),
        "batch.postponed": LogEntry(
            "warning",
            "A batch met passing trouble and is read again after a pause.",
            ("topic", "group", "record_count", "attempt", "pause_ms"),
        ),
        "batch.not_committed": LogEntry(
            "warning",
            "A batch was handled but its offsets could not be committed; it may be read again.",
            ("topic", "group", "record_count"),
        ),
        "batch.failed": LogEntry(
            "error",
            "A batch met a fault of ours; its consumer stops and nothing of it is committed.",
            ("topic", "group", "record_count"),
        ),
        "connections.cut_off": LogEntry(
            "warning",
            "Connections were ended: too slow, a head too long, more open than may be, or no HTTP. How many "
            "since the last such line; one in 10 s at most.",
            ("slow_count", "long_count", "crowded_count", "malformed_count"),
        ),
        "readiness.changed": LogEntry("info", "The answer of /readyz changed.", ("ready", "failing")),
        LIBRARY_LOGGED: LogEntry(
            "warning",
            "A library wrote a log line; its text may hold data, so only where it came from is kept. "
            "The level is the library's.",
            ("logger", "where", "repeat_count"),
        ),
        UNCATALOGUED: LogEntry(
            "warning",
            "A line that no catalogue describes was withheld; `where` says which code wrote it.",
            ("where",),
        ),
    }
)


def render_catalogue(catalogues: Mapping[str, Catalogue]) -> str:
    """The catalogues as a Markdown page, one section each, events in order of name."""
    sections = [_render_section(title, catalogue) for title, catalogue in catalogues.items()]
    return "\n".join(["# Log lines", "", _PREFACE, "", *sections])


_PREFACE = (
    "Each line is one JSON object with `at` (UTC), `level`, `event` and `service`, and any of "
    + ", ".join(f"`{key}`" for key in sorted(COMMON_KEYS))
    + ". Nothing else passes: a key its event does not list is dropped and counted in `dropped_key_count`."
)


def _render_section(title: str, catalogue: Catalogue) -> str:
    rows = [
        f"| `{event}` | {entry.level} | {entry.meaning} | {', '.join(f'`{key}`' for key in entry.keys)} |"
        for event, entry in sorted(catalogue.items())
    ]
    return "\n".join(
        [f"## {title}", "", "| event | level | meaning | keys |", "|---|---|---|---|", *rows, ""]
    )
