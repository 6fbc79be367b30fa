"""What the supervisor says in its log."""

from types import MappingProxyType

from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.logbook import Catalogue, LogEntry, LogLevel
from services.runtime.logs import LogFormat, configure


class _LogSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="TOCSIN_", frozen=True, hide_input_in_errors=True)

    log_format: LogFormat = LogFormat.AUTO
    log_level: LogLevel = "info"


CATALOGUE: Catalogue = MappingProxyType(
    {
        "process.started": LogEntry("info", "A process of the stack was started.", ("process", "pid")),
        "process.stopped": LogEntry(
            "info", "A process ended because the stack stops.", ("process", "exit_code")
        ),
        "process.slow_to_stop": LogEntry(
            "warning",
            "A process did not end in time after this signal; a harsher one follows.",
            ("process", "signal"),
        ),
        "process.died": LogEntry(
            "warning",
            "A process ended unasked and is started again. A negative exit code is a signal.",
            ("process", "exit_code", "failure_count", "pause_ms"),
        ),
        "process.keeps_dying": LogEntry(
            "error",
            "A process ended again and again soon after its start. It is started again after the pause, but "
            "somebody must look.",
            ("process", "exit_code", "failure_count", "pause_ms"),
        ),
        "process.asked_for_restart": LogEntry(
            "info",
            "A process ended to be started afresh (exit code 75), as when the broker became another cluster.",
            ("process", "exit_code"),
        ),
        "process.not_startable": LogEntry("error", "The system refused to start a program.", ("process",)),
        "process.not_usable": LogEntry(
            "error", "A process runs but never became usable; it is killed and started again.", ("process",)
        ),
        "postgres.orphan_found": LogEntry(
            "warning",
            "A server of an earlier stack still ran on the data directory; it is ended first.",
            ("pid",),
        ),
        "topics.made_again": LogEntry(
            "warning",
            "A client had caused the broker to make topics of the wrong shape; they were made again.",
            ("topic_count",),
        ),
        "kafka.fetching": LogEntry(
            "info", "The jars of Apache Kafka are fetched through Maven into this folder, once.", ("folder",)
        ),
        "kafka.not_archived": LogEntry(
            "warning", "Java could not keep what it loaded: the broker starts, only later each time.", ()
        ),
        "migrations.applied": LogEntry("info", "Every schema is at its newest version.", ("seconds",)),
        "directory.applied": LogEntry(
            "info",
            "Routing took the directory.",
            ("version", "agency_count", "source_count", "warning_count"),
        ),
        "directory.kept": LogEntry("info", "A directory was in force already and stays.", ("version",)),
        "stack.starting": LogEntry("info", "A stack starts in its data directory.", ("data_dir", "pid")),
        "stack.waiting": LogEntry(
            "warning", "The stack is not ready yet; these checks fail.", ("seconds", "failing")
        ),
        "stack.ready": LogEntry("info", "An event posted now will be delivered.", ("seconds", "data_dir")),
        "stack.stopping": LogEntry(
            "info", "The stack stops: services, then Kafka, then PostgreSQL.", ("reason",)
        ),
        "stack.hastened": LogEntry(
            "warning", "A second signal: nothing is waited for any longer.", ("reason",)
        ),
        "stack.stopped": LogEntry("info", "Everything has ended.", ("seconds",)),
        "mail.sink_started": LogEntry(
            "info", "Mails go nowhere: they are kept as files in this folder.", ("address", "folder")
        ),
    }
)


def configure_logs(*, service: str) -> None:
    """As TOCSIN_LOG_FORMAT and TOCSIN_LOG_LEVEL say. Raises ValueError for anything else."""
    settings = _LogSettings()
    configure(service=service, catalogue=CATALOGUE, format=settings.log_format, level=settings.log_level)
