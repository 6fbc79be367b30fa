"""The directory: the version decisions use, and applying another."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from schemas.directory import AgencyRecord, DirectoryFile, DirectorySnapshot, EndpointRecord
from schemas.topics import DIRECTORY
from services.routing.decision import Directory
from services.routing.handlers.snapshots import (
    build_snapshot,
    derive_directory_key,
    digest_file,
    find_warnings,
    render_snapshot,
)
from services.routing.repository.directories import (
    DirectoryRepository,
    StoredDirectory,
    find_newest,
    insert_directory,
    lock_directory,
)
from services.runtime.database import TRANSIENT_ERRORS, Connection, Pool, transaction
from services.runtime.health import NotReadyError
from services.runtime.kafka import Publisher, ReceivedRecord, Record
from services.runtime.logs import get_logger
from services.runtime.repeating import repeat_for_ever

log = get_logger()

RECORD_KEY: Final = b"directory"
FOLLOW_SECONDS: Final = 0.5


class Directories:
    """The newest version that PostgreSQL has, in memory."""

    def __init__(self, repository: DirectoryRepository) -> None:
        self._repository = repository
        self._current: Directory | None = None
        self._operators: Mapping[str, str] = {}
        self._is_loaded = asyncio.Event()

    @property
    def version(self) -> int:
        """0 before the first."""
        return 0 if self._current is None else self._current.version

    async def check(self) -> None:
        """For readiness."""
        if self._current is None:
            raise NotReadyError("no directory was applied yet")

    async def wait_for_first(self) -> None:
        """Returns once there is a directory."""
        await self._is_loaded.wait()

    async def follow_for_ever(self) -> None:
        """Takes up what was applied to another routing process, also while there is nothing to decide."""
        while True:
            with suppress(*TRANSIENT_ERRORS):
                if version := await self._repository.find_newest_version():
                    await self.get(version)
            await asyncio.sleep(FOLLOW_SECONDS)

    async def find_operator(self, public_key: str) -> str | None:
        """Whose key it is in the newest version. Raises one of database.TRANSIENT_ERRORS."""
        if version := await self._repository.find_newest_version():
            await self.get(version)
        return self._operators.get(public_key)

    async def get(self, version: int) -> Directory:
        """A directory at least as new. Raises one of database.TRANSIENT_ERRORS."""
        if self._current is None or self.version < version:
            snapshot = await self._repository.get_snapshot(version)
            return self.use(DirectorySnapshot.model_validate_json(snapshot))
        return self._current

    def use(self, snapshot: DirectorySnapshot) -> Directory:
        """The newer one of this version and the one in use."""
        if self._current is not None and self.version >= snapshot.version:
            return self._current
        self._current = Directory(snapshot.agencies, version=snapshot.version)
        self._operators = {operator.public_key: operator.id for operator in snapshot.operators}
        self._is_loaded.set()
        log.info(
            "directory.loaded",
            directory_version=snapshot.version,
            agency_count=len(snapshot.agencies),
        )
        return self._current


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of a file. `changed` is false if it says the same as the version in force."""

    snapshot: DirectorySnapshot
    warnings: tuple[str, ...]
    changed: bool


class NoDirectoryError(Exception):
    """None was applied yet."""


Change: TypeAlias = Callable[[DirectorySnapshot, datetime], list[AgencyRecord]]
Also: TypeAlias = Callable[[Connection, DirectorySnapshot], Awaitable[None]]
"""What is written in the transaction of a version."""
ReadTopic: TypeAlias = Callable[[], Awaitable[list[ReceivedRecord]]]
"""All that the topic of the directory holds."""


class DirectoryDesk:
    """Applies directory files."""

    def __init__(
        self, pool: Pool, publisher: Publisher, directories: Directories, *, deployment_key: bytes
    ) -> None:
        self._pool = pool
        self._publisher = publisher
        self._directories = directories
        self._directory_key = derive_directory_key(deployment_key)
        self._published = 0

    async def apply(self, file: DirectoryFile, *, operator: str) -> Applied:
        """Publish also what did not change: applying again mends a publishing that failed.

        Raises one of database.TRANSIENT_ERRORS, PublishError (it is stored, and published later) or
        InvalidDirectoryError.
        """
        applied = await self._store(file, operator=operator)
        self._directories.use(applied.snapshot)
        log.info(
            "directory.applied",
            directory_version=applied.snapshot.version,
            agency_count=len(applied.snapshot.agencies),
            source_count=len(applied.snapshot.sources),
            changed=applied.changed,
            operator=operator,
        )
        await self._publish(applied.snapshot)
        return applied

    async def amend(self, change: Change, *, operator: str, also: Also | None = None) -> DirectorySnapshot:
        """The newest version changed in one place, in force and published; the file it came from stays known.

        `also` writes what goes with it. Raises as `apply`, what `change` raises, and NoDirectoryError.
        """
        async with transaction(self._pool) as connection:
            now = await lock_directory(connection)
            newest = await find_newest(connection)
            if newest is None:
                raise NoDirectoryError
            previous = DirectorySnapshot.model_validate_json(newest.snapshot)
            agencies = change(previous, now)
            snapshot = previous.model_copy(
                update={"version": previous.version + 1, "applied_at": now, "agencies": agencies}
            )
            stored = StoredDirectory(snapshot.version, render_snapshot(snapshot), newest.content_digest)
            await insert_directory(connection, stored, applied_at=now, applied_by=operator)
            if also is not None:
                await also(connection, snapshot)
        self._directories.use(snapshot)
        await self._publish(snapshot)
        return snapshot

    async def has_had(self, endpoint: EndpointRecord) -> bool:
        """Whether a version had just this one: no two have their secret sealed to the same bytes."""
        document = endpoint.model_dump_json(include={"endpoint_id", "secret_sealed"})
        return await DirectoryRepository(self._pool).has_had(document)

    async def publish_again(self) -> None:
        """The newest version, of which nobody knows whether it was published. Raises PublishError."""
        newest = await self.find_newest()
        if newest is not None:
            await self._publish(newest)

    async def find_newest(self) -> DirectorySnapshot | None:
        """Raises one of database.TRANSIENT_ERRORS."""
        newest = await DirectoryRepository(self._pool).find_newest()
        return None if newest is None else DirectorySnapshot.model_validate_json(newest.snapshot)

    async def publish_newer_than(self, published: list[ReceivedRecord]) -> int | None:
        """The version that was missing: a broker lost its log, or a publishing failed. None if none was."""
        newest = await self.find_newest()
        # The last one: it is what compaction leaves.
        self._published = _read_version(published[-1]) if published else 0
        if newest is None or newest.version <= self._published:
            return None
        await self._publish(newest)
        return newest.version

    async def publish_missing_for_ever(self, read_topic: ReadTopic) -> None:
        """What is in force but was not published stops every alert: notify waits for it.

        The topic is read only for a version that this process did not publish itself.
        """
        await repeat_for_ever(
            lambda: self._publish_missing(read_topic),
            seconds=FOLLOW_SECONDS,
            on_trouble=lambda error: log.warning("directory.not_published", exc_info=error),
        )

    async def _publish_missing(self, read_topic: ReadTopic) -> None:
        before = self._published
        if await DirectoryRepository(self._pool).find_newest_version() <= before:
            return
        published = await read_topic()
        # What was published while the topic was read is perhaps not in what was read: look again.
        if self._published != before:
            return
        if version := await self.publish_newer_than(published):
            log.warning("directory.made_good", directory_version=version)

    async def _store(self, file: DirectoryFile, *, operator: str) -> Applied:
        digest = digest_file(file, directory_key=self._directory_key)
        async with transaction(self._pool) as connection:
            now = await lock_directory(connection)
            newest = await find_newest(connection)
            previous = None if newest is None else DirectorySnapshot.model_validate_json(newest.snapshot)
            if newest is not None and previous is not None and newest.content_digest == digest:
                return Applied(
                    snapshot=previous, warnings=tuple(find_warnings(previous, previous)), changed=False
                )
            built = build_snapshot(
                file,
                previous,
                version=1 if previous is None else previous.version + 1,
                applied_at=now,
                directory_key=self._directory_key,
            )
            stored = StoredDirectory(built.snapshot.version, render_snapshot(built.snapshot), digest)
            await insert_directory(connection, stored, applied_at=now, applied_by=operator)
        warnings = (*find_warnings(built.snapshot, previous), *built.warnings)
        return Applied(snapshot=built.snapshot, warnings=warnings, changed=True)

    async def _publish(self, snapshot: DirectorySnapshot) -> None:
        value = render_snapshot(snapshot).encode()
        await self._publisher.publish([Record(DIRECTORY.name, RECORD_KEY, value)])
        # Not the greatest: an older one that came after a newer one is the last, and must not stay it.
        self._published = snapshot.version
        log.info("directory.published", directory_version=snapshot.version)


def _read_version(record: ReceivedRecord) -> int:
    """0 for what an older release wrote in another form: it is then published anew."""
    try:
        return DirectorySnapshot.model_validate_json(record.value or b"").version
    except ValueError:
        return 0
