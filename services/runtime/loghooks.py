"""What would print an error or a library's text by itself, led into the log pipeline without the text."""

import logging
import sys
import threading
from dataclasses import dataclass
from typing import Final

from structlog.typing import FilteringBoundLogger

from services.runtime.logbook import LIBRARY_LOGGED

REPEAT_SECONDS: Final = 10.0


@dataclass(slots=True)
class _Repeats:
    """The lines from one place that were held back since the last that was written."""

    silent_until: float = 0.0
    count: int = 0


class LibraryHandler(logging.Handler):
    """Keeps of a library's log record who, how grave, which type of error, and where; never its text.

    A library that complains without end (a broker is away) is heard every ten seconds from each place.
    """

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__()
        self._log = log
        self._repeats: dict[str, _Repeats] = {}

    def emit(self, record: logging.LogRecord) -> None:
        where = f"{record.module}:{record.lineno}"
        repeats = self._repeats.setdefault(where, _Repeats())
        if record.created < repeats.silent_until:
            repeats.count += 1
            return
        self._repeats[where] = _Repeats(silent_until=record.created + REPEAT_SECONDS)
        self._log.log(
            _known_level(record.levelno),
            LIBRARY_LOGGED,
            logger=record.name,
            where=where,
            repeat_count=repeats.count,
            exc_info=record.exc_info[1] if record.exc_info else None,
        )


def install_hooks(log: FilteringBoundLogger) -> None:
    """Routes the logging module, warnings, and uncaught errors of every kind through the pipeline."""
    logging.basicConfig(handlers=[LibraryHandler(log)], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda _, error, __: log.error("service.failed", exc_info=error)
    threading.excepthook = lambda args: log.error("task.failed", exc_info=args.exc_value)
    sys.unraisablehook = lambda args: log.error("task.failed", exc_info=args.exc_value)


def _known_level(number: int) -> int:
    return max(logging.DEBUG, min(logging.CRITICAL, number // 10 * 10))
