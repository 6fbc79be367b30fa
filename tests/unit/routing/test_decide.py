"""The whole decision: what is refused, how rows merge, what is kept for the ledger."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest

from schemas.case_event import FieldError
from schemas.vocabulary import AlertKind, Group, Outcome, Reason, Role
from services.routing.decide import disclosed_values, quarantine, refuse_reused_id
from services.routing.decision import Decision, Verdict
from tests.unit.routing.building import (
    CHILD,
    CSE,
    FRESNO,
    KERN,
    NAME,
    NOW,
    build_directory,
    build_event,
    build_packs,
    considered,
    decide_event,
    row_of,
    told,
)


def told_why(decision: Decision) -> list[str]:
    return [error.path for error in decision.errors]


class TestRefusals:
    def test_an_employer_that_is_no_member_is_no_conflict(self) -> None:
        event = build_event("suspect.identified", suspect={"employer_agency": "sample-farm"})
        assert decide_event(event).conflicts == frozenset()

    def test_an_emitter_that_is_not_in_the_directory_is_refused(self) -> None:
        decision = decide_event(build_event("tip.received", "ag-unknown"))
        assert decision.outcome is Outcome.QUARANTINED
        assert told_why(decision) == ["/source"]

    def test_a_refused_event_tells_the_coordinator_that_it_waits_and_nothing_else(self) -> None:
        (row,) = decide_event(build_event("tip.received", "ag-unknown", **NAME)).alerts
        assert (row.agency, row.role, row.kind) == ("ag-kern-tfc", Role.TF_COORDINATOR, AlertKind.ERROR)
        assert (row.rules, row.reason, row.urgency.value) == ((), Reason.QUARANTINED, "immediate")
        assert (row.disclosed, row.withheld, row.duties) == (frozenset(), frozenset(), ())
        assert row.acknowledge_by == NOW + timedelta(minutes=15)

    def test_a_conflicted_agency_is_not_told_even_as_coordinator(self) -> None:
        event = build_event("suspect.identified", "ag-unknown", suspect={"employer_agency": "ag-kern-tfc"})
        decision = decide_event(event)
        assert decision.alerts == ()
        assert decision.conflicts == {"ag-kern-tfc"}
        assert decision.undeliverable is Reason.QUARANTINED

    def test_what_the_case_knew_of_conflicts_holds_for_a_refused_event(self) -> None:
        decision = decide_event(build_event("tip.received", "ag-unknown"), conflicts=["ag-kern-tfc"])
        assert decision.alerts == ()

    def test_errors_say_no_value(self) -> None:
        event = build_event("suspect.identified", "ag-unknown", suspect={"employer_agency": "ag-bpd"})
        text = repr(decide_event(event).errors)
        assert "ag-unknown" not in text
        assert "ag-bpd" not in text

    def test_an_exercise_that_is_refused_stays_an_exercise(self) -> None:
        event = build_event("victim.recovered", "ag-unknown", flags={"exercise": True})
        assert [row.exercise for row in decide_event(event).alerts] == [True]


class TestSystemRefusals:
    def test_a_quarantine_without_a_county_tells_every_coordinator(self) -> None:
        directory = build_directory({"ag-two": {"roles": ["TF_COORDINATOR"], "counties": ["06001"]}})
        decision = quarantine(
            county=None,
            named_agencies=(),
            directory=directory,
            now=NOW,
            errors=[FieldError("", "does not open")],
        )
        assert told(decision) == {"ag-kern-tfc": (), "ag-two": ()}
        assert decision.errors == (FieldError("", "does not open"),)

    def test_a_reused_id_is_told_to_the_coordinator_of_the_first_events_county(self) -> None:
        directory = build_directory({"ag-two": {"roles": ["TF_COORDINATOR"], "counties": ["06001"]}})
        decision = refuse_reused_id(county="06001", named_agencies=(), directory=directory, now=NOW)
        row = row_of(decision, "ag-two")
        assert told(decision) == {"ag-two": ("S-05",)}
        assert (row.kind, row.reason, row.urgency.value) == (AlertKind.ALERT, Reason.ID_REUSE, "urgent")
        assert (row.withheld, row.acknowledge_by) == (frozenset(), NOW + timedelta(hours=1))
        assert decision.outcome is Outcome.QUARANTINED

    def test_a_quarantine_nobody_hears_of_is_undeliverable(self) -> None:
        decision = quarantine(
            county=KERN, named_agencies=["ag-kern-tfc"], directory=build_directory(), now=NOW, errors=()
        )
        assert (decision.alerts, decision.undeliverable) == ((), Reason.QUARANTINED)


class TestMerging:
    PACKS = build_packs(
        {"id": "T-02", "urgency": "priority", "disclose": ["name"]},
        {"id": "T-01", "urgency": "priority", "disclose": ["needs"]},
        {"id": "T-03", "urgency": "immediate", "disclose": ["safety"], "notify": [{"role": "LEA_LOCAL"}]},
    )
    BOTH = build_directory({"ag-kern-so": {"roles": ["LEA_LEAD", "LEA_LOCAL"]}})
    EVENT = build_event("tip.received", "ag-kern-coe", **NAME, needs=["food"], safety={"risk": "low"})

    def test_an_agency_gets_one_row_with_every_group_and_the_highest_urgency(self) -> None:
        decision = decide_event(self.EVENT, packs=self.PACKS, directory=self.BOTH)
        row = row_of(decision, "ag-kern-so")
        assert row.rules == ("T-01", "T-02", "T-03")
        assert row.disclosed == {Group.NAME, Group.NEEDS, Group.SAFETY}
        assert row.urgency.value == "immediate"
        assert row.acknowledge_by == NOW + timedelta(minutes=15)

    @pytest.mark.parametrize(
        ("bases", "mandated", "by_agreement"),
        [
            (("agreement", "agreement"), False, frozenset()),
            (("mandated", "mandated"), True, frozenset()),
            (("mandated", "agreement"), True, frozenset({Group.NEEDS})),
        ],
    )
    def test_a_row_says_what_of_it_needs_an_agreement(
        self, *, bases: tuple[str, str], mandated: bool, by_agreement: frozenset[Group]
    ) -> None:
        packs = build_packs(
            {"id": "T-01", "basis": bases[0], "disclose": ["name"]},
            {"id": "T-02", "basis": bases[1], "disclose": ["name", "needs"]},
        )
        row = row_of(decide_event(self.EVENT, packs=packs), "ag-kern-so")
        assert row.disclosed == {Group.NAME, Group.NEEDS}
        assert (row.mandated, row.by_agreement) == (mandated, by_agreement)

    def test_the_row_shows_the_role_of_its_first_rule_by_urgency(self) -> None:
        decision = decide_event(self.EVENT, packs=self.PACKS, directory=self.BOTH)
        assert row_of(decision, "ag-kern-so").role is Role.LEA_LOCAL

    def test_at_equal_urgency_the_first_rule_by_id_decides_on_the_role(self) -> None:
        packs = build_packs(
            {"id": "T-02", "notify": [{"role": "LEA_LEAD"}]},
            {"id": "T-01", "notify": [{"role": "LEA_LOCAL"}]},
        )
        decision = decide_event(self.EVENT, packs=packs, directory=self.BOTH)
        assert row_of(decision, "ag-kern-so").role is Role.LEA_LOCAL

    def test_rules_of_two_packs_meet_in_one_row_that_names_both(self) -> None:
        event = build_event("victim.minor_confirmed", "ag-kern-cw", **CHILD, **CSE)
        row = row_of(decide_event(event), "ag-kern-so")
        assert row.rules == ("F-05", "K-05")
        assert row.packs == ("ca-kern-httf@2.1.0", "fed-baseline@1.0.0")

    def test_a_packs_own_times_decide_how_soon_to_acknowledge(self) -> None:
        packs = build_packs({}, urgencies={"urgent": "PT7M"})
        assert row_of(decide_event(self.EVENT, packs=packs), "ag-kern-so").acknowledge_by == NOW + timedelta(
            minutes=7
        )

    def test_a_row_of_trouble_is_not_merged_into_one_of_rules(self) -> None:
        packs = build_packs(
            {"id": "T-01", "notify": [{"role": "TF_COORDINATOR"}]},
            {"id": "T-02", "notify": [{"role": "SURVIVOR_CONSULTANT"}]},
        )
        rows = decide_event(self.EVENT, packs=packs).alerts
        assert [(row.agency, row.cause, row.rules) for row in rows] == [
            ("ag-kern-tfc", "S-04", ("S-04",)),
            ("ag-kern-tfc", "rules", ("T-01",)),
        ]


class TestPacksInForce:
    @pytest.mark.parametrize(
        ("at", "urgency"),
        [("2026-06-30T23:59:59-07:00", "priority"), ("2026-07-01T00:00:00-07:00", "urgent")],
    )
    def test_the_version_in_force_at_processing_decides(self, at: str, urgency: str) -> None:
        decision = decide_event(build_event("tip.received"), now=datetime.fromisoformat(at))
        assert row_of(decision, "ag-kern-so").urgency.value == urgency

    def test_before_any_pack_is_in_force_nothing_matches(self) -> None:
        decision = decide_event(
            build_event("tip.received"), now=datetime.fromisoformat("2025-12-31T23:59:59-08:00")
        )
        assert (decision.outcome, decision.alerts, decision.packs) == (Outcome.ROUTED, (), ())

    def test_a_countys_pack_speaks_of_its_county_alone(self) -> None:
        assert decide_event(build_event("tip.received", "ag-fresno-vsp", county=FRESNO)).alerts == ()
        labels = decide_event(build_event("tip.received", county=FRESNO)).packs
        assert labels == ("fed-baseline@1.0.0",)

    def test_the_day_of_processing_where_the_task_force_is_decides_who_is_a_minor(self) -> None:
        event = build_event("shelter.bed_needed", date_of_birth="2008-03-04")
        before = decide_event(event, now=datetime.fromisoformat("2026-03-03T23:59:59-08:00"))
        after = decide_event(event, now=datetime.fromisoformat("2026-03-04T00:00:00-08:00"))
        assert told(before) == {"ag-kern-cw": ("K-12",)}
        assert told(after) == {"ag-kern-shelter": ("K-11",)}


class TestLedger:
    def test_every_candidate_rule_has_its_verdict(self) -> None:
        event = build_event("victim.potential_identified", **CHILD, **CSE)
        verdicts = {entry.rule: entry.verdict for entry in decide_event(event).considered}
        assert verdicts == {
            "F-01": Verdict.NOT_MATCHED,
            "F-05": Verdict.NOT_MATCHED,
            "F-06": Verdict.NOT_MATCHED,
            "K-03": Verdict.ALERTED,
            "K-04": Verdict.NOT_MATCHED,
            "K-05": Verdict.NOT_MATCHED,
            "K-07": Verdict.ALERTED,
            "K-19": Verdict.NOT_MATCHED,
        }

    def test_an_external_body_alone_makes_the_verdict_external(self) -> None:
        event = build_event("victim.age_determined", **CHILD, citizenship={"status": "foreign_national"})
        assert considered(decide_event(event), "F-01").verdict is Verdict.EXTERNAL

    def test_a_revocation_of_what_nobody_saw_tells_nobody_and_says_so(self) -> None:
        event = build_event("consent.revoked", consent={"consent_id": "cn-1"})
        decision = decide_event(event)
        assert considered(decision, "F-07").verdict is Verdict.NOBODY_HELD
        assert (decision.alerts, decision.duties) == ((), ())

    def test_a_conflict_of_the_case_keeps_an_agency_from_everything(self) -> None:
        event = build_event("victim.potential_identified", "ag-kern-so", **CHILD, **CSE)
        decision = decide_event(event, conflicts=["ag-kern-cw", "ag-kern-so"])
        assert told(decision) == {"ag-kern-tfc": ("S-04",), "ag-kern-vsp": ("K-07",)}
        assert row_of(decision, "ag-kern-tfc").reason is Reason.CONFLICT
        assert decision.notices == ()


class TestValues:
    RAW: ClassVar[dict[str, Any]] = {
        "county": KERN,
        "name": {"full": "Sample Person"},
        "date_of_birth": "2011-05-05",
    }

    def test_groups_are_shown_as_they_were_sent(self) -> None:
        event = build_event("tip.received", **NAME, **CHILD)
        values = disclosed_values(event, self.RAW, frozenset({Group.NAME, Group.DATE_OF_BIRTH}), now=NOW)
        assert values == {Group.NAME: {"full": "Sample Person"}, Group.DATE_OF_BIRTH: "2011-05-05"}

    def test_age_is_derived_and_never_the_date(self) -> None:
        event = build_event("tip.received", **CHILD)
        values = disclosed_values(event, self.RAW, frozenset({Group.AGE}), now=NOW)
        assert values == {Group.AGE: {"band": "13to15", "presumed_minor": False}}

    def test_an_unknown_age_says_that_a_minor_is_presumed(self) -> None:
        event = build_event("tip.received", age={"band": "unknown"})
        values = disclosed_values(event, {"age": {"band": "unknown"}}, frozenset({Group.AGE}), now=NOW)
        assert values == {Group.AGE: {"band": "unknown", "presumed_minor": True}}
