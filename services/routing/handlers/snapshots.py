"""From a directory file to the version that services keep: keys hashed, secrets sealed, nobody forgotten."""

from collections.abc import Iterator
from datetime import datetime

import orjson

from schemas.directory import (
    Agency,
    AgencyRecord,
    DirectoryFile,
    DirectorySnapshot,
    Endpoint,
    EndpointRecord,
    SourceRecord,
    endpoint_id,
    endpoint_seal_context,
)
from schemas.vocabulary import AgencyStatus, Role
from services.runtime.crypto import derive_key, hash_api_key, keyed_digest, seal

PURPOSE = "directory"
"""What the key of the endpoints' secrets is derived for."""


def derive_directory_key(deployment_key: bytes) -> bytes:
    return derive_key(deployment_key, PURPOSE)


def digest_file(file: DirectoryFile, *, directory_key: bytes) -> bytes:
    """Tells whether two files say the same; keyed, since secrets go into it."""
    canonical = orjson.dumps(file.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return keyed_digest(directory_key, canonical)


def build_snapshot(
    file: DirectoryFile,
    previous: DirectorySnapshot | None,
    *,
    version: int,
    applied_at: datetime,
    directory_key: bytes,
) -> DirectorySnapshot:
    """Agencies that the file does not name any more stay, offboarded."""
    named = {agency.id for agency in file.agencies}
    left = [] if previous is None else [agency for agency in previous.agencies if agency.id not in named]
    return DirectorySnapshot(
        version=version,
        applied_at=applied_at,
        agencies=[
            *(_agency_record(agency, directory_key) for agency in file.agencies),
            *(_offboard(agency) for agency in left),
        ],
        sources=[
            SourceRecord(source=source.source, key_hash=hash_api_key(source.key), types=source.types)
            for source in file.sources
        ],
    )


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


def _agency_record(agency: Agency, directory_key: bytes) -> AgencyRecord:
    profile = agency.model_dump(exclude={"endpoints", "keys"}, exclude_none=True)
    return AgencyRecord(
        **profile,
        endpoints=[_endpoint_record(agency.id, endpoint, directory_key) for endpoint in agency.endpoints],
        key_hashes=[hash_api_key(key) for key in agency.keys],
    )


def _endpoint_record(agency: str, endpoint: Endpoint, directory_key: bytes) -> EndpointRecord:
    name = endpoint_id(agency=agency, url=endpoint.url)
    context = endpoint_seal_context(agency=agency, endpoint=name)
    return EndpointRecord(
        endpoint_id=name,
        url=endpoint.url,
        content=endpoint.content,
        secret_sealed=seal(directory_key, endpoint.secret.encode(), context=context),
    )


def _offboard(agency: AgencyRecord) -> AgencyRecord:
    """Nothing is sent there any more, and its keys open nothing."""
    left = {"status": AgencyStatus.OFFBOARDED, "endpoints": [], "key_hashes": []}
    return agency.model_copy(update=left)


def _is_active(agency: AgencyRecord) -> bool:
    return agency.status is AgencyStatus.ACTIVE
