"""Starting a Kafka client whose broker may not be there yet."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from aiokafka.errors import KafkaError

from services.runtime.logs import get_logger

log = get_logger()

RETRY_SECONDS: Final = 0.1

KAFKA_ERRORS: Final[tuple[type[Exception], ...]] = (KafkaError, OSError)
"""Passing trouble with a broker (TimeoutError is an OSError)."""


class Client(Protocol):
    """What every aiokafka client has in common."""

    async def start(self) -> None: ...


C = TypeVar("C", bound=Client)
T = TypeVar("T")


async def ask_patiently(question: Callable[[], Awaitable[T]]) -> T:
    """The answer, asked for again every 100 ms while there is passing trouble.

    A cluster that has just started answers before it has found its coordinators and leaders.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            return await question()
        except KAFKA_ERRORS as error:
            if attempt == 1:
                log.warning("kafka.unavailable", attempt=attempt, exc_info=error)
            await asyncio.sleep(RETRY_SECONDS)


async def start_patiently(build: Callable[[], C], close: Callable[[C], Awaitable[None]]) -> C:
    """Builds and starts the client, again every 100 ms until a broker answers."""
    attempt = 0
    while True:
        attempt += 1
        client = build()
        try:
            await client.start()
        except KAFKA_ERRORS as error:
            await close(client)
            if attempt == 1:
                log.warning("kafka.unavailable", attempt=attempt, exc_info=error)
            await asyncio.sleep(RETRY_SECONDS)
        except BaseException:
            await close(client)
            raise
        else:
            if attempt > 1:
                log.info("kafka.available", attempt=attempt)
            return client
