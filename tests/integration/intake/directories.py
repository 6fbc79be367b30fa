"""The task force of these tests: who may send what, and with which key."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from schemas.directory import AgencyRecord, DirectorySnapshot, SourceRecord
from schemas.vocabulary import AgencyStatus, EventType, Role
from services.runtime.crypto import hash_api_key

POLICE = "urn:tocsin:agency:ag-bpd:cad"
ADVOCATES = "urn:tocsin:agency:ag-kern-vsp:crm"
FORMER = "urn:tocsin:agency:ag-former:cad"
NOBODY = "urn:tocsin:agency:ag-nobody:cad"

Types = Sequence[Literal["*"] | EventType]

TYPES: dict[str, Types] = {
    POLICE: ["*"],
    ADVOCATES: [EventType.CONSENT_GRANTED, EventType.SHELTER_BED_NEEDED],
    FORMER: ["*"],
    NOBODY: ["*"],
}


def key_of(source: str) -> str:
    return "tcs_" + source.rpartition("agency:")[2].replace(":", "_") + "_0123456789"


def source_record(source: str, *, types: Types = ("*",), key: str | None = None) -> SourceRecord:
    return SourceRecord(source=source, key_hash=hash_api_key(key or key_of(source)), types=list(types))


def build_snapshot(version: int = 1, *, sources: Sequence[SourceRecord] = ()) -> DirectorySnapshot:
    """The standing sources and others; `ag-former` has left, `ag-nobody` never was a member."""
    agencies = {"ag-former": AgencyStatus.OFFBOARDED}
    standing = [source_record(source, types=types) for source, types in TYPES.items()]
    for record in [*standing, *sources]:
        agencies.setdefault(record.source.split(":")[3], AgencyStatus.ACTIVE)
    del agencies["ag-nobody"]
    return DirectorySnapshot(
        version=version,
        applied_at=datetime(2026, 3, 1, tzinfo=UTC),
        agencies=[
            AgencyRecord(id=name, name=name, roles=[Role.LEA_LOCAL], counties="*", status=status)
            for name, status in agencies.items()
        ],
        sources=[*standing, *sources],
    )
