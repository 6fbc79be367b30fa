"""More of what holds for every course of a case: batches, undoing, silence, rungs and the order of rules."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.case_event import CaseEvent
from schemas.vocabulary import (
    IDENTIFYING_GROUPS,
    AlertKind,
    Confidentiality,
    ConsentGrantor,
    ConsentMode,
    Group,
    Outcome,
    Reason,
)
from services.routing.case_state import RULES, CaseState, Consent, read_case_state, write_case_state
from services.routing.decide import decide
from services.routing.decision import Decision, Directory, PlannedAlert, Verdict
from services.routing.history import remember
from services.routing.rules import PackSet
from tests.unit.routing.building import KERN, NOW, build_event, build_packs
from tests.unit.routing.story import Story
from tests.unit.routing.test_case_properties import (
    BROAD,
    GRANTORS,
    HOLDERS,
    OPENED_BY_CONSENT,
    SOME_RECIPIENTS,
    WORLDS,
    Course,
    Step,
    run,
    willing_directories,
)
from tests.unit.routing.test_decide_properties import AGENCIES, AGENCY, FLAGS, list_subsets, rules
from tests.unit.routing.test_disclosure import CLASS_GATES, EVERY_GROUP

World = tuple[Directory, list[dict[str, Any]], list[Step]]


@st.composite
def logs(draw: st.DrawFn) -> list[CaseEvent]:
    """Events of two cases as they lie in the log; what corrects or retracts may come before what it names."""
    count = draw(LOG_LENGTHS)
    return [draw_log_event(draw, number, count) for number in range(count)]


def draw_log_event(draw: st.DrawFn, number: int, count: int) -> CaseEvent:
    kind = draw(LOG_KINDS)
    data: dict[str, Any] = {"age": {"band": draw(LOG_AGES)}}
    event_type = "tip.received"
    match kind:
        case "tip" | "correction":
            data |= {group: EVERY_GROUP[group] for group in draw(BROAD)}
        case "retraction":
            event_type = "event.retracted"
        case "conflict":
            event_type, data["details"] = "case.conflict_declared", {"conflict_agencies": [draw(AGENCY)]}
        case "grant":
            event_type, data["consent"] = "consent.granted", draw(GRANTS)
        case _:
            event_type, data["consent"] = "consent.revoked", {"consent_id": draw(CONSENT_ID)}
    if kind in {"correction", "retraction"}:
        word = "corrects" if kind == "correction" else "retracts"
        data[word] = f"e{(number + draw(OTHERS[count])) % count}"
    event = build_event(event_type, draw(LOG_AGENCY), event_id=f"e{number}", **data)
    return event.model_copy(update={"subject": draw(LOG_CASES)})


LOG_LENGTHS = st.integers(4, 9)
OTHERS = {count: st.integers(1, count - 1) for count in range(4, 10)}
"""How far ahead of it another event of the log is, where its beginning follows its end."""
LOG_KINDS = st.sampled_from(["tip", "tip", "correction", "retraction", "grant", "revoke", "conflict"])
LOG_AGES = st.sampled_from(["under13", "adult"])
LOG_AGENCY = st.sampled_from(AGENCIES[:2])
LOG_CASES = st.sampled_from(["C1", "C1", "C1", "C2"])
CONSENT_ID = st.sampled_from(["cn-1", "cn-2"])


@st.composite
def grants(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "consent_id": draw(CONSENT_ID),
        "granted_by": draw(GRANTORS),
        "recipients": draw(SOME_RECIPIENTS),
        "groups": draw(BROAD),
        "to": "2027-03-01T00:00:00Z",
    }


GRANTS = grants()


def fold(
    log: Sequence[CaseEvent], directory: Directory, packs: PackSet, *, cuts: frozenset[int]
) -> tuple[list[Decision], dict[str, CaseState]]:
    """Decide a log batch by batch as the services do: states are read before a batch and written after it."""
    known: dict[str, CaseState] = {}
    told: list[Decision] = []
    for place, event in enumerate(log):
        if place in cuts:
            known = {case_ref: _through_the_store(case) for case_ref, case in known.items()}
        case = known.get(event.subject, CaseState.empty())
        told.append(decide(event, case, directory, packs, NOW))
        known[event.subject] = remember(case, event, told[-1], directory, now=NOW)
    return told, known


@given(willing_directories(), rules(), logs(), st.frozensets(st.integers(1, 8)))
@settings(max_examples=200, deadline=None)
def test_the_log_comes_to_the_same_in_whatever_batches(
    directory: Directory, raw: list[dict[str, Any]], log: list[CaseEvent], cuts: frozenset[int]
) -> None:
    packs = build_packs(*raw, HOLDERS)
    in_one = fold(log, directory, packs, cuts=frozenset())
    assert fold(log, directory, packs, cuts=cuts) == in_one
    assert fold(log, directory, packs, cuts=frozenset(range(len(log)))) == in_one


@given(WORLDS, st.frozensets(st.integers(0, 8)))
@settings(max_examples=80, deadline=None)
def test_a_case_with_its_ladders_comes_to_the_same_in_whatever_batches(
    world: World, cuts: frozenset[int]
) -> None:
    places = iter(range(99))
    whole = run(world)
    cut = run(world, keep=lambda case: _through_the_store(case) if next(places) in cuts else case)
    assert [decision for *_, decision in whole.decisions] == [decision for *_, decision in cut.decisions]
    assert [rung for *_, rung in whole.rungs] == [rung for *_, rung in cut.rungs]
    assert whole.story.case == cut.story.case


def _through_the_store(case: CaseState) -> CaseState:
    return read_case_state(write_case_state(case))


@given(WORLDS, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_the_order_of_a_packs_rules_changes_nothing_in_the_life_of_a_case(
    world: World, chance: random.Random
) -> None:
    directory, raw, steps = world
    shuffled = raw.copy()
    chance.shuffle(shuffled)
    course, other = run(world), run((directory, shuffled, steps))
    assert [decision for *_, decision in course.decisions] == [decision for *_, decision in other.decisions]
    assert [rung for *_, rung in course.rungs] == [rung for *_, rung in other.rungs]


HOLDS: dict[str, Callable[[CaseEvent, tuple[str, ...]], bool]] = {
    "true": lambda _, __: True,
    "minor": lambda event, _: is_minor(event),
    "!minor": lambda event, _: not is_minor(event),
    '"ForcedLabour" in exploitation.types': lambda event, _: False,
    'safety.risk == "low"': lambda event, _: False,
    'county == "06029"': lambda event, _: event.data.county == KERN,
    '"LEA_LEAD" in emitter.roles': lambda _, roles: "LEA_LEAD" in roles,
}
"""What the conditions mean, without the engine; these events have no type of exploitation and no risk."""


def is_minor(event: CaseEvent) -> bool:
    return event.data.age is None or event.data.age.band.value != "adult"


@given(WORLDS)
@settings(max_examples=120, deadline=None)
def test_every_rule_that_matched_told_somebody_or_somebody_is_told_why_not(world: World) -> None:
    course = run(world)
    for event, case, decision in course.decisions:
        if decision.outcome is not Outcome.ROUTED:
            continue
        emitter = course.story.directory.find_member(event.agency)
        assert emitter is not None
        roles = tuple(role.value for role in emitter.roles)
        matched = {c.rule for c in decision.considered if c.verdict is not Verdict.NOT_MATCHED}
        if event.event_type.value == "tip.received":
            of_tips = [rule for rule in course.of_rule.values() if rule is not HOLDERS]
            holds = {rule["id"] for rule in of_tips if HOLDS[rule["when"]](event, roles)}
            assert matched - {"S-01", "T-09"} == holds
        told = {(row.agency, rule) for row in decision.alerts for rule in row.rules}
        problems = {row.rules[0]: row.reason for row in decision.alerts if row.reason is not None}
        for entry in decision.considered:
            alerted = [(each.agency, entry.rule) for each in entry.agencies if each.verdict in _TOLD]
            assert set(alerted) <= told
            if alerted or entry.verdict in _SILENT:
                continue
            if entry.verdict is Verdict.CONSENT_REQUIRED:
                assert problems.get("S-06") is Reason.CONSENT_REQUIRED or event.agency in case.conflicts
            elif entry.role is not None:
                assert problems.get("S-04", decision.undeliverable) in _UNTOLD
            else:
                # Who saw something by a consent and may not hear of its end: 6.0.1 point 21 wants no S-04.
                assert all(each.verdict not in _TOLD for each in entry.agencies)


_TOLD = frozenset({Verdict.ALERTED, Verdict.EXTERNAL})
_SILENT = frozenset({Verdict.NOT_MATCHED, Verdict.NOBODY_HELD, Verdict.SELF})
_UNTOLD = frozenset({Reason.CONFLICT, Reason.OFFBOARDED, Reason.AGREEMENT_EXPIRED, Reason.NO_AGENCY})


@given(WORLDS)
@settings(max_examples=200, deadline=None)
def test_no_rung_shows_what_rule_consent_and_gates_do_not_open_when_it_is_told(world: World) -> None:
    """A consent that was revoked since, or a class gate of the alternate's role, takes groups away."""
    course = run(world)
    for case, key, rung in course.rungs:
        if rung.disclosed and rung.role is not None:
            event = next(e for e, *_ in course.decisions if (e.source, e.id) == (key.source, key.event_id))
            for group in rung.disclosed:
                assert any(
                    may_show(course, course.of_rule[rule], rung, group, case, event)
                    for rule in rung.rules
                    if rule in course.of_rule
                )


def may_show(
    course: Course, rule: dict[str, Any], row: PlannedAlert, group: Group, case: CaseState, event: CaseEvent
) -> bool:
    """The text of DOMAIN 6.0 steps 7 to 9, for one group."""
    member = course.story.directory.find_member(row.agency)
    emitter = course.story.directory.find_member(event.agency)
    assert member is not None
    assert emitter is not None
    naming = [
        consent
        for consent in case.consents
        if consent.revoked_at is None and consent.recipients & {member.id, *member.roles}
    ]
    listed = any(group in consent.groups for consent in naming)
    with_consent = {*rule["disclose"], *rule.get("disclose_with_consent", ())}
    if rule.get("consent", "none") == ConsentMode.NONE:
        allowed = group in rule["disclose"]
    elif rule["consent"] == ConsentMode.BASE:
        allowed = group in rule["disclose"] or (group in with_consent and listed)
    else:
        allowed = group in with_consent and listed
    if emitter.gate is not Confidentiality.STANDARD and rule["basis"] != "mandated":
        allowed &= (group not in IDENTIFYING_GROUPS or listed) and bool(
            naming or emitter.gate is Confidentiality.MEDICAL
        )
    # A row shows one role, and is gated by every role it was told under. An alternate's rules all name one.
    is_alternates = row.escalation == 3 and len(row.rules) == 1
    roles = {row.role} if is_alternates else set(member.roles)
    if group in CLASS_GATES and roles.isdisjoint(CLASS_GATES[group]):
        allowed &= listed and group in OPENED_BY_CONSENT
    return allowed and not (group is Group.LOCATION and event.data.flags.safe_at_home)


TIP_AGES = st.sampled_from([None, "under13", "adult", "unknown"])
HOURS = st.integers(0, 9)
GIVEN_BY = st.sampled_from([ConsentGrantor.SELF, ConsentGrantor.PARENT])
PART2 = st.booleans()
CONSENT_COUNTS = st.integers(0, 2)
FEW_CONFLICTS = st.sampled_from([frozenset(some) for some in list_subsets(AGENCIES) if len(some) <= 1])


@st.composite
def tips(draw: st.DrawFn) -> dict[str, Any]:
    """A tip of any groups and age, or of none that is known; it says when it was discovered."""
    age = draw(TIP_AGES)
    return {
        "flags": draw(FLAGS),
        "discovered_at": f"2026-03-03T{draw(HOURS):02}:00:00Z",
        **({"age": {"band": age}} if age else {}),
        **{group: EVERY_GROUP[group] for group in draw(BROAD) if group != "age"},
    }


@st.composite
def consents(draw: st.DrawFn) -> CaseState:
    """A case with consents of the person or of a parent, and perhaps a conflict."""
    given_ones = [
        Consent(
            id=f"cn-{number}",
            granted_by=draw(GIVEN_BY),
            recipients=frozenset(draw(SOME_RECIPIENTS)),
            groups=frozenset(Group(name) for name in draw(BROAD)),
            begins_at=NOW,
            ends_at=NOW + timedelta(days=9),
            part2=draw(PART2),
        )
        for number in range(draw(CONSENT_COUNTS))
    ]
    return CaseState(draw(FEW_CONFLICTS), tuple(given_ones))


@given(
    willing_directories(),
    rules(),
    consents(),
    tips(),
    tips(),
    st.sampled_from(AGENCIES),
    st.sampled_from(["o1", "o2"]),
)
@settings(max_examples=200, deadline=None)
def test_a_correction_followed_by_its_undo_equals_the_original(
    directory: Directory,
    raw: list[dict[str, Any]],
    case: CaseState,
    original: dict[str, Any],
    other: dict[str, Any],
    emitter: str,
    undoes: str,
) -> None:
    story = Story(directory=directory, packs=build_packs(*raw))
    story.case = case
    first = story.take(build_event("tip.received", emitter, event_id="o1", **original))
    before = standing(story.case, "o1")
    story.take(build_event("tip.received", emitter, event_id="o2", corrects="o1", **other))
    last = story.take(build_event("tip.received", emitter, event_id="o3", corrects=undoes, **original))

    assert essence(last.alerts) == essence(first.alerts)
    taken_back = {(row.agency, row.cause) for row in last.alerts if row.kind is AlertKind.CANCEL}
    assert taken_back.isdisjoint((row.agency, row.cause) for row in first.alerts)
    assert (last.notices, last.duties, last.undeliverable) == (
        first.notices,
        first.duties,
        first.undeliverable,
    )
    assert verdicts(last) == verdicts(first)
    assert standing(story.case, "o3") == before


@given(willing_directories(), rules(), consents(), tips(), AGENCY)
@settings(max_examples=150, deadline=None)
def test_a_consent_given_after_an_alert_widens_none_of_its_rungs(
    directory: Directory, raw: list[dict[str, Any]], later: CaseState, tip: dict[str, Any], emitter: str
) -> None:
    story = Story(directory=directory, packs=build_packs(*raw))
    first = story.take(build_event("tip.received", emitter, event_id="o1", **tip))
    story.case = replace(story.case, consents=later.consents)
    story.wait(days=4)
    for original in first.alerts:
        if original.cause == RULES and not original.external:
            rungs = story.climb(original.agency, "o1").rows
            assert all(rung.disclosed <= original.disclosed for rung in rungs)


def essence(rows: Sequence[PlannedAlert]) -> list[PlannedAlert]:
    """Rows but for whether they tell something new; what only the correction told is taken back."""
    return [
        replace(
            row,
            kind=row.kind if row.kind is AlertKind.ERROR else AlertKind.ALERT,
            replaces=None,
            in_earnest=False,
        )
        for row in rows
        if row.kind is not AlertKind.CANCEL
    ]


def verdicts(decision: Decision) -> list[object]:
    return sorted(decision.considered, key=repr)


def standing(case: CaseState, event_id: str) -> list[object]:
    """The rows that climb, as they are known of an event, but for its id."""
    return sorted(
        (
            (
                row.agency,
                row.cause,
                row.role,
                row.rules,
                row.urgency,
                row.acknowledge_by,
                row.shares,
                row.duties,
            )
            for record in case.events
            for row in record.rows
            if row.event_id == event_id and not row.stopped
        ),
        key=repr,
    )
