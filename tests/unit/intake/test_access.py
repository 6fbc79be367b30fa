"""Who may send what, from the directory."""

from datetime import UTC, datetime

from schemas.directory import AgencyRecord, DirectorySnapshot, SourceRecord
from schemas.vocabulary import AgencyStatus, EventType, Role
from services.intake.ingress.access import Access, build_access, list_source_keys


def access_of(*sources: SourceRecord, **agencies: AgencyStatus) -> Access:
    snapshot = DirectorySnapshot(
        version=7,
        applied_at=datetime(2026, 3, 1, tzinfo=UTC),
        agencies=[
            AgencyRecord(
                id=name.replace("_", "-"), name=name, roles=[Role.LEA_LOCAL], counties="*", status=status
            )
            for name, status in agencies.items()
        ],
        sources=list(sources),
    )
    return build_access(snapshot.version, list_source_keys(snapshot))


def source(name: str, key_hash: str, types: list[EventType] | None = None) -> SourceRecord:
    urn = f"urn:tocsin:agency:{name}:cad"
    return SourceRecord(source=urn, key_hash=key_hash, types=[*types] if types else ["*"])


def test_a_key_tells_its_source() -> None:
    access = access_of(source("ag-a", "k1"), source("ag-b", "k2"), ag_a=AgencyStatus.ACTIVE)
    found = access.find_caller("k1")
    assert found is not None
    assert (found.source, found.is_active) == ("urn:tocsin:agency:ag-a:cad", True)
    assert access.find_caller("k3") is None


def test_a_star_means_every_type_and_a_list_just_those() -> None:
    access = access_of(source("ag-a", "k1"), source("ag-a", "k2", [EventType.TIP_RECEIVED]))
    every, one = access.callers["k1"], access.callers["k2"]
    assert all(every.may_send(kind) for kind in EventType)
    assert [kind for kind in EventType if one.may_send(kind)] == [EventType.TIP_RECEIVED]


def test_a_source_of_an_offboarded_or_unknown_agency_is_not_active() -> None:
    access = access_of(
        source("ag-a", "k1"), source("ag-b", "k2"), source("ag-c", "k3"),
        ag_a=AgencyStatus.ACTIVE, ag_b=AgencyStatus.OFFBOARDED,
    )  # fmt: skip
    assert {key: caller.is_active for key, caller in access.callers.items()} == {
        "k1": True,
        "k2": False,
        "k3": False,
    }


def test_a_key_that_two_sources_share_opens_neither() -> None:
    access = access_of(source("ag-a", "k1"), source("ag-b", "k1"), source("ag-c", "k2"))
    assert (list(access.callers), access.shared_key_count) == (["k2"], 1)
