"""The fault suite itself: its plan follows from the seed, and its verdict sees each kind of wrong."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
import pytest

from tests.faults.case_verdict import SLACK_SECONDS
from tests.faults.evidence import Evidence, Ledgered
from tests.faults.load import Acknowledged, Case
from tests.faults.plan import Kill, Restart, Size, Way, count_kills, count_restarts, plan_faults
from tests.faults.stories import Row, Story, load_stories, rename_row
from tests.faults.verdict import judge
from tests.faults.witnesses import Heard, Letter
from tests.support.story import CHILD_WELFARE
from tests.support.task_force import POINTER

SIZE = Size(kills=40, restarts=6, others=10, seconds=100)
AGENCIES = ("ag-bpd", "ag-kern-cw")
LONG = SLACK_SECONDS + 1


@cache
def stories() -> dict[str, Story]:
    return {story.name: story for story in load_stories()}


def test_a_plan_follows_from_its_seed() -> None:
    plan = plan_faults(7, SIZE, agencies=AGENCIES)
    assert plan == plan_faults(7, SIZE, agencies=AGENCIES)
    assert plan != plan_faults(8, SIZE, agencies=AGENCIES)


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_holds_what_was_asked_for(seed: int) -> None:
    plan = plan_faults(seed, SIZE, agencies=AGENCIES)
    faults = [planned.fault for planned in plan]
    assert (count_kills(plan), count_restarts(plan)) == (40, 6)
    assert {name for fault in faults if isinstance(fault, Kill) for name in fault.names} == {
        "intake",
        "routing",
        "notify",
    }
    unsent = [fault for fault in faults if isinstance(fault, Kill) and fault.is_unsent]
    assert unsent
    assert all("routing" in fault.names for fault in unsent)
    assert {(fault.name, fault.way) for fault in faults if isinstance(fault, Restart)} == {
        (name, way) for name in ("kafka", "postgres") for way in Way
    }
    assert 70 < sum(planned.pause for planned in plan) < 130


def hear(row: Row, *, at: float, alert_id: str, endpoint: str | None = None, **data: object) -> Heard:
    told = {
        "event_id": row.event,
        "agency": row.agency,
        "role": row.role,
        "kind": row.kind,
        "rules": sorted(row.rules),
        "urgency": row.urgency,
        "escalation": row.escalation,
        "disclosed": dict.fromkeys(row.disclosed, "x"),
        "replaces": None,
        **({} if row.reason is None else {"reason": row.reason}),
        **data,
    }
    event = {"type": "org.tocsin.alert.v1", "time": datetime.fromtimestamp(at, UTC).isoformat(), "data": told}
    name = endpoint or row.agency
    return Heard(name, row.agency, at, f"{alert_id}_1", orjson.dumps(event), is_sound=True)


def hear_of_duty(event: str, agency: str, *, alert_id: str) -> Heard:
    told = {"type": "org.tocsin.duty.v1", "data": {"event_id": event, "agency": agency}}
    return Heard(agency, agency, 2.0, f"{alert_id}_1", orjson.dumps(told), is_sound=True)


def replace_named(one: Heard, heard: Sequence[Heard]) -> Heard:
    """A cancel that names what its agency heard last before it."""
    if one.data["kind"] != "cancel":
        return one
    earlier = [other.alert_id for other in heard if other.agency == one.agency and other.at < one.at]
    told = {**one.event, "data": {**one.data, "replaces": earlier[-1]}}
    return replace(one, body=orjson.dumps(told))


def tell_well(name: str) -> Evidence:
    """Everything that one story comes to, as it should be; event n was accepted at second n."""
    story = stories()[name]
    case = Case("f0", story, [float(index) for index in range(len(story.events))])
    rows = [rename_row(row, "f0") for row in story.rows]
    rungs = [
        rename_row(row, "f0")
        for row in story.allowed
        if row.escalation == 1 and any(first.event == row.event for first in story.rows)
    ]
    heard = [
        hear(row, at=story.place(row.event.removeprefix("f0-")) + 0.5, alert_id=f"a{index}")
        for index, row in enumerate(rows)
    ]
    heard = [replace_named(one, heard) for one in heard]
    heard += [hear(row, at=1000.0, alert_id=f"r{index}") for index, row in enumerate(rungs)]
    heard += [
        hear_of_duty(f"f0-{event}", agency, alert_id=f"n{index}")
        for index, (event, agency) in enumerate(sorted(story.notices))
    ]
    pointed = [
        replace(one, endpoint=POINTER, body=orjson.dumps({**one.event, "data": {"alert_id": one.alert_id}}))
        for one in heard
        if one.agency == CHILD_WELFARE and one.is_alert
    ]
    return Evidence(
        cases=[case],
        heard=[*heard, *pointed],
        letters=[Letter(f"duty@{one.agency}", one.alert_id, one.alert_id) for one in heard],
        acknowledged=[],
        contacts={(one.agency, "primary"): f"duty@{one.agency}" for one in heard},
        alerts={one.alert_id: Ledgered(one.agency, "primary", "deliver") for one in heard},
        unsure={},
        cut=[],
        feeds={one.agency: [each.alert_id for each in heard if each.agency == one.agency] for one in heard},
        outcomes={f"f0-{event}": outcomes for event, outcomes in story.outcomes.items()},
        decided={
            f"f0-{event['id']}": datetime.fromtimestamp(index, UTC).isoformat()
            for index, event in enumerate(story.events)
        },
        offsets=[(0.0, 0.0)],
        epoch=0.0,
    )


@pytest.mark.parametrize(
    "name", ["K-05-fires", "correction-chain", "two-consents-two-revocations", "exercise"]
)
def test_what_is_as_it_should_be_passes(name: str) -> None:
    assert judge(tell_well(name)) == []


def wrongs(evidence: Evidence, **changes: Any) -> str:  # noqa: ANN401 -- any field of it
    return "\n".join(judge(replace(evidence, **changes)))


def change(heard: Sequence[Heard], index: int, **data: object) -> list[Heard]:
    one = heard[index]
    event = {**one.event, "data": {**one.data, **data}}
    return [*heard[:index], replace(one, body=orjson.dumps(event)), *heard[index + 1 :]]


def test_an_alert_that_nobody_heard_is_lost() -> None:
    evidence = tell_well("K-05-fires")
    for one in [one for one in evidence.heard if one.data.get("escalation") == 0]:
        agencies = [other for other in evidence.heard if other is not one and other.agency != one.agency]
        assert "lost: " in wrongs(evidence, heard=agencies)


def test_a_pointer_an_e_mail_and_a_group_may_be_lost_as_well() -> None:
    evidence = tell_well("K-03-fires")
    only_whole = [one for one in evidence.heard if one.endpoint != POINTER]
    assert f"lost: {POINTER}" in wrongs(evidence, heard=only_whole)
    assert "lost: no e-mail" in wrongs(evidence, letters=[])
    assert "saw less" in wrongs(evidence, heard=change(evidence.heard, 0, disclosed={}))


def test_an_alert_that_a_rung_of_it_overtook_is_not_lost() -> None:
    """As long as that arrived, by every kind of path, and shows as much."""
    evidence = tell_well("missing-child-climbs")
    first = evidence.heard[0]
    [rung] = [one for one in evidence.heard if one.agency == first.agency and one.data.get("escalation") == 1]
    climbed = [one for one in evidence.heard if one.alert_id != first.alert_id]
    letters = [letter for letter in evidence.letters if letter.alert_id != first.alert_id]
    assert wrongs(evidence, heard=climbed, letters=letters) == ""
    others = [one for one in climbed if one is not rung]
    assert f"lost: {first.agency}" in wrongs(evidence, heard=others, letters=letters)
    unwritten = [letter for letter in letters if letter.alert_id != rung.alert_id]
    assert "lost: no e-mail" in wrongs(evidence, heard=climbed, letters=unwritten)
    assert "saw less" in wrongs(
        evidence, heard=change(climbed, climbed.index(rung), disclosed={}), letters=letters
    )


def test_what_another_agency_took_over_need_not_arrive_any_more() -> None:
    evidence = tell_well("missing-child-climbs")
    first = evidence.heard[0]
    others = [one for one in evidence.heard if one.agency != first.agency]
    [row] = {
        rename_row(row, "f0")
        for row in evidence.cases[0].story.allowed
        if (row.event, row.escalation) == (first.data["event_id"].removeprefix("f0-"), 3)
    }
    alternate = hear(row, at=2000.0, alert_id="alternate")
    person = Acknowledged(row.agency, row.event, "alternate", 2001.0)
    assert f"lost: {first.agency}" in wrongs(evidence, heard=[*others, alternate])
    assert f"lost: {first.agency}" not in wrongs(evidence, heard=[*others, alternate], acknowledged=[person])


def test_a_cancel_of_what_came_is_lost() -> None:
    evidence = tell_well("correction-chain")
    cancels = [one for one in evidence.heard if one.is_whole and one.data["kind"] == "cancel"]
    assert cancels
    for cancel in cancels:
        assert ", cancel " in wrongs(evidence, heard=[one for one in evidence.heard if one is not cancel])


def test_a_cancel_of_an_id_that_two_sources_use_may_be_silent() -> None:
    """It is about the one's event, and what came about the other's stands."""
    evidence = tell_well("the-original-comes-last-and-twice")
    rest = [
        one
        for one in evidence.heard
        if not (one.is_whole and (one.data["kind"] == "cancel" or one.data["event_id"] == "f0-e2"))
    ]
    assert "lost: ag-ca-clc, cancel" not in wrongs(evidence, heard=rest)
    assert "lost: ag-ca-clc, cancel" in wrongs(
        evidence,
        heard=[*rest, *(one for one in evidence.heard if one.is_whole and one.data["event_id"] == "f0-e2")],
    )


def test_a_duty_notice_that_nobody_got_is_lost() -> None:
    evidence = tell_well("K-03-fires")
    assert [one for one in evidence.heard if one.is_notice]
    assert "0 notices" in wrongs(evidence, heard=[one for one in evidence.heard if not one.is_notice])


def test_a_second_id_for_the_same_thing_and_other_words_under_one_id_are_seen() -> None:
    evidence = tell_well("K-05-fires")
    first = evidence.heard[0]
    again = replace(first, webhook_id="other_1", at=first.at + 1)
    assert "told under 2 ids" in wrongs(evidence, heard=[*evidence.heard, again])
    copy = replace(first, at=first.at + 1)
    assert wrongs(evidence, heard=[*evidence.heard, copy]) == ""
    other = replace(copy, body=orjson.dumps({**first.event, "data": {**first.data, "case_ref": "other"}}))
    assert "two different things" in wrongs(evidence, heard=[*evidence.heard, other])


def test_an_alert_behind_what_takes_its_place_is_seen() -> None:
    evidence = tell_well("correction-chain")
    assert wrongs(evidence) == ""
    update = next(index for index, one in enumerate(evidence.heard) if one.data["kind"] == "update")
    agency = evidence.heard[update].agency
    first = next(one for one in evidence.heard if one.agency == agency)
    heard = change(evidence.heard, update, replaces=first.alert_id)
    assert wrongs(evidence, heard=heard) == ""
    late = [*heard, replace(first, at=9.0)]
    assert "takes its place" in wrongs(evidence, heard=late)
    assert "takes its place" in wrongs(evidence, heard=late, offsets=[(0.0, 0.0), (3.0, 90.0)])
    assert "takes its place" not in wrongs(evidence, heard=late, offsets=[(0.0, 0.0), (8.0, 90.0)])


def test_a_cancel_of_what_never_came_is_seen_unless_nobody_can_know() -> None:
    evidence = tell_well("correction-chain")
    cancel = next(one for one in evidence.heard if one.is_whole and one.data["kind"] == "cancel")
    rest = [one for one in evidence.heard if one.alert_id != cancel.data["replaces"]]
    assert "never came" in wrongs(evidence, heard=rest)
    assert "never came" not in wrongs(evidence, heard=rest, unsure={cancel.endpoint: [(0.1, 0.2)]})
    assert "never came" not in wrongs(evidence, heard=rest, cut=[(0.1, 0.2)])
    assert "never came" in wrongs(evidence, heard=rest, cut=[(cancel.at + 1, cancel.at + 2)])


def test_a_cancel_is_due_to_who_has_any_of_what_it_takes_back_and_was_not_told_so_before() -> None:
    evidence = tell_well("correction-chain")

    def without(*told: tuple[str, str, str]) -> str:
        left_out = {
            one.alert_id
            for one in evidence.heard
            if one.is_whole and (one.agency, one.data["event_id"], one.data["kind"]) in told
        }
        return wrongs(evidence, heard=[one for one in evidence.heard if one.alert_id not in left_out])

    updates = [("ag-kern-vsp", "f0-e2", "update"), ("ag-kern-vsp", "f0-e3", "update")]
    assert without(*updates) == ""
    assert "lost: ag-kern-vsp, cancel" in without(*updates, ("ag-kern-vsp", "f0-e4", "cancel"))
    # What came first was taken back before: of what it heard of nothing the last cancel says nothing.
    second = ("ag-kern-cw", "f0-e3", "alert")
    assert without(second, ("ag-kern-cw", "f0-e4", "cancel")) == ""
    assert "never came" in without(second)


def test_a_group_a_rule_or_an_agency_beyond_the_protocol_is_seen() -> None:
    evidence = tell_well("K-05-fires")
    more = {**evidence.heard[0].data["disclosed"], "immigration": "x"}
    assert "nothing allows it" in wrongs(evidence, heard=change(evidence.heard, 0, disclosed=more))
    assert "nothing allows it" in wrongs(evidence, heard=change(evidence.heard, 0, rules=["K-99"]))
    assert "nothing allows it" in wrongs(evidence, heard=change(evidence.heard, 0, agency="ag-us-usao"))


def test_a_group_shown_long_after_its_consent_was_taken_back_is_seen() -> None:
    evidence = tell_well("two-consents-two-revocations")
    index = next(
        index
        for index, one in enumerate(evidence.heard)
        if one.data["event_id"] == "f0-e1" and one.data["disclosed"]
    )
    late = replace(evidence.heard[index], at=6 + LONG)
    heard = [*evidence.heard[:index], *evidence.heard[index + 1 :], late]
    assert "taken back" in wrongs(evidence, heard=heard)


def test_that_a_consent_was_taken_back_may_be_told_late() -> None:
    evidence = tell_well("two-consents-two-revocations")
    index = next(index for index, one in enumerate(evidence.heard) if one.data["event_id"] == "f0-r1")
    late = replace(evidence.heard[index], at=6 + LONG)
    heard = [*evidence.heard[:index], *evidence.heard[index + 1 :], late]
    assert "taken back" not in wrongs(evidence, heard=heard)


def test_a_ladder_climbs_on_when_who_acknowledged_is_in_conflict() -> None:
    evidence = tell_well("conflict-while-it-climbs")
    first = next(one for one in evidence.heard if one.agency == "ag-kern-so")
    person = Acknowledged(first.agency, first.data["event_id"], first.alert_id, 2.0)
    assert "had acknowledged" not in wrongs(evidence, acknowledged=[person])


def test_what_an_agency_in_conflict_hears_is_seen() -> None:
    evidence = tell_well("conflict-while-it-climbs")
    index = next(index for index, one in enumerate(evidence.heard) if one.agency == "ag-kern-so")
    late = replace(evidence.heard[index], at=1 + LONG)
    assert "is in conflict" in wrongs(evidence, heard=[*evidence.heard, late])


def test_a_ladder_that_climbs_on_and_one_that_does_not_climb_are_seen() -> None:
    evidence = tell_well("missing-child-climbs")
    told = evidence.heard[0]
    person = Acknowledged(told.agency, told.data["event_id"], told.alert_id, 2.0)
    assert "had acknowledged" in wrongs(evidence, acknowledged=[person])
    silent = [one for one in evidence.heard if not one.data.get("escalation")]
    assert wrongs(evidence, acknowledged=[person], heard=silent) == ""
    assert "nobody else was told" in wrongs(evidence, heard=silent)


def test_an_event_without_its_decision_and_a_letter_to_somebody_else_are_seen() -> None:
    evidence = tell_well("K-05-fires")
    assert "and not ['routed']" in wrongs(evidence, outcomes={})
    letter = replace(evidence.letters[0], recipient="watch@elsewhere")
    assert "somebody else" in wrongs(evidence, letters=[*evidence.letters, letter])
    copy = replace(evidence.letters[0], message_id="another")
    assert "under 2 ids" in wrongs(evidence, letters=[*evidence.letters, copy])


def test_what_cannot_be_pulled_is_seen() -> None:
    evidence = tell_well("K-05-fires")
    agency = evidence.heard[0].agency
    assert "cannot pull" in wrongs(evidence, feeds={agency: []})
    assert "twice" in wrongs(evidence, feeds={agency: [*evidence.feeds[agency]] * 2})
