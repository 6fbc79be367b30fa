"""Keeping up with the directory: in memory for every request, in PostgreSQL for a start without Kafka."""

from collections.abc import Sequence

from pydantic import ValidationError

from schemas.directory import DirectorySnapshot
from services.intake.ingress.access import Access, build_access, list_source_keys
from services.intake.repository import Repository
from services.runtime.health import NotReadyError
from services.runtime.kafka import ReceivedRecord
from services.runtime.logs import get_logger

log = get_logger()


class Directory:
    """The version in force."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.access: Access | None = None

    @property
    def version(self) -> int:
        """0 until one is loaded."""
        return 0 if self.access is None else self.access.version

    async def check(self) -> None:
        """For readiness."""
        if self.access is None:
            raise NotReadyError("no directory was applied yet")

    async def load(self) -> None:
        """Takes up what was stored last. Raises one of database.TRANSIENT_ERRORS."""
        version = await self._repository.find_directory_version()
        if version is not None and version > self.version:
            self._use(build_access(version, await self._repository.list_source_keys()))

    async def follow(self, records: Sequence[ReceivedRecord]) -> None:
        """Handles a batch of the directory topic. Raises one of database.TRANSIENT_ERRORS."""
        snapshots = [snapshot for record in records if (snapshot := _parse(record)) is not None]
        if not snapshots:
            return
        newest = max(snapshots, key=lambda snapshot: snapshot.version)
        if newest.version < self.version:
            return
        keys = list_source_keys(newest)
        # In force before it is stored: a key that was withdrawn must not live on while PostgreSQL is away.
        if newest.version > self.version:
            self._use(build_access(newest.version, keys))
        await self._repository.replace_directory(newest.version, keys)

    def _use(self, access: Access) -> None:
        self.access = access
        log.info("directory.loaded", directory_version=access.version, source_count=len(access.callers))
        if access.shared_key_count:
            log.warning(
                "directory.key_shared", directory_version=access.version, key_count=access.shared_key_count
            )


def _parse(record: ReceivedRecord) -> DirectorySnapshot | None:
    if record.value is None:
        return None
    try:
        return DirectorySnapshot.model_validate_json(record.value)
    except ValidationError as error:
        log.error("directory.unreadable", topic=record.topic, offset=record.offset, exc_info=error)
        return None
