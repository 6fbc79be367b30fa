"""Faults of a directory file: all of them, by path."""

from typing import Any

import orjson
import pytest

from services.routing.handlers.directory_files import InvalidDirectoryError, parse_directory

AGENCY: dict[str, Any] = {"id": "ag-a", "name": "A", "roles": ["LEA_LEAD"], "counties": "*"}


def faults(document: object) -> dict[str, str]:
    with pytest.raises(InvalidDirectoryError) as raised:
        parse_directory(orjson.dumps(document))
    return {error.path: error.message for error in raised.value.errors}


def test_a_good_file_is_read() -> None:
    assert [agency.id for agency in parse_directory(orjson.dumps({"agencies": [AGENCY]})).agencies] == [
        "ag-a"
    ]


def test_an_unknown_key_is_refused_where_it_stands() -> None:
    assert faults({"agencies": [{**AGENCY, "nmae": "x"}]}) == {"/agencies/0/nmae": "unknown key"}


def test_a_county_that_lost_its_zero_is_refused_whichever_way_it_is_read() -> None:
    assert set(faults({"agencies": [{**AGENCY, "counties": [6029]}]})) == {
        "/agencies/0/counties",
        "/agencies/0/counties/0",
    }


def test_the_paths_are_of_the_file_and_not_of_our_types() -> None:
    assert not any(
        "[" in path or "literal" in path for path in faults({"agencies": [{**AGENCY, "counties": 7}]})
    )


def test_contradictions_are_found_once_the_form_is_right() -> None:
    twice = {"agencies": [AGENCY, AGENCY], "sources": []}

    assert faults(twice) == {"/agencies/1/id": "this agency appears twice"}


def test_a_file_that_extends_the_sample_must_be_merged_before_it_is_sent() -> None:
    assert set(faults({"extends": "sample", "agencies": []})) == {"/extends"}
