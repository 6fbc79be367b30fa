"""The embedded PostgreSQL: a supervised server with the roles and the database that Tocsin needs."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg

from services.devstack.cluster import (
    Cluster,
    check_version,
    clean_environment,
    create_cluster,
    free_of_predecessor,
    write_configuration,
)
from services.devstack.database import (
    ADMIN,
    DATABASE,
    build_url,
    ensure_database,
    ensure_roles,
    set_passwords,
)
from services.devstack.errors import StartError
from services.devstack.postgres_config import PostgresSettings
from services.devstack.process import Launch, StopStep, SupervisedProcess, Surroundings

_POLL_SECONDS = 0.02
_LAST_WORDS = 5

_NOT_YET = (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresProgram:
    """How the server is started and stopped."""

    cluster: Cluster
    settings: PostgresSettings
    log_file: Path
    admin_url: str
    name: str = "postgres"
    # Fast, then immediate (its next start recovers from the WAL), then by force.
    stop_steps: tuple[StopStep, ...] = (
        StopStep(signal.SIGINT, timedelta(seconds=20)),
        StopStep(signal.SIGQUIT, timedelta(seconds=5)),
        StopStep(signal.SIGKILL, timedelta(seconds=5)),
    )
    orphan_signal: signal.Signals = signal.SIGINT

    def prepare(self) -> Launch:
        return Launch(
            command=(str(self.cluster.programs.postgres), "-D", self.cluster.shown(self.cluster.data)),
            environment=clean_environment(),
            directory=self.cluster.data,
            output=self.log_file,
            account=self.cluster.account,
        )

    async def settle(self) -> None:
        while True:
            try:
                connection = await asyncpg.connect(self.admin_url, timeout=5)
            except _NOT_YET:
                await asyncio.sleep(_POLL_SECONDS)
            else:
                await connection.close()
                return


class EmbeddedPostgres:
    """One server, listening on 127.0.0.1 alone, every role with a password of its own."""

    def __init__(
        self,
        cluster: Cluster,
        settings: PostgresSettings,
        *,
        passwords: Mapping[str, str],
        log_file: Path,
        surroundings: Surroundings,
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._passwords = passwords
        self.log_file = log_file
        self.process = SupervisedProcess(
            PostgresProgram(
                cluster=cluster,
                settings=settings,
                log_file=log_file,
                admin_url=self.url(ADMIN, database="postgres"),
            ),
            surroundings,
        )

    @property
    def port(self) -> int:
        return self._settings.port

    def url(self, role: str, *, database: str = DATABASE) -> str:
        """A libpq URL for this role."""
        return build_url(role=role, password=self._passwords[role], port=self.port, database=database)

    async def start(self) -> None:
        """Returns when the server accepts connections and roles and database exist. Raises StackError."""
        if not self._cluster.exists:
            await create_cluster(self._cluster, admin_password=self._passwords[ADMIN])
        check_version(self._cluster)
        await free_of_predecessor(self._cluster)
        write_configuration(self._cluster, self._settings)
        try:
            await self.process.start()
        except StartError as error:
            raise StartError(f"{error}\n{self._last_words()}") from error
        async with self._connect() as connection:
            await ensure_roles(connection)
            await set_passwords(connection, {r: p for r, p in self._passwords.items() if r != ADMIN})
            await ensure_database(connection)

    async def stop(self, *, hurry: asyncio.Event | None = None) -> None:
        """Fast shutdown: sessions are ended, everything is flushed."""
        await self.process.stop(hurry=hurry)

    @contextlib.asynccontextmanager
    async def _connect(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.url(ADMIN, database="postgres"))
        try:
            yield connection
        finally:
            await connection.close()

    def _last_words(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines()[-_LAST_WORDS:]
        return "\n".join(["The end of its log:", *lines, f"All of it: {self.log_file}"])
