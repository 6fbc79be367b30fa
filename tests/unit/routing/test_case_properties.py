"""What holds for every course of a case: consents, conflicts, corrections and ladders in any order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.case_event import CaseEvent
from schemas.directory import AgencyProfile
from schemas.vocabulary import IDENTIFYING_GROUPS, AlertKind, Confidentiality, Group, Outcome, Role
from services.routing.case_state import (
    CaseState,
    Consent,
    EventKey,
    RowKey,
    read_case_state,
    write_case_state,
)
from services.routing.corrections import CLIMBING
from services.routing.decision import AgencyVerdict, Decision, Directory, PlannedAlert, Verdict
from services.routing.escalation import next_rung
from tests.unit.routing.building import KERN, NOW, build_event, build_packs
from tests.unit.routing.story import Story
from tests.unit.routing.test_decide_properties import (
    AGENCIES,
    AGENCY,
    GROUPS,
    SOME_GROUPS,
    SOME_ROLES,
    directories,
    list_orders,
    list_subsets,
    rules,
)
from tests.unit.routing.test_disclosure import CLASS_GATES, EVERY_GROUP

HOLDERS: dict[str, Any] = {
    "id": "T-09",
    "on": ["consent.revoked"],
    "basis": "mandated",
    "notify": [{"holders_of": "consent"}],
    "disclose": ["consent"],
}
RECIPIENTS = [*AGENCIES, "LEA_LEAD", "VICTIM_SERVICES", "CHILD_WELFARE"]
OPENED_BY_CONSENT = {Group.SUBSTANCE_USE, Group.IMMIGRATION, Group.CITIZENSHIP, Group.MEDICAL}
BROAD = st.one_of(st.just(sorted(SOME_GROUPS)), GROUPS)
"""Rules, consents and events must name the same group to meet: often they all name every one."""
KINDS = st.sampled_from(
    ["tip"] * 6 + ["grant"] * 4 + ["revoke", "revoke", "conflict", "conflict", "retraction"]
)
OF = st.one_of(st.none(), st.none(), st.integers(-1, 3))
AGES = st.sampled_from(["under13", "adult", "unknown"])
CONSENT_NUMBERS = st.integers(1, 2)
GRANTORS = st.sampled_from(["self", "parent"])
SOME_RECIPIENTS = st.one_of(st.just(AGENCIES), st.sampled_from(list_subsets(RECIPIENTS)))
MANY_ROLES = list_orders(SOME_ROLES, (2, 3, 4))
MILD_SECRECY = st.sampled_from(["standard", "standard", "medical", "strict"])
MOSTLY_ACTIVE = st.sampled_from(["active"] * 5 + ["offboarded"])
MOSTLY_AGREED = st.sampled_from(["2027-12-31T00:00:00Z"] * 5 + ["2026-01-01T00:00:00Z"])
SAFE = st.booleans()
Step = tuple[str, Any]


@st.composite
def occurrences(draw: st.DrawFn) -> dict[str, Any]:
    """An event, of what it is made; `of` is how many events ago the one it corrects or retracts was."""
    return {
        "kind": draw(KINDS),
        "agency": draw(AGENCY),
        "groups": draw(BROAD),
        "of": draw(OF),
        "age": draw(AGES),
        "consent": f"cn-{draw(CONSENT_NUMBERS)}",
        "granted_by": draw(GRANTORS),
        "recipients": draw(SOME_RECIPIENTS),
        "named": draw(AGENCY),
        "safe": draw(SAFE),
    }


STEPS: st.SearchStrategy[Step] = st.one_of(
    *[st.tuples(st.just("event"), occurrences())] * 4,
    st.tuples(st.just("wait"), st.integers(1, 300)),
    st.tuples(st.just("acknowledge"), st.sampled_from(AGENCIES)),
)


@dataclass
class Course:
    """A case with everything it told, in order."""

    story: Story
    of_rule: dict[str, dict[str, Any]]
    decisions: list[tuple[CaseEvent, CaseState, Decision]]
    rungs: list[tuple[CaseState, RowKey, PlannedAlert]]
    originals: dict[RowKey, PlannedAlert]

    def run(self, steps: list[Step], keep: Callable[[CaseState], CaseState] = lambda case: case) -> None:
        for word, matter in steps:
            self.story.case = keep(self.story.case)
            if word == "event":
                self._take(matter)
            elif word == "wait":
                self.story.wait(minutes=matter)
            else:
                for event, _, _ in self.decisions:
                    self.story.acknowledge(matter, event.id, event.agency)
            self._climb()

    def _take(self, matter: dict[str, Any]) -> None:
        event = self._build(matter)
        decision = self.story.take(event)
        self.decisions.append((event, self.story.case, decision))
        for row in decision.alerts:
            if row.kind in CLIMBING:
                key = RowKey(event.source, event.id, row.agency, row.cause, self.story.now)
                self.originals[key] = row

    def _build(self, matter: dict[str, Any]) -> CaseEvent:
        number = len(self.decisions) + 1
        data: dict[str, Any] = {"age": {"band": matter["age"]}}
        agency, event_type = matter["agency"], "tip.received"
        if matter["of"] is not None or matter["kind"] == "retraction":
            number_of = number - 1 - (matter["of"] or 0)
            if number_of >= 1 and number_of < number:
                agency = self.decisions[number_of - 1][0].agency if matter["of"] != 2 else agency
            word = "retracts" if matter["kind"] == "retraction" else "corrects"
            data[word] = f"e{number_of if number_of != number else 99}"
        match matter["kind"]:
            case "grant":
                event_type = "consent.granted"
                data["consent"] = {
                    "consent_id": matter["consent"],
                    "granted_by": matter["granted_by"],
                    "recipients": matter["recipients"],
                    "groups": matter["groups"],
                    "to": (NOW + timedelta(hours=6)).isoformat(),
                }
            case "revoke":
                event_type = "consent.revoked"
                data["consent"] = {"consent_id": matter["consent"]}
            case "conflict":
                event_type = "case.conflict_declared"
                data["details"] = {"conflict_agencies": [matter["named"]]}
            case "retraction":
                event_type = "event.retracted"
            case _:
                data["flags"] = {"safe_at_home": matter["safe"]}
                data |= {group: EVERY_GROUP[group] for group in matter["groups"]}
        return build_event(event_type, agency, event_id=f"e{number}", **data)

    def _climb(self) -> None:
        story = self.story
        for key in self.originals:
            climb = next_rung(key, story.case, story.directory, story.packs, story.now)
            story.case = climb.case
            self.rungs += [(climb.case, key, row) for row in climb.rows]


@st.composite
def willing_directories(draw: st.DrawFn) -> Directory:
    """Agencies most of which may be told most things, so that what keeps them from it is the case itself."""
    profiles = [
        {
            "id": agency,
            "name": "An agency of a test",
            "roles": draw(MANY_ROLES),
            "counties": "*",
            "external": False,
            "confidentiality": draw(MILD_SECRECY),
            "status": draw(MOSTLY_ACTIVE),
            "agreement_until": draw(MOSTLY_AGREED),
            "contacts": [
                {"rung": rung, "email": f"{rung}@{agency}.example"} for rung in ("primary", "backup")
            ],
        }
        for agency in AGENCIES
    ]
    return Directory([AgencyProfile.model_validate(profile) for profile in profiles])


WORLDS = st.tuples(
    st.one_of(willing_directories(), willing_directories(), directories()),
    rules().map(lambda raw: [*raw, HOLDERS]),
    st.lists(STEPS, min_size=8, max_size=16),
)


def run(world: tuple[Directory, list[dict[str, Any]], list[Step]], **options: Any) -> Course:  # noqa: ANN401 - as given
    directory, raw, steps = world
    story = Story(directory=directory, packs=build_packs(*raw))
    course = Course(story, {rule["id"]: rule for rule in raw}, [], [], {})
    course.run(steps, **options)
    return course


def valid_consents(case: CaseState, event: CaseEvent) -> list[Consent]:
    """Judged by the event's own age alone, which these events always give; unknown is nobody's consent."""
    minor = event.data.age is not None and event.data.age.band.value == "under13"
    return [
        consent
        for consent in case.consents
        if consent.revoked_at is None and (consent.granted_by == "self" or minor or _is_silent(event))
    ]


def _is_silent(event: CaseEvent) -> bool:
    return event.data.age is not None and event.data.age.band.value == "unknown"


def told_by(course: Course, decision: Decision) -> Iterator[tuple[str, Role, AgencyVerdict]]:
    for entry in decision.considered:
        for told in entry.agencies:
            role = told.role or entry.role
            if told.verdict in {Verdict.ALERTED, Verdict.EXTERNAL} and entry.rule in course.of_rule:
                assert role is not None
                yield entry.rule, role, told


@given(WORLDS)
@settings(max_examples=150, deadline=None)
def test_no_group_reaches_anybody_without_its_rule_its_consent_and_its_gates(
    world: tuple[Directory, list[dict[str, Any]], list[Step]],
) -> None:
    course = run(world)
    for event, case, decision in course.decisions:
        emitter = course.story.directory.find_member(event.agency)
        assert emitter is not None
        for rule_id, role, told in told_by(course, decision):
            rule = course.of_rule[rule_id]
            member = course.story.directory.find_member(told.agency)
            assert member is not None
            naming = [
                consent
                for consent in valid_consents(case, event)
                if consent.recipients & {member.id, *member.roles}
            ]
            for group in told.disclosed:
                listed = any(group in consent.groups for consent in naming)
                mandated = rule["basis"] == "mandated"
                assert group in {*rule["disclose"], *rule.get("disclose_with_consent", ())}
                if group not in rule["disclose"] or rule.get("consent") == "required":
                    assert listed
                if emitter.gate is not Confidentiality.STANDARD and not mandated:
                    assert listed or group not in IDENTIFYING_GROUPS
                    assert naming or emitter.gate is Confidentiality.MEDICAL
                if group in CLASS_GATES and role not in CLASS_GATES[group]:
                    assert listed
                    assert group in OPENED_BY_CONSENT
                assert group is not Group.LOCATION or not event.data.flags.safe_at_home


@given(WORLDS)
@settings(max_examples=150, deadline=None)
def test_escalation_never_widens_what_was_disclosed(
    world: tuple[Directory, list[dict[str, Any]], list[Step]],
) -> None:
    course = run(world)
    for _, key, rung in course.rungs:
        original = course.originals[key]
        assert rung.disclosed <= original.disclosed
        assert rung.disclosed | rung.withheld == original.disclosed | original.withheld
        assert set(rung.rules) <= set(original.rules)
        assert (rung.kind, rung.urgency, rung.reason) == (original.kind, original.urgency, original.reason)
        if rung.role is Role.TF_COORDINATOR and rung.escalation > 1:
            assert rung.disclosed == frozenset()
        if key.event_id and rung.escalation not in {1, 3}:
            assert rung.role is Role.TF_COORDINATOR


@given(WORLDS)
@settings(max_examples=150, deadline=None)
def test_a_conflicted_agency_receives_nothing_ever_not_even_a_cancel(
    world: tuple[Directory, list[dict[str, Any]], list[Step]],
) -> None:
    course = run(world)
    for _, case, decision in course.decisions:
        assert case.conflicts.isdisjoint(row.agency for row in decision.alerts)
        assert case.conflicts.isdisjoint(notice.agency for notice in decision.notices)
    for case, _, rung in course.rungs:
        assert rung.agency not in case.conflicts


@given(WORLDS)
@settings(max_examples=60, deadline=None)
def test_deciding_from_stored_states_or_all_over_again_gives_the_same(
    world: tuple[Directory, list[dict[str, Any]], list[Step]],
) -> None:
    """However the events are split into batches, between which the state is written and read."""
    once, again = run(world), run(world)
    stored = run(world, keep=lambda case: read_case_state(write_case_state(case)))
    for other in (again, stored):
        assert [decision for *_, decision in once.decisions] == [d for *_, d in other.decisions]
        assert [rung for *_, rung in once.rungs] == [rung for *_, rung in other.rungs]
        assert once.story.case == other.story.case


@given(WORLDS)
@settings(max_examples=150, deadline=None)
def test_whoever_was_alerted_is_told_what_became_of_it(
    world: tuple[Directory, list[dict[str, Any]], list[Step]],
) -> None:
    """After a correction every agency whose row stood has an update or a cancel, or may hear nothing."""
    course = run(world)
    standing: dict[str, set[tuple[str, str]]] = {}
    for event, case, decision in course.decisions:
        named = event.data.corrects or event.data.retracts
        record = case.find_event(EventKey(event.source, event.id))
        if decision.outcome is not Outcome.ROUTED or record is None:
            continue
        known = {(row.agency, row.cause) for row in decision.alerts}
        for key in standing.get(f"{record.root}", set()) if named else set():
            member = course.story.directory.find_member(key[0])
            hears = member is not None and not member.offboarded and member.id not in case.conflicts
            assert key in known or not hears
        standing[f"{record.root}"] = {
            (row.agency, row.cause) for row in decision.alerts if row.kind in CLIMBING
        }
        assert all(row.disclosed == frozenset() for row in decision.alerts if row.kind is AlertKind.CANCEL)
        assert case.events[-1] is record
        assert record.county == KERN
