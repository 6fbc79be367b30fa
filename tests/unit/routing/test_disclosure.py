"""What each recipient may see: the rule's lists, then consent of emitter and rule, then the class gates."""

from typing import Any

import pytest

from schemas.vocabulary import IDENTIFYING_GROUPS, Group, Reason, Role
from services.routing.decision import Gate, Verdict
from services.routing.disclosure import OPEN_TO
from services.routing.situation import find_present_groups
from tests.unit.routing.building import (
    ADULT,
    NAME,
    build_directory,
    build_event,
    build_packs,
    considered,
    decide_event,
    row_of,
    told,
)

EVERY_GROUP: dict[str, Any] = {
    **{
        group: {"text": "invented"}
        for group in (
            "medical",
            "substance_use",
            "privileged",
            "criminal_justice",
            "intelligence",
            "immigration",
            "narrative",
            "physical_description",
            "endangerment",
        )
    },
    "exploitation": {"types": ["ForcedLabour"]},
    "age": {"band": "adult"},
    "date_of_birth": "1990-01-01",
    "name": {"full": "Sample Person"},
    "contact": {"phone": "+16615550100"},
    "gender": "Feminine",
    "language": {"tag": "es"},
    "needs": ["legal"],
    "safety": {"risk": "low"},
    "location": {"address": "1 Sample Street"},
    "last_seen": {"place": "Sample Plaza"},
    "suspect": {"name": "Sample Suspect"},
    "suspect_status": {"custody": "held"},
    "citizenship": {"status": "unknown"},
    "employer": {"name": "Sample Farm"},
    "custody": {"status": "dependent"},
    "tribe": {"name": "Sample Tribe"},
    "court": {"court": "Sample Court"},
    "protective_order": {"type": "CPO"},
    "appointment": {"place": "Sample Center"},
    "operation_plan": {"window": "soon"},
    "consent": {"consent_id": "cn-1"},
    "details": {"channel": "phone"},
}
FULL = build_event("tip.received", "ag-kern-coe", **EVERY_GROUP)
ALL_GROUPS = sorted(Group)
HOLDER = {
    Role.LEA_LEAD: "ag-kern-so",
    Role.LEA_LOCAL: "ag-bpd",
    Role.PROSECUTOR: "ag-kern-da",
    Role.PROBATION: "ag-kern-prob",
    Role.HSI: "ag-us-hsi",
    Role.FBI: "ag-us-fbi",
    Role.FED_PROSECUTOR: "ag-us-usao",
    Role.CHILD_WELFARE: "ag-kern-cw",
    Role.SART_HOSPITAL: "ag-kern-sart",
    Role.VICTIM_SERVICES: "ag-kern-vsp",
    Role.IMMIGRATION_LEGAL: "ag-kern-ils",
    Role.HHS_OTIP: "ext-otip",
    Role.HHS_ORR: "ext-orr",
    Role.TF_COORDINATOR: "ag-kern-tfc",
}
JUSTICE = {
    Role.LEA_LEAD,
    Role.LEA_LOCAL,
    Role.PROSECUTOR,
    Role.PROBATION,
    Role.HSI,
    Role.FBI,
    Role.FED_PROSECUTOR,
}
COUNSEL = {Role.IMMIGRATION_LEGAL, Role.HHS_OTIP, Role.HHS_ORR}
CLASS_GATES: dict[Group, set[Role]] = {
    Group.PRIVILEGED: set(),
    Group.SUBSTANCE_USE: set(),
    Group.CRIMINAL_JUSTICE: JUSTICE,
    Group.INTELLIGENCE: JUSTICE - {Role.PROBATION},
    Group.IMMIGRATION: COUNSEL,
    Group.CITIZENSHIP: COUNSEL,
    Group.MEDICAL: {Role.SART_HOSPITAL, Role.CHILD_WELFARE},
}


def test_the_event_of_these_tests_carries_every_group() -> None:
    assert find_present_groups(FULL) == set(Group)


@pytest.mark.parametrize("role", HOLDER, ids=lambda role: role.value)
def test_class_gates_hold_for_every_role_and_group_whatever_a_rule_lists(role: Role) -> None:
    packs = build_packs({"notify": [{"role": role.value}], "disclose": ALL_GROUPS})
    decision = decide_event(FULL, packs=packs)
    row = row_of(decision, HOLDER[role])
    closed = {group for group, roles in CLASS_GATES.items() if role not in roles}
    assert row.disclosed == set(Group) - closed
    assert row.withheld == closed
    (verdict,) = considered(decision, "T-01").agencies
    assert verdict.removed.keys() == closed


def test_the_table_of_gates_names_no_role_that_was_forgotten() -> None:
    assert {group: set(roles) for group, roles in OPEN_TO.items()} == {
        group: roles for group, roles in CLASS_GATES.items() if roles
    }


def test_the_role_told_under_decides_and_not_another_role_of_the_agency() -> None:
    """A prosecutor's victim unit is told as an advocate: it does not see criminal history."""
    directory = build_directory({"ag-kern-vsp": {"roles": ["PROSECUTOR", "VICTIM_SERVICES"]}})
    packs = build_packs({"notify": [{"role": "VICTIM_SERVICES"}], "disclose": ["criminal_justice"]})
    decision = decide_event(FULL, directory=directory, packs=packs)
    assert row_of(decision, "ag-kern-vsp").disclosed == frozenset()


def test_an_alternate_is_gated_by_its_own_role() -> None:
    packs = build_packs(
        {
            "notify": [{"role": "SURVIVOR_CONSULTANT", "alternate": "PROBATION"}],
            "disclose": ["intelligence", "criminal_justice"],
        }
    )
    row = row_of(decide_event(FULL, packs=packs), "ag-kern-prob")
    assert row.disclosed == {Group.CRIMINAL_JUSTICE}


def test_nobody_sees_where_a_person_in_the_address_program_is() -> None:
    packs = build_packs({"notify": [{"role": "CHILD_WELFARE"}], "disclose": ["location", "name"]})
    event = build_event("tip.received", **NAME, location={"address": "x"}, flags={"safe_at_home": True})
    decision = decide_event(event, packs=packs)
    assert row_of(decision, "ag-kern-cw").disclosed == {Group.NAME}
    assert considered(decision, "T-01").agencies[0].removed == {Group.LOCATION: Gate.SAFE_AT_HOME}


def test_only_what_the_event_carries_is_disclosed_or_withheld() -> None:
    packs = build_packs({"disclose": ["name", "narrative", "age"]})
    row = row_of(decide_event(build_event("tip.received", **NAME, needs=["food"]), packs=packs), "ag-kern-so")
    assert row.disclosed == {Group.NAME}
    assert row.withheld == {Group.NEEDS}


def test_a_row_with_nothing_to_see_is_sent_all_the_same() -> None:
    row = row_of(decide_event(build_event("tip.received"), packs=build_packs({})), "ag-kern-so")
    assert (row.disclosed, row.withheld) == (frozenset(), frozenset())


def test_a_date_of_birth_brings_the_age_band_with_it() -> None:
    packs = build_packs({"disclose": ["age"]})
    row = row_of(decide_event(build_event("tip.received", **ADULT), packs=packs), "ag-kern-so")
    assert row.disclosed == {Group.AGE}
    assert row.withheld == {Group.DATE_OF_BIRTH}


class TestModes:
    def test_base_groups_need_no_consent_and_the_others_wait_for_one(self) -> None:
        packs = build_packs(
            {"consent": "base", "disclose": ["needs"], "disclose_with_consent": ["name", "contact"]}
        )
        decision = decide_event(FULL, packs=packs)
        assert row_of(decision, "ag-kern-so").disclosed == {Group.NEEDS}
        removed = considered(decision, "T-01").agencies[0].removed
        assert removed == {Group.NAME: Gate.RULE_CONSENT, Group.CONTACT: Gate.RULE_CONSENT}

    def test_a_group_in_both_lists_is_a_base_group(self) -> None:
        packs = build_packs({"consent": "base", "disclose": ["name"], "disclose_with_consent": ["name"]})
        assert row_of(decide_event(FULL, packs=packs), "ag-kern-so").disclosed == {Group.NAME}

    @pytest.mark.parametrize("basis", ["agreement", "mandated"])
    def test_a_rule_that_needs_consent_is_skipped_and_the_emitter_told(self, basis: str) -> None:
        packs = build_packs({"consent": "required", "basis": basis, "urgency": "routine"})
        decision = decide_event(FULL, packs=packs)
        row = row_of(decision, "ag-kern-coe")
        assert told(decision) == {"ag-kern-coe": ("S-06",)}
        assert (row.reason, row.kind.value, row.role) == (Reason.CONSENT_REQUIRED, "error", Role.SCHOOL)
        assert row.urgency.value == "routine"
        assert row.disclosed == frozenset()
        assert row.withheld == set(Group)
        assert considered(decision, "T-01").verdict is Verdict.CONSENT_REQUIRED


class TestEmittersOfTheirOwnSecrecy:
    def test_what_a_strict_emitter_agreed_to_share_is_skipped_without_consent(self) -> None:
        event = build_event("tip.received", "ag-kern-vsp", **EVERY_GROUP)
        packs = build_packs({"id": "T-01", "urgency": "priority"}, {"id": "T-02", "urgency": "urgent"})
        decision = decide_event(event, packs=packs)
        assert told(decision) == {"ag-kern-vsp": ("S-06",)}
        assert row_of(decision, "ag-kern-vsp").urgency.value == "urgent"

    def test_what_the_law_orders_leaves_a_strict_emitter(self) -> None:
        event = build_event("tip.received", "ag-kern-vsp", **EVERY_GROUP)
        decision = decide_event(event, packs=build_packs({"basis": "mandated"}))
        assert row_of(decision, "ag-kern-so").disclosed == {Group.NAME, Group.NARRATIVE}

    def test_only_what_identifies_nobody_leaves_a_hospital_under_an_agreement(self) -> None:
        event = build_event("tip.received", "ag-kern-sart", **EVERY_GROUP)
        decision = decide_event(event, packs=build_packs({"disclose": ALL_GROUPS}))
        disclosed = row_of(decision, "ag-kern-so").disclosed
        assert disclosed == set(Group) - IDENTIFYING_GROUPS
        removed = considered(decision, "T-01").agencies[0].removed
        assert removed[Group.NAME] is Gate.EMITTER_CONSENT

    def test_a_hospitals_rule_of_identifying_groups_alone_still_tells_that_something_is(self) -> None:
        event = build_event("tip.received", "ag-kern-sart", **EVERY_GROUP)
        row = row_of(decide_event(event, packs=build_packs({"disclose": ["name"]})), "ag-kern-so")
        assert row.disclosed == frozenset()

    def test_a_skip_for_consent_calls_no_alternate_and_no_coordinator(self) -> None:
        event = build_event("tip.received", "ag-kern-vsp", **EVERY_GROUP)
        packs = build_packs({"notify": [{"role": "LEA_LEAD", "alternate": "LEA_LOCAL"}]})
        assert told(decide_event(event, packs=packs)) == {"ag-kern-vsp": ("S-06",)}

    def test_a_conflicted_emitter_is_not_even_told_of_missing_consent(self) -> None:
        event = build_event("tip.received", "ag-kern-vsp", **EVERY_GROUP)
        decision = decide_event(event, packs=build_packs({}), conflicts=["ag-kern-vsp"])
        assert decision.alerts == ()
        assert considered(decision, "T-01").verdict is Verdict.CONSENT_REQUIRED
