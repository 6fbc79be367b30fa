"""A fresh secret for an endpoint, while the one before signs on until its receiver has changed over."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.directory import AgencyRecord, DirectorySnapshot
from services.routing.handlers.directories import DirectoryDesk
from services.routing.handlers.endpoint_secrets import Rotated, SecretKeeper, SecretKind
from services.runtime.logs import get_logger

log = get_logger()


class UnknownEndpointError(Exception):
    """The directory in force has no such endpoint of this agency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What the operator hands on. `shown` is not to be had a second time."""

    version: int
    endpoint_id: str
    kind: SecretKind
    shown: str
    retires_at: datetime


class Rotator:
    """Rotates through the directory: a version of its own, published like every other."""

    def __init__(self, desk: DirectoryDesk, *, directory_key: bytes) -> None:
        self._desk = desk
        self._keeper = SecretKeeper(directory_key)

    async def rotate(
        self, agency: str, endpoint: str, kind: SecretKind, *, overlap: timedelta, operator: str
    ) -> Rotation:
        """Raises as DirectoryDesk.amend, and UnknownEndpointError."""
        found: list[Rotated] = []

        def change(snapshot: DirectorySnapshot, now: datetime) -> list[AgencyRecord]:
            agencies = list(snapshot.agencies)
            place, record = _find(agencies, agency, endpoint)
            rotated = self._keeper.rotate(agency, record.endpoints[place], kind, now=now, overlap=overlap)
            found.append(rotated)
            endpoints = [*record.endpoints[:place], rotated.record, *record.endpoints[place + 1 :]]
            agencies[agencies.index(record)] = record.model_copy(update={"endpoints": endpoints})
            return agencies

        snapshot = await self._desk.amend(change, operator=operator)
        log.info(
            "endpoint.rotated",
            directory_version=snapshot.version,
            agency=agency,
            endpoint_id=endpoint,
            kind=kind.value,
            operator=operator,
        )
        return Rotation(
            version=snapshot.version,
            endpoint_id=endpoint,
            kind=kind,
            shown=found[0].shown,
            retires_at=snapshot.applied_at + overlap,
        )


def _find(agencies: list[AgencyRecord], agency: str, endpoint: str) -> tuple[int, AgencyRecord]:
    for record in agencies:
        for place, kept in enumerate(record.endpoints):
            if (record.id, kept.endpoint_id) == (agency, endpoint):
                return place, record
    raise UnknownEndpointError
