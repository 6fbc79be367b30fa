"""Endpoints that passed their probes at notify, taken into the directory; and taken out again."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from schemas.alert import Concern
from schemas.directory import AgencyRecord, DirectorySnapshot, EndpointRecord
from schemas.receipt import EndpointAdded
from schemas.vocabulary import AgencyStatus
from services.routing.decision import Directory
from services.routing.handlers.directories import Change, DirectoryDesk, NoDirectoryError
from services.routing.handlers.lines import write_lines
from services.routing.handlers.noticing import Notices, Told
from services.routing.handlers.sending import Sender
from services.routing.notices import endpoint_removed
from services.runtime.database import Connection
from services.runtime.kafka import PublishError
from services.runtime.logs import get_logger

log = get_logger()


class UnknownEndpointError(Exception):
    """The directory in force has no such endpoint of this agency."""


class _NothingToChangeError(Exception):
    """The agency has another at this address."""


class _UnwantedError(Exception):
    """Its agency is not there any more."""


class Enroller:
    """Each a version of the directory of its own, published like every other."""

    def __init__(self, desk: DirectoryDesk, notices: Notices, sender: Sender) -> None:
        self._desk = desk
        self._notices = notices
        self._sender = sender

    async def enrol(self, added: Sequence[EndpointAdded]) -> list[EndpointAdded]:
        """Those that are in the directory, or were.

        Doing it twice changes nothing, nor long after: what was taken out since does not come back. Raises
        one of database.TRANSIENT_ERRORS or PublishError.
        """
        enrolled = []
        for each in added:
            about = {"agency": each.agency, "endpoint_id": each.endpoint.endpoint_id, "operator": each.by}
            if await self._desk.has_had(each.endpoint):
                # Perhaps it was stored, and publishing it failed.
                await self._desk.publish_again()
                enrolled.append(each)
                continue
            try:
                snapshot = await self._desk.amend(_adding(each), operator=each.by)
            except (_NothingToChangeError, _UnwantedError, NoDirectoryError):
                log.warning("endpoint.not_added", **about)
            else:
                log.info("endpoint.added", directory_version=snapshot.version, **about)
                enrolled.append(each)
        return enrolled

    async def remove(self, agency: str, endpoint_id: str, *, operator: str) -> int:
        """The version without it; who must know is told.

        Raises as `amend`, and UnknownEndpointError once all know that there is no such endpoint.
        """
        told = Told()

        def change(snapshot: DirectorySnapshot, _: datetime) -> list[AgencyRecord]:
            record = _find(snapshot, agency)
            kept = [] if record is None else [e for e in record.endpoints if e.endpoint_id != endpoint_id]
            if record is None or len(kept) == len(record.endpoints):
                raise UnknownEndpointError
            return _with_endpoints(snapshot, record, kept)

        async def tell(connection: Connection, snapshot: DirectorySnapshot) -> None:
            nonlocal told
            concern = Concern(agency=agency, endpoint_id=endpoint_id)
            notice = endpoint_removed(concern, endpoint_id=endpoint_id, at=snapshot.applied_at)
            directory = Directory(snapshot.agencies, version=snapshot.version)
            told = await self._notices.tell_of(connection, notice, directory)

        try:
            snapshot = await self._desk.amend(change, operator=operator, also=tell)
        except UnknownEndpointError:
            # Perhaps it was taken out just before, and publishing that failed.
            await self._desk.publish_again()
            raise
        log.info(
            "endpoint.removed",
            directory_version=snapshot.version,
            agency=agency,
            endpoint_id=endpoint_id,
            operator=operator,
        )
        write_lines(told.lines)
        # What cannot be published now is published by the hand-over.
        with suppress(PublishError):
            await self._sender.send(told.messages)
        return snapshot.version


def _adding(added: EndpointAdded) -> Change:
    """The change that one receipt asks for."""

    def change(snapshot: DirectorySnapshot, _: datetime) -> list[AgencyRecord]:
        record = _find(snapshot, added.agency)
        if record is None or record.external or record.status is not AgencyStatus.ACTIVE:
            raise _UnwantedError
        if added.endpoint.endpoint_id in {endpoint.endpoint_id for endpoint in record.endpoints}:
            raise _NothingToChangeError
        return _with_endpoints(snapshot, record, [*record.endpoints, added.endpoint])

    return change


def _find(snapshot: DirectorySnapshot, agency: str) -> AgencyRecord | None:
    return next((record for record in snapshot.agencies if record.id == agency), None)


def _with_endpoints(
    snapshot: DirectorySnapshot, record: AgencyRecord, endpoints: Sequence[EndpointRecord]
) -> list[AgencyRecord]:
    changed = record.model_copy(update={"endpoints": list(endpoints)})
    return [changed if other is record else other for other in snapshot.agencies]
