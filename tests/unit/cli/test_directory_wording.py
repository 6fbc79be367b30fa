"""The directory in words: who is told, by which paths, and who hears of an exercise."""

from collections.abc import Mapping
from typing import Any

from services.cli.registering.directory_wording import render_directory, select

CONTACT = {"rung": "primary", "email": "duty@cw.example", "exercises": False}
ENDPOINT = {
    "endpoint_id": "ep_0123456789abcdef",
    "url": "https://cw.example",
    "content": "pointer",
    "exercises": True,
    "public_key": "whpk_a",
}
AGENCY = {
    "id": "ag-cw",
    "name": "Child Welfare (sample)",
    "roles": ["CHILD_WELFARE"],
    "counties": ["06029", "06019"],
    "external": False,
    "status": "active",
    "agreement_until": "2027-12-31T23:59:59-08:00",
    "contacts": [CONTACT],
    "endpoints": [ENDPOINT],
}


def words(*, only_exercises: bool = False, **changes: object) -> list[str]:
    view = {"version": 3, "applied_at": "2026-11-26T09:01:45Z", "agencies": [{**AGENCY, **changes}]}
    return list(render_directory(view, only_exercises=only_exercises))


def test_an_agency_is_shown_with_its_paths_and_what_they_are_called_elsewhere() -> None:
    assert words() == [
        "Directory version 3, in force since 2026-11-26 09:01:45 UTC",
        "ag-cw: Child Welfare (sample)",
        "  CHILD_WELFARE in 06029, 06019; agreement until 2028-01-01 07:59:59 UTC",
        "  primary contact: duty@cw.example",
        "  endpoint ep_0123456789abcdef: https://cw.example, pointer, exercises too, verified by whpk_a",
    ]


def test_of_an_exercise_only_those_paths_are_shown_that_accept_one() -> None:
    assert [line.split(":")[0] for line in words(only_exercises=True)[3:]] == [
        "  endpoint ep_0123456789abcdef"
    ]
    assert words(only_exercises=True, endpoints=[])[3:] == ["  hears of no exercise"]


def test_who_has_no_path_is_shown_as_such() -> None:
    assert words(contacts=[], endpoints=[])[3:] == ["  no path: it only learns what it asks for"]


def test_standing_is_shown() -> None:
    assert words(status="offboarded")[2].endswith("; offboarded")
    assert words(agreement_until=None)[2].endswith("; no agreement")
    external = words(external=True, counties="*", contacts=[], endpoints=[], agreement_until=None)
    assert external[2:] == [
        "  CHILD_WELFARE in every county; external body",
        "  told by whoever holds the duty",
    ]


def test_one_agency_can_be_chosen() -> None:
    view: Mapping[str, Any] = {"version": 3, "agencies": [AGENCY, {**AGENCY, "id": "ag-other"}]}
    assert [each["id"] for each in select(view, agency="ag-other")["agencies"]] == ["ag-other"]
    assert select(view, agency="ag-nobody")["agencies"] == []
