"""Keeping up with the directory: in memory for every attempt, in PostgreSQL for a start without Kafka."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from schemas.directory import DirectorySnapshot
from services.notify.directory import Directory, build_view
from services.notify.repository.directory import DirectoryRepository
from services.notify.repository.sessions import SessionRepository
from services.runtime.health import NotReadyError
from services.runtime.kafka import ReceivedRecord
from services.runtime.logs import get_logger

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryKeeper:
    """Raises one of database.TRANSIENT_ERRORS when PostgreSQL is away."""

    directory: Directory
    repository: DirectoryRepository
    directory_key: bytes
    sessions: SessionRepository

    async def check(self) -> None:
        """For readiness."""
        if self.directory.view.version == 0:
            raise NotReadyError("no directory was applied yet")

    async def load(self) -> None:
        """Takes up what was stored last."""
        kept = await self.repository.find()
        snapshot = None if kept is None else _parse(kept, topic=None, offset=None)
        if snapshot is not None:
            await self._use(snapshot)
            await self._end_sessions()

    async def follow(self, records: Sequence[ReceivedRecord]) -> None:
        """Handles a batch of the directory topic."""
        read = [_parse(record.value or b"", topic=record.topic, offset=record.offset) for record in records]
        snapshots = [snapshot for snapshot in read if snapshot is not None]
        newest = max(snapshots, key=lambda snapshot: snapshot.version, default=None)
        if newest is None or newest.version < self.directory.view.version:
            return
        # In force before it is stored: what was withdrawn must not live on while PostgreSQL is away.
        # Read again when it is back, it is in force already, and still to be stored.
        if newest.version > self.directory.view.version:
            await self._use(newest)
        await self.repository.replace(newest)
        await self._end_sessions()

    async def _end_sessions(self) -> None:
        """Of contacts that are gone, lest they live on should the contact come back."""
        ended = await self.sessions.end_all_but(self.directory.view.contact_ids)
        if ended:
            log.info("sessions.ended", session_count=ended)

    async def _use(self, snapshot: DirectorySnapshot) -> None:
        view = build_view(snapshot, directory_key=self.directory_key)
        await self.directory.replace(view)
        log.info(
            "directory.loaded",
            directory_version=view.version,
            agency_count=len(view.agencies),
            endpoint_count=len(view.endpoints),
        )
        for endpoint_id in view.keyless_endpoints:
            log.error("directory.secret_unreadable", directory_version=view.version, endpoint_id=endpoint_id)


def _parse(document: bytes, *, topic: str | None, offset: int | None) -> DirectorySnapshot | None:
    try:
        return DirectorySnapshot.model_validate_json(document)
    except ValidationError as error:
        log.error("directory.unreadable", topic=topic, offset=offset, exc_info=error)
        return None
