"""What would print an error or a library's text by itself, led into the log pipeline without the text."""

import logging
import sys
import threading

from structlog.typing import FilteringBoundLogger

from services.runtime.logbook import LIBRARY_LOGGED


class LibraryHandler(logging.Handler):
    """Keeps of a library's log record who, how grave, which type of error, and where; never its text."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        where = f"{record.module}:{record.lineno}"
        self._log.log(
            _known_level(record.levelno), LIBRARY_LOGGED, logger=record.name, where=where, exc_info=error
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
