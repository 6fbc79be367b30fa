"""What holds for every event, every directory and every pack."""

import random
from collections.abc import Iterable, Sequence
from itertools import combinations, permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.case_event import CaseEvent
from schemas.directory import AgencyProfile
from schemas.vocabulary import (
    IDENTIFYING_GROUPS,
    Confidentiality,
    ConsentMode,
    EventType,
    Group,
    Outcome,
    Reason,
    Role,
)
from services.routing.case_state import CaseState
from services.routing.decide import decide
from services.routing.decision import Decision, Directory, Verdict
from services.routing.situation import find_present_groups
from tests.unit.routing.building import KERN, KINGS, NOW, build_event, build_packs
from tests.unit.routing.test_disclosure import CLASS_GATES, EVERY_GROUP


def list_subsets(items: Sequence[str]) -> list[list[str]]:
    """Every subset, the smallest first: to choose one is one draw, to draw a set is one for each item."""
    return [sorted(some) for size in range(len(items) + 1) for some in combinations(items, size)]


def list_orders(items: Sequence[str], sizes: Iterable[int]) -> st.SearchStrategy[list[str]]:
    """Some of the items in any order, each size as often as any other."""
    return st.one_of(*[st.sampled_from([list(some) for some in permutations(items, size)]) for size in sizes])


# Few enough that rules and agencies meet often, with one of each kind.
SOME_ROLES = [
    "LEA_LEAD",
    "LEA_LOCAL",
    "PROBATION",
    "VICTIM_SERVICES",
    "IMMIGRATION_LEGAL",
    "CHILD_WELFARE",
    "TF_COORDINATOR",
]
ROLES = st.sampled_from(SOME_ROLES)
SOME_GROUPS = ["name", "age", "location", "privileged", "medical", "citizenship", "criminal_justice", "needs"]
GROUPS = st.sampled_from(list_subsets(SOME_GROUPS))
Matter = tuple[CaseEvent, CaseState, Directory, list[dict[str, Any]]]
AGENCIES = [f"ag-{letter}" for letter in "abcd"]
CONDITIONS = [
    "true",
    "true",
    "true",
    "true",
    "minor",
    "!minor",
    '"ForcedLabour" in exploitation.types',
    'safety.risk == "low"',
    'county == "06029"',
    '"LEA_LEAD" in emitter.roles',
]


# Made once: a strategy is checked each time it is made, which costs as much as drawing from it.
FEW_ROLES = list_orders(SOME_ROLES, (1, 2, 3))
NUMBERS = st.lists(st.integers(10, 99), min_size=1, max_size=3, unique=True)
ALTERNATES = st.none() | ROLES
WHEN = st.sampled_from(CONDITIONS)
URGENCIES = st.sampled_from(["immediate", "urgent", "priority", "routine"])
BASES = st.sampled_from(["mandated", "agreement"])
CONSENTS = st.sampled_from(["none", "base", "required"])
DUTY_HOLDERS = list_orders(["emitter", "emitter_gov", "recipient"], (0, 1, 2, 3))
COUNTIES = st.sampled_from(["*", [KERN], [KINGS], [KERN, KINGS]])
SECRECY = st.sampled_from(["standard", "medical", "strict"])
STATUSES = st.sampled_from(["active", "active", "offboarded"])
AGREED_UNTIL = st.sampled_from([None, "2027-12-31T00:00:00Z", "2027-12-31T00:00:00Z", "2026-01-01T00:00:00Z"])
FLAGS = st.fixed_dictionaries({"safe_at_home": st.booleans(), "exercise": st.booleans()})
COUNTY = st.sampled_from([KERN, KINGS])
AGENCY = st.sampled_from(AGENCIES)
CONFLICTS = st.sampled_from([frozenset(some) for some in list_subsets(AGENCIES) if len(some) <= 2])


@st.composite
def rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    return [draw_rule(draw, f"T-{number}") for number in draw(NUMBERS)]


def draw_rule(draw: st.DrawFn, rule_id: str) -> dict[str, Any]:
    roles = draw(FEW_ROLES)
    alternate = draw(ALTERNATES)
    notify = [
        {"role": role, **({"alternate": alternate} if alternate not in {None, role} else {})}
        for role in roles
    ]
    return {
        "id": rule_id,
        "when": draw(WHEN),
        "notify": notify,
        "urgency": draw(URGENCIES),
        "basis": draw(BASES),
        "consent": draw(CONSENTS),
        "disclose": draw(GROUPS),
        "disclose_with_consent": draw(GROUPS),
        "duties": [
            {"holder": holder, "what": f"{holder} of {rule_id}", "within": "PT24H"}
            for holder in draw(DUTY_HOLDERS)
        ],
    }


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    profiles = [
        {
            "id": agency,
            "name": "An agency of a test",
            "roles": draw(FEW_ROLES),
            "counties": draw(COUNTIES),
            "external": draw(st.booleans()),
            "confidentiality": draw(SECRECY),
            "status": draw(STATUSES),
            "agreement_until": draw(AGREED_UNTIL),
        }
        for agency in AGENCIES
    ]
    return Directory([AgencyProfile.model_validate(profile) for profile in profiles])


@st.composite
def events(draw: st.DrawFn) -> CaseEvent:
    groups = draw(GROUPS)
    flags = draw(FLAGS)
    return build_event(
        EventType.TIP_RECEIVED.value,
        draw(AGENCY),
        county=draw(COUNTY),
        flags=flags,
        **{group: EVERY_GROUP[group] for group in groups},
    )


MATTERS = st.tuples(events(), CONFLICTS.map(CaseState), directories(), rules())


def is_external(directory: Directory, agency: str) -> bool:
    profile = directory.find(agency)
    return profile is not None and profile.external


def decide_all(
    matter: Matter,
) -> Decision:
    event, case, directory, raw = matter
    return decide(event, case, directory, build_packs(*raw), NOW)


@given(MATTERS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_a_packs_rules_changes_nothing_nor_does_deciding_again(
    matter: Matter, chance: random.Random
) -> None:
    event, case, directory, raw = matter
    shuffled = raw.copy()
    chance.shuffle(shuffled)
    first, again, other = (
        decide(event, case, directory, build_packs(*each), NOW) for each in (raw, raw, shuffled)
    )
    assert first == again == other


@given(MATTERS)
@settings(max_examples=300, deadline=None)
def test_what_every_decision_keeps_to(
    matter: Matter,
) -> None:
    event, case, directory, raw = matter
    decision = decide_all(matter)
    assert decision.outcome is Outcome.ROUTED
    of_id = {each["id"]: each for each in raw}
    present = find_present_groups(event)
    emitter = directory.find_member(event.agency)
    assert emitter is not None
    for row in decision.alerts:
        assert row.agency not in case.conflicts
        assert row.disclosed <= present
        assert row.withheld == present - row.disclosed
        assert (row.contact is None) == row.external == is_external(directory, row.agency)
        listed = {Group(name) for rule in row.rules if rule in of_id for name in of_id[rule]["disclose"]}
        assert row.disclosed <= listed
        if event.data.flags.safe_at_home:
            assert Group.LOCATION not in row.disclosed
        if emitter.gate is not Confidentiality.STANDARD and not any(
            of_id[rule]["basis"] == "mandated" for rule in row.rules if rule in of_id
        ):
            assert row.disclosed.isdisjoint(IDENTIFYING_GROUPS)
        if event.data.flags.exercise:
            assert row.duties == ()
        if row.agency == event.agency:
            assert row.rules in {("S-04",), ("S-06",)}


@given(MATTERS)
@settings(max_examples=300, deadline=None)
def test_no_gate_of_a_class_opens_for_any_role(
    matter: Matter,
) -> None:
    decision = decide_all(matter)
    raw = matter[3]
    alternates = {(each["id"], to["role"]): to.get("alternate") for each in raw for to in each["notify"]}
    for entry in decision.considered:
        if entry.role is None:
            continue
        alternate = alternates[entry.rule, entry.role.value]
        role = Role(alternate) if entry.verdict is Verdict.ALTERNATE_ALERTED and alternate else entry.role
        for verdict in entry.agencies:
            for group in verdict.disclosed & CLASS_GATES.keys():
                assert role in CLASS_GATES[group]


@given(MATTERS)
@settings(max_examples=300, deadline=None)
def test_no_rule_that_matched_falls_silent(
    matter: Matter,
) -> None:
    event, case, *_ = matter
    decision = decide_all(matter)
    rows = {row.rules: row for row in decision.alerts if row.reason is not None}
    told = {(row.agency, rule) for row in decision.alerts for rule in row.rules}
    for entry in decision.considered:
        match entry.verdict:
            case Verdict.ALERTED | Verdict.ALTERNATE_ALERTED | Verdict.EXTERNAL:
                assert any((verdict.agency, entry.rule) in told for verdict in entry.agencies)
            case Verdict.NO_AGENCY | Verdict.OFFBOARDED | Verdict.AGREEMENT_EXPIRED | Verdict.CONFLICT:
                assert ("S-04",) in rows or decision.undeliverable is not None
            case Verdict.CONSENT_REQUIRED:
                assert ("S-06",) in rows or event.agency in case.conflicts
            case Verdict.SELF:
                assert entry.agencies[0].agency == event.agency
            case Verdict.NOT_MATCHED | Verdict.NOBODY_HELD:
                assert entry.agencies == ()
        if entry.verdict is Verdict.ALTERNATE_ALERTED:
            assert ("S-04",) in rows or decision.undeliverable is not None


@given(MATTERS)
@settings(max_examples=300, deadline=None)
def test_every_duty_reaches_its_holder_or_the_coordinator(
    matter: Matter,
) -> None:
    _, case, directory, _ = matter
    decision = decide_all(matter)
    written = {(row.agency, duty) for row in decision.alerts if not row.external for duty in row.duties} | {
        (notice.agency, duty) for notice in decision.notices for duty in notice.duties
    }
    for duty in decision.duties:
        if duty.holder is None:
            reasons = {row.reason for row in decision.alerts if row.rules == ("S-04",)}
            assert reasons or decision.undeliverable is not None
        elif duty.holder not in case.conflicts and not is_external(directory, duty.holder):
            assert (duty.holder, duty) in written
    assert all(notice.agency not in case.conflicts for notice in decision.notices)
    assert len({notice.agency for notice in decision.notices}) == len(decision.notices)


@given(MATTERS)
@settings(max_examples=300, deadline=None)
def test_a_row_is_told_apart_by_its_agency_and_cause(
    matter: Matter,
) -> None:
    decision = decide_all(matter)
    causes = [(row.agency, row.cause) for row in decision.alerts]
    assert len(set(causes)) == len(causes)
    assert all((row.reason is None) == (row.cause == "rules") for row in decision.alerts)
    assert Reason.QUARANTINED not in {row.reason for row in decision.alerts}


@given(MATTERS)
@settings(max_examples=300, deadline=None)
def test_a_rule_that_needs_consent_discloses_nothing(
    matter: Matter,
) -> None:
    event, case, directory, raw = matter
    required = [{**each, "consent": ConsentMode.REQUIRED.value} for each in raw]
    decision = decide_all((event, case, directory, required))
    assert all(row.disclosed == frozenset() for row in decision.alerts)
