from typing import Any

import pytest

from schemas.directory import (
    DirectoryFile,
    endpoint_id,
    endpoint_seal_context,
    find_directory_errors,
    merge_directories,
)
from schemas.vocabulary import Confidentiality


def agency(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - the fields of a raw agency
    return {"id": "ag-kern-vsp", "name": "Services", "roles": ["VICTIM_SERVICES"], "counties": "*"} | fields


def errors_of(*agencies: dict[str, Any], sources: tuple[dict[str, Any], ...] = ()) -> dict[str, str]:
    directory = DirectoryFile.model_validate({"agencies": agencies, "sources": sources})
    return dict(find_directory_errors(directory.agencies, directory.sources))


@pytest.mark.parametrize(
    ("roles", "gate"),
    [
        (["LEA_LEAD"], Confidentiality.STANDARD),
        (["SART_HOSPITAL"], Confidentiality.MEDICAL),
        (["SHELTER"], Confidentiality.STRICT),
        (["LEA_LEAD", "SART_HOSPITAL"], Confidentiality.MEDICAL),
        (["SART_HOSPITAL", "IMMIGRATION_LEGAL"], Confidentiality.STRICT),
    ],
)
def test_an_undeclared_confidentiality_is_that_of_the_strictest_role(
    roles: list[str], gate: Confidentiality
) -> None:
    directory = DirectoryFile.model_validate({"agencies": [agency(roles=roles)]})
    assert directory.agencies[0].gate is gate


def test_a_stricter_confidentiality_may_be_declared_and_a_laxer_may_not() -> None:
    assert errors_of(agency(roles=["LEA_LEAD"], confidentiality="strict")) == {}
    assert errors_of(agency(confidentiality="medical")) == {
        "/agencies/0/confidentiality": "its roles demand strict"
    }


def test_an_agency_serves_its_counties_or_every_one() -> None:
    everywhere = DirectoryFile.model_validate({"agencies": [agency()]}).agencies[0]
    kern = DirectoryFile.model_validate({"agencies": [agency(counties=["06029"])]}).agencies[0]
    assert everywhere.serves("06019")
    assert kern.serves("06029")
    assert not kern.serves("06019")


def test_what_appears_twice_is_an_error_at_its_second_place() -> None:
    source = {"source": "urn:tocsin:agency:ag-kern-vsp:cms", "key": "tcs_" + "x" * 16, "types": ["*"]}
    assert set(errors_of(agency(), agency(), sources=(source, source))) == {
        "/agencies/1/id",
        "/sources/1/source",
        "/sources/1/key",
    }


def test_two_sources_of_one_key_are_an_error_at_the_second() -> None:
    first = {"source": "urn:tocsin:agency:ag-kern-vsp:cms", "key": "tcs_" + "x" * 16, "types": ["*"]}
    second = first | {"source": "urn:tocsin:agency:ag-kern-vsp:beds"}
    assert set(errors_of(agency(), sources=(first, second))) == {"/sources/1/key"}


def test_a_source_of_an_agency_that_is_not_there_is_an_error() -> None:
    source = {"source": "urn:tocsin:agency:ag-nobody:cms", "key": "tcs_" + "x" * 16, "types": ["*"]}
    assert set(errors_of(agency(), sources=(source,))) == {"/sources/0/source"}


def test_two_endpoints_of_one_url_are_an_error() -> None:
    endpoint = {"url": "https://a.example/hook", "secret": "whsec_" + "A" * 32}
    assert set(errors_of(agency(endpoints=[endpoint, endpoint]))) == {"/agencies/0/endpoints"}


def test_merging_replaces_fields_and_lists_and_keeps_the_rest() -> None:
    base = {"agencies": [agency(counties=["06029"]), agency(id="ag-bpd")], "sources": []}
    patch = {"agencies": [{"id": "ag-kern-vsp", "counties": ["06019"]}, agency(id="ag-new")]}
    merged = merge_directories(base, patch)
    assert [entry["id"] for entry in merged["agencies"]] == ["ag-kern-vsp", "ag-bpd", "ag-new"]
    assert merged["agencies"][0] == agency(counties=["06019"])
    assert base["agencies"][0]["counties"] == ["06029"]


def test_sources_merge_by_their_urn() -> None:
    urn = "urn:tocsin:agency:ag-bpd:cad"
    merged = merge_directories(
        {"sources": [{"source": urn, "types": ["*"]}]}, {"sources": [{"source": urn, "types": []}]}
    )
    assert merged["sources"] == [{"source": urn, "types": []}]


def test_an_endpoint_is_named_by_an_opaque_id_of_its_agency_and_url() -> None:
    name = endpoint_id(agency="ag-bpd", url="https://bpd.example/hook?token=secret")
    assert name == endpoint_id(agency="ag-bpd", url="https://bpd.example/hook?token=secret")
    assert name != endpoint_id(agency="ag-da", url="https://bpd.example/hook?token=secret")
    assert "bpd" not in name
    assert endpoint_seal_context(agency="ag-bpd", endpoint=name)[1:] == ("ag-bpd", name)
