"""Stopping a consumer whose records cannot be decided, without ending the process."""

from typing import NoReturn

from services.runtime.health import NotReadyError
from services.runtime.kafka import ReceivedRecord
from services.runtime.lifecycle import Lifetime
from services.runtime.logs import get_logger

log = get_logger()


class ConsumerStoppedError(Exception):
    """Too many records could not be decided. Raised when the process ends, so that nothing is committed."""


class Brake:
    """Holds a consumer where it is until somebody ends the process.

    Ending it at once would have the supervisor start it again, and each start would quarantine a few more.
    """

    def __init__(self, lifetime: Lifetime) -> None:
        self._lifetime = lifetime
        self.is_pulled = False

    async def check(self) -> None:
        """For readiness."""
        if self.is_pulled:
            raise NotReadyError("stopped: too many records in a row could not be decided")

    async def pull(self, record: ReceivedRecord, *, quarantined_count: int) -> NoReturn:
        """Raises ConsumerStoppedError when the process is asked to end."""
        self.is_pulled = True
        log.error(
            "consumer.stopped",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            quarantined_count=quarantined_count,
        )
        await self._lifetime.wait()
        raise ConsumerStoppedError
