"""From a directory file to the version that services keep: keys hashed, secrets sealed, nobody forgotten."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from schemas.case_event import FieldError
from schemas.directory import (
    Agency,
    AgencyRecord,
    DirectoryFile,
    DirectorySnapshot,
    EndpointRecord,
    SourceRecord,
)
from schemas.vocabulary import AgencyStatus, Role
from services.routing.handlers.directory_files import InvalidDirectoryError
from services.routing.handlers.endpoint_secrets import Renewed, SecretKeeper, SecretMissingError
from services.runtime.crypto import SigningKeyError, derive_key, hash_api_key, keyed_digest

PURPOSE = "directory"
"""What the key of the endpoints' secrets is derived for."""

_PUBLISHING_TAKES: Final = 2
"""One who publishes, and another who approves."""


def derive_directory_key(deployment_key: bytes) -> bytes:
    return derive_key(deployment_key, PURPOSE)


def digest_file(file: DirectoryFile, *, directory_key: bytes) -> bytes:
    """Tells whether two files say the same; keyed, since secrets go into it."""
    canonical = orjson.dumps(file.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return keyed_digest(directory_key, canonical)


@dataclass(frozen=True, slots=True)
class Built:
    """A version, and what of the file it passes over."""

    snapshot: DirectorySnapshot
    warnings: tuple[str, ...]


def build_snapshot(
    file: DirectoryFile,
    previous: DirectorySnapshot | None,
    *,
    version: int,
    applied_at: datetime,
    directory_key: bytes,
) -> Built:
    """Agencies that the file does not name any more stay, offboarded. Raises InvalidDirectoryError."""
    endpoints = _renew_endpoints(file, previous, keeper=SecretKeeper(directory_key), now=applied_at)
    named = {agency.id for agency in file.agencies}
    kept = _list_added(file, previous)
    left = [] if previous is None else [agency for agency in previous.agencies if agency.id not in named]
    snapshot = DirectorySnapshot(
        version=version,
        applied_at=applied_at,
        agencies=[
            *(
                _agency_record(agency, endpoints[agency.id], kept.get(agency.id, ()))
                for agency in file.agencies
            ),
            *(_offboard(agency) for agency in left),
        ],
        sources=[
            SourceRecord(source=source.source, key_hash=source.hash or "", types=source.types)
            for source in file.sources
        ],
        operators=file.operators,
    )
    return Built(snapshot, (*_list_stale(endpoints), *_list_kept(kept)))


def render_snapshot(snapshot: DirectorySnapshot) -> str:
    """JSON as on the topic: what is absent is left out, since null is refused."""
    return snapshot.model_dump_json(exclude_none=True)


def find_warnings(snapshot: DirectorySnapshot, previous: DirectorySnapshot | None) -> Iterator[str]:
    """What is allowed and probably not meant."""
    before = set() if previous is None else {agency.id for agency in previous.agencies if _is_active(agency)}
    active = [agency for agency in snapshot.agencies if _is_active(agency)]
    for agency in snapshot.agencies:
        if agency.id in before and not _is_active(agency):
            yield f"{agency.id} is offboarded now: it is told nothing more"
    if not any(Role.TF_COORDINATOR in agency.roles for agency in active):
        yield "no active agency is TF_COORDINATOR: of a problem nobody could be told"
    if len(snapshot.operators) < _PUBLISHING_TAKES:
        yield "fewer than two operators: a protocol that one publishes nobody else can approve"
    for agency in active:
        yield from _agency_warnings(agency, snapshot.applied_at)


def _agency_warnings(agency: AgencyRecord, now: datetime) -> Iterator[str]:
    if agency.external:
        return
    if agency.agreement_until is None:
        yield f"{agency.id} has no agreement_until: it is told only what the law orders"
    elif agency.agreement_until < now:
        yield f"{agency.id}: its agreement has ended, it is told only what the law orders"
    if not (agency.endpoints or agency.contacts or agency.key_hashes):
        yield f"{agency.id} has no endpoint, no contact and no key: nothing can reach it"


def _renew_endpoints(
    file: DirectoryFile, previous: DirectorySnapshot | None, *, keeper: SecretKeeper, now: datetime
) -> dict[str, list[Renewed]]:
    before = {
        (agency.id, endpoint.url): endpoint
        for agency in ([] if previous is None else previous.agencies)
        for endpoint in agency.endpoints
    }
    renewed: dict[str, list[Renewed]] = {agency.id: [] for agency in file.agencies}
    faults = []
    for place, agency in enumerate(file.agencies):
        for index, endpoint in enumerate(agency.endpoints):
            path = f"/agencies/{place}/endpoints/{index}"
            try:
                renewed[agency.id].append(
                    keeper.renew(agency.id, endpoint, before.get((agency.id, endpoint.url)), now=now)
                )
            except SecretMissingError:
                faults.append(FieldError(f"{path}/secret", "a new endpoint needs its secret"))
            except SigningKeyError as error:
                faults.append(FieldError(f"{path}/signing_key", str(error)))
    if faults:
        raise InvalidDirectoryError(faults)
    return renewed


def _list_stale(endpoints: Mapping[str, Sequence[Renewed]]) -> Iterator[str]:
    for agency, renewed in endpoints.items():
        for each in renewed:
            for kind in each.stale:
                yield (
                    f"{agency}: the {kind.value} of {each.record.endpoint_id} was replaced before; what"
                    " replaced it stays in force"
                )


def _list_added(
    file: DirectoryFile, previous: DirectorySnapshot | None
) -> Mapping[str, Sequence[EndpointRecord]]:
    """What was added by itself and the file does not name: nobody meant to take it away."""
    before = {} if previous is None else {agency.id: agency.endpoints for agency in previous.agencies}
    return {
        agency.id: [
            endpoint
            for endpoint in before.get(agency.id, ())
            if endpoint.added and endpoint.url not in {named.url for named in agency.endpoints}
        ]
        for agency in file.agencies
        if agency.status is AgencyStatus.ACTIVE and not agency.external
    }


def _list_kept(kept: Mapping[str, Sequence[EndpointRecord]]) -> Iterator[str]:
    for agency, endpoints in kept.items():
        for endpoint in endpoints:
            yield (
                f"{agency}: {endpoint.endpoint_id} was added by itself and stays; name it in the file, or "
                "take it out with `tocsin endpoint remove`"
            )


def _agency_record(
    agency: Agency, endpoints: Sequence[Renewed], kept: Sequence[EndpointRecord]
) -> AgencyRecord:
    profile = agency.model_dump(exclude={"endpoints", "keys", "key_hashes"}, exclude_none=True)
    hashes = [*(hash_api_key(key) for key in agency.keys), *agency.key_hashes]
    return AgencyRecord(
        **profile,
        endpoints=[*(each.record for each in endpoints), *kept],
        key_hashes=list(dict.fromkeys(hashes)),
    )


def _offboard(agency: AgencyRecord) -> AgencyRecord:
    """Nothing is sent there any more, and its keys open nothing."""
    left = {"status": AgencyStatus.OFFBOARDED, "endpoints": [], "key_hashes": []}
    return agency.model_copy(update=left)


def _is_active(agency: AgencyRecord) -> bool:
    return agency.status is AgencyStatus.ACTIVE
