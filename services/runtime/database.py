"""The PostgreSQL pool: waits for its server, recovers by itself, speaks JSON, and sorts its errors.

Use ``connection`` and ``transaction`` rather than the pool's own methods: they turn asyncpg's untyped
"connection is closed" into ``DatabaseUnavailableError``, so that ``except TRANSIENT_ERRORS`` catches it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy
from pydantic import SecretStr

from services.runtime import shifted_clock
from services.runtime.logs import get_logger

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

log = get_logger()

COMMAND_SECONDS: Final = 10.0
ACQUIRE_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 0.1
IDLE_SECONDS: Final = 10.0
"""A process that stands still within a transaction (a frozen machine) holds its locks no longer than this."""


_CLOSED: Final = ("connection is closed", "pool is clos", "has been released back to the pool")


class DatabaseUnavailableError(ConnectionError):
    """The connection is gone; whether the last statement took effect is unknown."""


TRANSIENT_ERRORS: Final[tuple[type[Exception], ...]] = (
    OSError,  # with ConnectionError, TimeoutError and DatabaseUnavailableError
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""Errors after which the same work may succeed if it is done again from its beginning."""

UnstorableTextError: TypeAlias = asyncpg.CharacterNotInRepertoireError
"""A text holds what PostgreSQL cannot: U+0000. So nothing that it holds is called so."""


def is_transient(error: BaseException) -> bool:
    """Whether asking the database again can help."""
    return isinstance(error, TRANSIENT_ERRORS) or _is_closed(error)


@asynccontextmanager
async def open_pool(
    url: SecretStr | str, *, size: int, idle_seconds: float = IDLE_SECONDS, shifted: bool = False
) -> AsyncIterator[Pool]:
    """A pool of at most ``size`` connections; does not give up waiting for the server to answer.

    ``shifted`` is for tests that move the clock. Raises ShiftRefusedError if the database is not a test's.
    """
    dsn = url.get_secret_value() if isinstance(url, SecretStr) else url
    server_settings = {"idle_in_transaction_session_timeout": str(int(idle_seconds * 1000))}
    if shifted:
        server_settings["search_path"] = shifted_clock.SEARCH_PATH
    pool = await _connect(dsn, size, server_settings)
    try:
        if shifted:
            await _check_shift(pool)
        yield pool
    finally:
        await _close(pool)


@asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """A connection from the pool. Raises DatabaseUnavailableError when it is lost."""
    try:
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as acquired:
            yield acquired
    except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if _is_closed(error):
            raise DatabaseUnavailableError from error
        raise


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection within one transaction. Raises DatabaseUnavailableError when it is lost."""
    async with connection(pool) as acquired, acquired.transaction():
        yield acquired


async def check_database(pool: Pool) -> None:
    """For readiness: raises one of TRANSIENT_ERRORS if the server does not answer."""
    async with connection(pool) as acquired:
        await acquired.execute("SELECT 1")


async def _check_shift(pool: Pool) -> None:
    async with connection(pool) as acquired:
        if not await acquired.fetchval(shifted_clock.IS_INSTALLED):
            raise shifted_clock.ShiftRefusedError


async def _connect(dsn: str, size: int, server_settings: dict[str, str]) -> Pool:
    attempt = 0
    while True:
        attempt += 1
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=size,
                init=_prepare,
                reset=_leave_as_is,
                command_timeout=COMMAND_SECONDS,
                server_settings=server_settings,
            )
        except TRANSIENT_ERRORS as error:
            if attempt == 1:
                log.warning("database.unavailable", attempt=attempt, exc_info=error)
            await asyncio.sleep(RETRY_SECONDS)
        else:
            if attempt > 1:
                log.info("database.available", attempt=attempt)
            return pool


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(ACQUIRE_SECONDS):
            await pool.close()
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        pool.terminate()


async def _prepare(fresh: Connection) -> None:
    for kind in ("json", "jsonb"):
        await fresh.set_type_codec(
            kind, schema="pg_catalog", encoder=_encode_json, decoder=orjson.loads, format="text"
        )


async def _leave_as_is(_: Connection) -> None:
    """Saves four statements each time a connection is given back: as much as a small transaction.

    A transaction left open is rolled back before this is called. Nothing of ours sets anything else for a
    session: no variables, held cursors, subscriptions, or advisory locks outside of transactions.
    """


def _encode_json(value: object) -> str:
    return orjson.dumps(value).decode()


def _is_closed(error: BaseException) -> bool:
    if isinstance(error, asyncpg.InternalClientError):
        # asyncpg's answer to a statement sent in the moment in which the server says goodbye.
        return True
    # There is no class of its own for it, and DataError (also an InterfaceError) tells of our fault.
    if not isinstance(error, asyncpg.InterfaceError) or isinstance(error, ValueError):
        return False
    text = str(error)
    return any(words in text for words in _CLOSED)
