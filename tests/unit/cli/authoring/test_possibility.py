"""What is said of a condition is what the engine would find by trying; else nothing is said."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.case_event import CaseEvent
from schemas.vocabulary import AgeBand, EventType, Role
from services.cli.authoring.domains import Scope
from services.cli.authoring.expression_reader import read_expression
from services.cli.authoring.possibility import Likeness, can_come_to, compare_conditions, read_parts
from services.cli.authoring.vocabularies import VOCABULARIES
from services.routing.age import Age, read_age
from services.routing.conditions import Conditions, find_condition_problems
from services.routing.facts import FACTS, FactType, Reading

TIP = Scope(frozenset({EventType.TIP_RECEIVED}))
ANY = Scope(frozenset(EventType))
KERN = Scope(frozenset(EventType), ("06029",))

ATOMS = (
    "minor",
    "presumed_minor",
    "flags.indian_child",
    'age.band == "adult"',
    '"13to15" == age.band',
    'safety.risk == "imminent"',
    'safety.risk != "imminent"',
    'safety.risk in ["high", "imminent"]',
    'safety.risk < "imminent"',
    'safety.risk.startsWith("im")',
    '"SexualExploitation" in exploitation.types',
    '"ForcedLabour" in exploitation.types',
    "size(exploitation.types) > 0",
    "exploitation.types.size() <= 1",
    'exploitation.types == ["ForcedLabour"]',
    '"LEA_LEAD" in emitter.roles',
    "size(emitter.roles) < 1",
    'county == "06029"',
    'county.startsWith("06")',
    "county in destinations",
    "details.party_size >= 3",
    "details.party_size in [1, 2]",
    "2 > details.party_size",
    "details.party_size == details.workers_affected",
    'details.channel == "phone"',
    'event.type == "tip.received"',
    "(minor == flags.indian_child)",
    "true",
)


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from([" && ", " || "])
    return st.one_of(
        st.builds(lambda a, o, b: f"{a}{o}{b}", inner, operator, inner),
        st.builds(lambda a: f"!({a})", inner),
        st.builds(lambda a: f"({a})", inner),
        st.builds(lambda a, b, c: f"({a} ? {b} : {c})", inner, inner, inner),
    )


conditions = st.recursive(st.sampled_from(ATOMS), joined, max_leaves=6)

data = st.fixed_dictionaries(
    {"county": st.sampled_from(["06029", "06019", "48001"])},
    optional={
        "destinations": st.lists(st.sampled_from(["06029", "48001"]), min_size=1, max_size=2),
        "flags": st.fixed_dictionaries({"indian_child": st.booleans()}),
        "age": st.fixed_dictionaries({"band": st.sampled_from(VOCABULARIES["age.band"])}),
        "safety": st.fixed_dictionaries({"risk": st.sampled_from(["none", "low", "high", "imminent"])}),
        "exploitation": st.fixed_dictionaries(
            {
                "types": st.lists(
                    st.sampled_from(["SexualExploitation", "ForcedLabour", "Other"]), max_size=4, unique=False
                )
            }
        ),
    },
)
DETAILS: Mapping[EventType, st.SearchStrategy[dict[str, Any]]] = {
    EventType.TIP_RECEIVED: st.fixed_dictionaries({"channel": st.sampled_from(["phone", "web"])}),
    EventType.SHELTER_BED_NEEDED: st.fixed_dictionaries({"party_size": st.integers(0, 5)}),
    EventType.LABOR_COMPLAINT_RECEIVED: st.fixed_dictionaries({"workers_affected": st.integers(0, 5)}),
}


def build_event(event_type: EventType, given: Mapping[str, Any]) -> CaseEvent:
    return CaseEvent.model_validate_json(
        orjson.dumps(
            {
                "specversion": "1.0",
                "id": "e1",
                "source": "urn:tocsin:agency:ag-bpd:cad",
                "type": f"org.tocsin.{event_type}.v1",
                "subject": "C1",
                "time": "2026-03-02T10:00:00-08:00",
                "data": {"county": "06029", **given},
            }
        )
    )


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    event_type = draw(st.sampled_from(list(DETAILS)))
    event = build_event(event_type, {**draw(data), "details": draw(DETAILS[event_type])})
    roles = draw(st.lists(st.sampled_from(["LEA_LEAD", "SHELTER"]), min_size=1, max_size=3))
    return Reading(event, roles, read_age(event.data, event.time.date()))


def facts_of(reading: Reading) -> dict[str, Any]:
    return {name: fact.read(reading) for name, fact in FACTS.items()}


@given(conditions, readings())
@settings(deadline=None, max_examples=300)
def test_a_tree_comes_to_what_the_engine_comes_to(condition: str, reading: Reading) -> None:
    assert find_condition_problems(condition) == []
    (outcome,) = Conditions([condition]).evaluate(facts_of(reading))
    assert read_expression(condition).value(facts_of(reading)) is outcome


@given(conditions, readings())
@settings(deadline=None, max_examples=300)
def test_what_an_event_can_bring_about_is_never_called_impossible(condition: str, reading: Reading) -> None:
    event = reading.event
    (outcome,) = Conditions([condition]).evaluate(facts_of(reading))
    scope = Scope(frozenset({event.event_type}), (event.data.county,))
    assert can_come_to(condition, outcome=outcome, scope=scope)
    assert can_come_to(condition, outcome=outcome, scope=ANY)


@given(conditions, readings())
@settings(deadline=None, max_examples=100)
def test_the_parts_of_a_condition_are_what_it_is_joined_of(condition: str, reading: Reading) -> None:
    parts = read_parts(condition)
    if parts:
        whole, *pieces = Conditions([condition, *parts]).evaluate(facts_of(reading))
        assert whole in {all(pieces), any(pieces)}


@pytest.mark.parametrize(
    "condition",
    [
        "false",
        'minor && age.band == "adult"',
        "presumed_minor && !minor",
        'safety.risk == "high" && safety.risk == "imminent"',
        'safety.risk == "imminant"',
        'county == "06029" && county == "06019"',
        "details.party_size > 3 && details.party_size < 4",
        'size(exploitation.types) == 0 && "Other" in exploitation.types',
        "size(emitter.roles) == 0",
        'details.channel == "phone" && details.channel == "web"',
    ],
)
def test_a_contradiction_is_found(condition: str) -> None:
    assert not can_come_to(condition, outcome=True, scope=ANY)
    assert can_come_to(condition, outcome=False, scope=ANY)


@pytest.mark.parametrize(
    ("condition", "scope"),
    [
        ('event.type == "case.closed"', TIP),
        ("details.party_size > 1", TIP),
        ('county == "06019"', KERN),
        ('county.startsWith("48")', KERN),
    ],
)
def test_what_the_events_or_counties_of_a_rule_exclude_is_found(condition: str, scope: Scope) -> None:
    assert not can_come_to(condition, outcome=True, scope=scope)
    assert can_come_to(condition, outcome=True, scope=ANY)


@pytest.mark.parametrize(
    "condition",
    [
        'county.startsWith("06") && county.startsWith("48")',
        'details.channel.contains("a") && false',
        "county in destinations && false",
        "size(needs) > 50 && false",
        " && ".join(f'"{role}" in emitter.roles' for role in Role) + " && false",
        r'county == "06\x30" && false',
    ],
)
def test_nothing_is_said_where_it_would_take_too_much(condition: str) -> None:
    assert find_condition_problems(condition) == []
    assert can_come_to(condition, outcome=True, scope=ANY)


@pytest.mark.parametrize(
    ("old", "new", "likeness"),
    [
        ("minor", "minor", Likeness.SAME),
        ("minor", 'age.band != "adult"', Likeness.SAME),
        ('safety.risk == "imminent"', 'safety.risk in ["high", "imminent"]', Likeness.MORE_OFTEN),
        ("true", "minor", Likeness.LESS_OFTEN),
        ("minor", "flags.indian_child", Likeness.DIFFERENT),
        ("minor", 'county.endsWith("9")', Likeness.UNKNOWN),
        ('county.endsWith("9")', 'county.endsWith("9")', Likeness.SAME),
    ],
)
def test_two_conditions_are_compared_by_the_events_they_hold_for(
    old: str, new: str, likeness: Likeness
) -> None:
    assert compare_conditions(old, new, ANY) is likeness


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        ("minor", ()),
        ("(minor && presumed_minor)", ("minor", "presumed_minor")),
        (
            "minor && (flags.indian_child || presumed_minor)",
            ("minor", "(flags.indian_child || presumed_minor)"),
        ),
        ("minor || presumed_minor && minor", ("minor", "presumed_minor && minor")),
        ('"&& in a text" == county && minor', ('"&& in a text" == county', "minor")),
    ],
)
def test_the_parts_are_those_at_the_top(condition: str, parts: tuple[str, ...]) -> None:
    assert tuple(read_parts(condition)) == parts


def event_with(fact: str, word: str) -> CaseEvent:
    group, _, key = fact.partition(".")
    value: object = [word] if FACTS[fact].type is FactType.STRINGS else word
    return build_event(EventType.TIP_RECEIVED, {group: {key: value} if key else value})


@pytest.mark.parametrize("fact", sorted(VOCABULARIES.keys() - {"emitter.roles", "event.type"}))
def test_a_vocabulary_is_what_an_event_may_say_and_its_reading_when_it_is_silent(fact: str) -> None:
    silent = facts_of(Reading(build_event(EventType.TIP_RECEIVED, {}), [], Age(AgeBand.UNKNOWN)))[fact]
    for word in VOCABULARIES[fact]:
        if word != silent:
            event_with(fact, word)
    with pytest.raises(ValidationError):
        event_with(fact, "no-such-word")
    assert silent == [] or silent in VOCABULARIES[fact]
