"""The case as a value: what it keeps, that it survives being written, that it holds no value of a group."""

import json

from services.routing.case_state import CaseState, read_case_state, write_case_state
from tests.unit.routing.building import CHILD, CSE
from tests.unit.routing.story import Story

MARK = "MARK-of-a-value"


def full_story() -> Story:
    story = Story()
    story.consent(["VICTIM_SERVICES"], ["name"], granted_by="parent", part2=True)
    story.tell(
        "victim.potential_identified",
        "ag-kern-sart",
        **CHILD,
        **CSE,
        name={"full": MARK},
        narrative={"text": MARK},
        location={"address": MARK},
        suspect={"name": MARK, "employer_agency": "ag-bpd"},
    )
    story.wait(hours=4)
    story.climb("ag-kern-cw", "e2")
    story.tell("event.retracted", "ag-kern-da", "e9", retracts="e8")
    story.revoke()
    return story


def test_it_is_the_same_after_being_written_and_read() -> None:
    case = full_story().case
    assert case.overtaken
    assert case.reliances
    assert read_case_state(write_case_state(case)) == case
    assert read_case_state(write_case_state(CaseState.empty())) == CaseState.empty()


def test_a_case_of_which_little_is_known_is_short() -> None:
    assert write_case_state(CaseState.empty()) == b"{}"
    assert json.loads(write_case_state(CaseState(conflicts=frozenset({"ag-bpd"})))) == {
        "conflicts": ["ag-bpd"]
    }


def test_what_was_written_before_there_was_more_can_be_read() -> None:
    assert read_case_state(b'{"conflicts": ["ag-bpd"]}').conflicts == {"ag-bpd"}


def test_it_holds_no_value_of_a_group_and_no_date_of_birth() -> None:
    written = write_case_state(full_story().case).decode()
    assert MARK not in written
    assert CHILD["date_of_birth"] not in written
    assert "2029-05-05" in written  # the 18th birthday, which consents given by others end on


def test_a_decision_from_what_was_read_is_that_from_what_was_kept() -> None:
    kept, read = full_story(), full_story()
    read.case = read_case_state(write_case_state(read.case))
    for story in (kept, read):
        story.tell("victim.potential_identified", "ag-kern-sart", corrects="e2", **CHILD)
    assert kept.case == read.case


def test_a_row_that_climbs_no_more_keeps_only_what_a_correction_needs() -> None:
    story = Story()
    story.tell("child.missing_from_care", "ag-kern-cw", **CHILD)
    rows = {row.agency: row for row in story.case.events[-1].rows}
    assert [share.rule for share in rows["ag-kern-so"].shares] == ["F-02", "F-03"]
    assert (rows["ext-ncmec"].stopped, rows["ext-ncmec"].shares) == (True, ())
    story.acknowledge("ag-kern-so", "e1", "ag-kern-cw")
    stopped = {row.agency: row for row in story.case.events[-1].rows}["ag-kern-so"]
    assert (stopped.stopped, stopped.shares) == (True, ())
    assert {duty.rule for duty in stopped.duties} == {"F-02", "F-03"}
