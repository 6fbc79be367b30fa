"""Which parts of a condition stopped a rule."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.routing.conditions import Conditions
from services.routing.facts import FACTS as DECLARED
from services.routing.facts import FactType, FactValue
from services.routing.packs import load_packs
from services.routing.stopping import find_stopping

FACTS: Final[dict[str, FactValue]] = {
    "minor": False,
    "presumed_minor": True,
    "safety.risk": "low",
    "exploitation.types": ["ForcedLabour"],
    "details.party_size": 2,
}


def stopped_by(condition: str, **changes: FactValue) -> list[str]:
    return [part.text for part in find_stopping(condition, {**FACTS, **changes})]


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        ("minor", ["minor"]),
        ("presumed_minor", []),
        ("presumed_minor && minor", ["minor"]),
        ('minor && safety.risk == "imminent"', ["minor", 'safety.risk == "imminent"']),
        ("minor || !presumed_minor", ["minor", "!presumed_minor"]),
        ("(minor || presumed_minor) && details.party_size > 3", ["details.party_size > 3"]),
        ("presumed_minor && (minor || details.party_size > 3)", ["minor", "details.party_size > 3"]),
        ("((minor))", ["minor"]),
        ("(minor) == (presumed_minor)", ["(minor) == (presumed_minor)"]),
        ("!(presumed_minor || minor)", ["!(presumed_minor || minor)"]),
        ("presumed_minor ? minor : true", ["presumed_minor ? minor : true"]),
        ('"SexualExploitation" in exploitation.types', ['"SexualExploitation" in exploitation.types']),
        ('safety.risk in ["high", "a || b"]', ['safety.risk in ["high", "a || b"]']),
        ("presumed_minor // a remark && minor\n && minor // another", ["minor"]),
        ("minor &&\n  presumed_minor", ["minor"]),
        ("safety.risk ==\n  'high'", ["safety.risk == 'high'"]),
        ("false", ["false"]),
    ],
)
def test_a_condition_is_stopped_by_its_smallest_parts_that_did_not_hold(
    condition: str, parts: list[str]
) -> None:
    assert stopped_by(condition) == parts


def test_a_part_comes_with_what_its_facts_were_and_no_others() -> None:
    (part,) = find_stopping('presumed_minor && safety.risk in ["high", "imminent"]', FACTS)

    assert part.facts == {"safety.risk": "low"}


conditions = st.recursive(
    st.sampled_from(["minor", "!minor", "presumed_minor", 'safety.risk == "low"', "details.party_size > 3"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" && ", " || "]), inner).map("".join),
        inner.map("({})".format),
        inner.map("!({})".format),
    ),
    max_leaves=6,
)


@given(condition=conditions, minor=st.booleans(), presumed=st.booleans())
def test_a_condition_has_stopping_parts_exactly_if_it_did_not_hold_and_none_of_them_held(
    condition: str, minor: FactValue, presumed: FactValue
) -> None:
    facts = {**FACTS, "minor": minor, "presumed_minor": presumed}
    parts = find_stopping(condition, facts)

    assert bool(parts) is not Conditions([condition]).evaluate(facts)[0]
    assert not any(Conditions([part.text for part in parts]).evaluate(facts)) if parts else True


_ABSENT: Final[dict[FactType, FactValue]] = {
    FactType.BOOL: False,
    FactType.INT: 0,
    FactType.STRING: "unknown",
    FactType.STRINGS: [],
}


def test_every_condition_of_the_shipped_packs_can_be_taken_apart() -> None:
    rules = [rule for version in load_packs().versions for rule in version.pack.rules if rule.when != "true"]
    assert rules
    for rule in rules:
        compiled = Conditions([rule.when])
        silent = {name: _ABSENT[DECLARED[name].type] for name in compiled.facts}
        parts = find_stopping(rule.when, silent)
        assert bool(parts) is not compiled.evaluate(silent)[0]
        assert all(part.facts.keys() <= silent.keys() for part in parts)
