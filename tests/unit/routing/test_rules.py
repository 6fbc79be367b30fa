"""Packs made ready: what an event has to be judged by, and what it never meets."""

from datetime import datetime, timedelta

from schemas.vocabulary import EventType
from services.routing.consents import CASE_ZONE
from services.routing.facts import FactSheet, Reading
from services.routing.rules import Edition, PackSet
from services.routing.situation import build_situation
from services.routing.system_rules import CONFLICT_RULE, SYSTEM, find_rule
from tests.unit.routing.building import (
    FRESNO,
    KERN,
    NOW,
    build_directory,
    build_event,
    build_packs,
    decide_event,
    shipped_packs,
)
from tests.unit.routing.story import Story

OTHERS = [
    {"id": f"T-{number}", "on": ["tip.triaged"], "when": f'county == "{number}"'}
    for number in range(100, 1100)
]


def judged(edition: Edition, event_type: EventType) -> list[str]:
    """The rules an event of a type is judged by."""
    event = build_event(event_type.value)
    directory = build_directory()
    emitter = directory.find_member(event.agency)
    assert emitter is not None
    situation = build_situation(
        event,
        emitter,
        case=Story().case,
        earlier=None,
        revoked=frozenset(),
        directory=directory,
        now=NOW,
    )
    reading = Reading(situation.event, emitter.role_facts, None)  # type: ignore[arg-type] # no condition reads it
    return [
        rule.id
        for candidates in edition.candidates(event_type)
        for rule, _ in candidates.judge(candidates.read(reading))
    ]


def test_an_event_never_meets_the_rules_of_other_types_however_many_there_are() -> None:
    packs = build_packs({"id": "T-11"}, *OTHERS)
    edition = packs.edition(NOW, KERN)
    assert judged(edition, EventType.TIP_RECEIVED) == ["T-11"]
    assert len(judged(edition, EventType.TIP_TRIAGED)) == len(OTHERS)
    considered = decide_event(build_event("tip.received", "ag-kern-coe"), packs=packs).considered
    assert [entry.rule for entry in considered] == ["T-11"]


def test_nor_those_of_packs_for_other_counties() -> None:
    packs = build_packs({"id": "T-11"}, applies_in=[FRESNO])
    assert judged(packs.edition(NOW, FRESNO), EventType.TIP_RECEIVED) == ["T-11"]
    assert judged(packs.edition(NOW, KERN), EventType.TIP_RECEIVED) == []


def test_the_conditions_of_an_edition_are_compiled_once() -> None:
    packs = build_packs({"id": "T-11", "when": "minor"})
    first = packs.edition(NOW, KERN).candidates(EventType.TIP_RECEIVED)
    assert packs.edition(NOW, KERN).candidates(EventType.TIP_RECEIVED) is first


def test_a_rule_is_found_by_the_version_that_decided_in_force_or_not() -> None:
    packs = shipped_packs()
    old, new = (packs.find_rule(f"ca-kern-httf@{version}", "K-02") for version in ("2.1.0", "2.2.0"))
    assert old is not None
    assert new is not None
    assert (old.urgency.value, new.urgency.value) == ("priority", "urgent")
    assert packs.find_rule("ca-kern-httf@9.9.9", "K-02") is None
    assert packs.find_rule("ca-kern-httf@2.1.0", "K-99") is None


def test_system_rules_belong_to_no_pack_and_are_always_in_force() -> None:
    assert find_rule(shipped_packs(), SYSTEM, "S-01") is CONFLICT_RULE
    assert find_rule(shipped_packs(), SYSTEM, "K-02") is None
    story = Story(packs=build_packs({}))
    story.now = datetime.fromisoformat("2020-01-01T00:00:00-08:00")
    decision = story.tell("case.conflict_declared", details={"conflict_agencies": ["ag-bpd"]})
    assert {row.rules for row in decision.alerts} == {("S-01",)}


def test_a_decision_carries_the_facts_its_rules_were_judged_by_and_no_others() -> None:
    packs = build_packs({"id": "T-11", "when": 'minor && safety.risk == "high"'}, *OTHERS)
    event = build_event("tip.received", "ag-kern-coe", safety={"risk": "low"}, age={"band": "adult"})

    [sheet] = decide_event(event, packs=packs).sheets

    assert sheet == FactSheet("America/Los_Angeles", {"minor": False, "safety.risk": "low"})


def test_packs_of_two_time_zones_are_judged_by_the_date_of_each() -> None:
    when = {"when": "minor"}
    packs = PackSet(
        [
            *build_packs({"id": "T-11", **when}).versions,
            *build_packs({"id": "T-12", **when}, pack="b-test", timezone="Pacific/Kiritimati").versions,
        ]
    )
    # Nine in the morning in California is the next day already in Kiritimati.
    born = NOW.astimezone(CASE_ZONE).date().replace(year=NOW.year - 18) + timedelta(days=1)
    event = build_event("tip.received", "ag-kern-coe", date_of_birth=born.isoformat())

    sheets = decide_event(event, packs=packs).sheets

    assert {sheet.zone: sheet.values for sheet in sheets} == {
        "America/Los_Angeles": {"minor": True},
        "Pacific/Kiritimati": {"minor": False},
    }


def test_a_decision_names_the_content_of_its_packs() -> None:
    decision = decide_event(build_event("tip.received", "ag-kern-coe"))

    assert dict(zip(decision.packs, decision.pack_hashes, strict=True)) == {
        version.label: version.sha256 for version in shipped_packs().in_force(NOW)
    }
    assert all(len(sha256) == 64 for sha256 in decision.pack_hashes)
