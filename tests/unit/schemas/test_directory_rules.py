"""What a directory's shape alone cannot tell."""

from schemas.directory import AgencyProfile, Source, find_directory_errors, merge_directories


def _agency(**fields: object) -> AgencyProfile:
    return AgencyProfile.model_validate(
        {"id": "ag-a", "name": "A", "roles": ["LEA_LEAD"], "counties": ["06029"], **fields}
    )


def _source(urn: str = "urn:tocsin:agency:ag-a:cms", *, key: str = "tcs_" + "a" * 32) -> Source:
    return Source.model_validate({"source": urn, "key": key, "types": ["*"]})


def _paths(agencies: list[AgencyProfile], sources: list[Source]) -> list[str]:
    return [path for path, _ in find_directory_errors(agencies, sources)]


def test_a_sound_directory_has_no_errors() -> None:
    assert _paths([_agency()], [_source()]) == []


def test_an_agency_or_a_source_that_appears_twice_is_an_error() -> None:
    assert _paths([_agency(), _agency()], []) == ["/agencies/1/id"]
    again = _source(key="tcs_" + "b" * 32)
    assert _paths([_agency()], [_source(), again]) == ["/sources/1/source"]


def test_two_sources_may_not_share_a_key() -> None:
    other = _source("urn:tocsin:agency:ag-a:cad")
    assert _paths([_agency()], [_source(), other]) == ["/sources/1/key"]


def test_a_source_belongs_to_an_agency_of_the_directory() -> None:
    assert _paths([_agency()], [_source("urn:tocsin:agency:ag-b:cms")]) == ["/sources/0/source"]


def test_an_advocate_cannot_declare_itself_lax() -> None:
    lax = _agency(roles=["VICTIM_SERVICES"], confidentiality="standard")
    assert _paths([lax], []) == ["/agencies/0/confidentiality"]


def test_a_patch_merges_by_agency_and_field_and_a_list_replaces() -> None:
    base = {
        "agencies": [{"id": "a", "name": "A", "roles": ["X", "Y"]}, {"id": "b", "name": "B"}],
        "sources": [],
    }
    patch = {"agencies": [{"id": "a", "roles": ["Z"]}, {"id": "c", "name": "C"}]}
    merged = merge_directories(base, patch)
    assert merged["agencies"] == [
        {"id": "a", "name": "A", "roles": ["Z"]},
        {"id": "b", "name": "B"},
        {"id": "c", "name": "C"},
    ]
