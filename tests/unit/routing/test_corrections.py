"""Corrections, retractions, conflicts: what stands, what is updated or cancelled, who hears nothing."""

from datetime import timedelta
from typing import Any, ClassVar

import pytest

from schemas.vocabulary import AlertKind, Group, Outcome, Reason, Urgency
from services.routing.refusals import find_named_event
from tests.unit.routing.building import (
    ADULT,
    CHILD,
    CSE,
    NAME,
    NOW,
    build_directory,
    build_event,
    build_packs,
    row_of,
)
from tests.unit.routing.story import Story, disclosed, kinds, rung_rows

KERN_CW, KERN_VSP, KERN_SO, COORDINATOR = "ag-kern-cw", "ag-kern-vsp", "ag-kern-so", "ag-kern-tfc"


def child_story() -> Story:
    """e1 told child welfare (K-03) and the advocate (K-07) of a child."""
    story = Story()
    story.tell("victim.potential_identified", "ag-bpd", **CHILD, **CSE, **NAME)
    story.wait(hours=2)
    return story


class TestCorrections:
    def test_both_is_an_update_new_an_alert_old_a_cancel(self) -> None:
        story = child_story()
        labour: dict[str, Any] = {"exploitation": {"types": ["ForcedLabour"]}}
        counsel: dict[str, Any] = {"citizenship": {"status": "foreign_national"}}
        decision = story.tell(
            "victim.potential_identified", "ag-bpd", corrects="e1", **ADULT, **labour, **counsel
        )
        assert kinds(decision) == {
            KERN_CW: ("cancel", ("K-03",)),
            KERN_VSP: ("update", ("K-07",)),
            "ag-kern-ils": ("alert", ("K-19",)),
        }

    def test_a_cancel_repeats_role_and_rules_is_routine_and_shows_nothing(self) -> None:
        story = child_story()
        row = row_of(story.tell("event.retracted", "ag-bpd", retracts="e1"), KERN_CW)
        assert (row.kind, row.role.value, row.rules) == (AlertKind.CANCEL, "CHILD_WELFARE", ("K-03",))
        assert (row.urgency, row.acknowledge_by) == (Urgency.ROUTINE, story.now + timedelta(hours=24))
        assert (row.disclosed, row.reason, row.escalation) == (frozenset(), None, 0)

    def test_mandated_duties_of_a_withdrawn_row_need_review_and_others_are_gone(self) -> None:
        story = Story(
            packs=build_packs(
                {"id": "T-01", "basis": "mandated", "duties": [{"holder": "recipient", "what": "a duty"}]},
                {"id": "T-02", "duties": [{"holder": "recipient", "what": "a promise"}]},
            )
        )
        story.tell("tip.received", "ag-bpd")
        (row,) = story.tell("event.retracted", "ag-bpd", retracts="e1").alerts
        assert [(duty.rule, duty.holder, duty.what, duty.due) for duty in row.duties] == [
            ("T-01", KERN_SO, "a duty", None)
        ]
        assert all(duty.needs_review for duty in row.duties)

    def test_duties_that_the_new_evaluation_does_not_create_are_named_for_the_ledger(self) -> None:
        story = child_story()
        decision = story.tell("victim.potential_identified", "ag-bpd", corrects="e1", **ADULT)
        assert [(duty.rule, duty.needs_review) for duty in decision.reviews] == [("K-03", True)]

    def test_a_duty_that_moved_from_a_cancelled_row_is_still_told_to_its_holder(self) -> None:
        """The sheriff loses his alert, but still holds the duty that stands on another's row."""
        duty = {"holder": "emitter_gov", "what": "notify"}
        packs = build_packs(
            {
                "id": "T-01",
                "basis": "mandated",
                "notify": [{"role": "LEA_LEAD"}, {"role": "HHS_OTIP"}],
                "duties": [duty],
            }
        )
        story = Story(packs=packs)
        story.tell("tip.received", KERN_VSP)
        story.directory = build_directory({KERN_SO: {"roles": ["SCHOOL"]}, "ag-bpd": {"roles": ["LEA_LEAD"]}})
        decision = story.tell("tip.received", KERN_VSP, corrects="e1")
        assert kinds(decision)[KERN_SO][0] == "cancel"
        told = {row.agency for row in decision.alerts for duty in row.duties if duty.holder == row.agency}
        assert {duty.holder for duty in decision.duties if not duty.needs_review} <= told | {
            notice.agency for notice in decision.notices
        }

    def test_withheld_lists_the_groups_of_the_new_event(self) -> None:
        story = child_story()
        decision = story.tell("victim.potential_identified", "ag-bpd", corrects="e1", **ADULT)
        assert row_of(decision, KERN_CW).withheld == {Group.AGE, Group.DATE_OF_BIRTH}

    def test_discovery_is_that_of_the_corrected_event_unless_the_correction_says(self) -> None:
        story = Story()
        found = "2026-03-01T08:00:00-08:00"
        story.tell("victim.potential_identified", "ag-bpd", **CHILD, **CSE, discovered_at=found)
        again = story.tell("victim.potential_identified", "ag-bpd", corrects="e1", **CHILD, **CSE)
        late = story.tell(
            "victim.potential_identified",
            "ag-bpd",
            corrects="e2",
            **CHILD,
            **CSE,
            discovered_at="2026-03-02T08:00:00-08:00",
        )
        dues = [row_of(each, KERN_CW).duties[0].due for each in (again, late)]
        assert [due and due.isoformat() for due in dues] == [
            "2026-03-03T04:00:00+00:00",
            "2026-03-04T04:00:00+00:00",
        ]

    def test_a_clock_from_processing_counts_from_the_first_processing(self) -> None:
        story = Story()
        missing = "child.missing_from_care"
        first = story.tell(missing, KERN_CW, **CHILD)
        story.wait(hours=1)
        again = story.tell(missing, KERN_CW, corrects="e1", **CHILD, **NAME)
        entry = [[d.due for d in row_of(each, KERN_SO).duties if d.rule == "F-03"] for each in (first, again)]
        assert entry == [[NOW + timedelta(hours=2)]] * 2

    def test_a_chain_is_corrected_at_its_latest_state_by_any_of_its_ids(self) -> None:
        story = child_story()
        story.tell("victim.potential_identified", "ag-bpd", corrects="e1", **ADULT)
        for named in ("e1", "e2"):
            branch = child_story()
            branch.case, branch.count = story.case, story.count
            decision = branch.tell("victim.potential_identified", "ag-bpd", corrects=named, **CHILD, **CSE)
            assert kinds(decision) == {
                KERN_CW: ("alert", ("K-03",)),
                KERN_VSP: ("update", ("K-07",)),
            }

    def test_what_was_cancelled_is_not_cancelled_again(self) -> None:
        story = child_story()
        story.tell("event.retracted", "ag-bpd", retracts="e1")
        assert kinds(story.tell("event.retracted", "ag-bpd", retracts="e1")) == {}

    def test_the_ladders_of_old_rows_stop_and_those_of_updates_begin_anew(self) -> None:
        story = child_story()
        old = story.row(KERN_VSP, "e1")
        story.tell("victim.potential_identified", "ag-bpd", corrects="e1", **ADULT)
        assert story.case.find_row(old) is None
        story.wait(hours=1)
        assert rung_rows(story.climb(KERN_VSP, "e2")) == [(KERN_VSP, 1)]

    def test_an_update_and_a_cancel_name_the_row_they_are_about(self) -> None:
        story = child_story()
        rows = {agency: story.row(agency, "e1") for agency in (KERN_CW, KERN_VSP)}
        decision = story.tell("victim.potential_identified", "ag-bpd", corrects="e1", **ADULT)
        assert {row.agency: row.replaces for row in decision.alerts} == rows

    def test_s04_is_corrected_like_an_alert(self) -> None:
        directory = build_directory({KERN_SO: {"status": "offboarded"}, "ag-bpd": {"status": "offboarded"}})
        story = Story(directory=directory)
        story.tell("tip.received", "ag-kern-coe")
        again = story.tell("tip.received", "ag-kern-coe", corrects="e1")
        assert kinds(again) == {COORDINATOR: ("update", ("S-04",))}
        story.directory = build_directory()
        back = story.tell("tip.received", "ag-kern-coe", corrects="e1")
        assert kinds(back) == {COORDINATOR: ("cancel", ("S-04",)), KERN_SO: ("alert", ("K-02",))}
        assert row_of(back, COORDINATOR).reason is Reason.OFFBOARDED

    def test_s06_is_told_anew_and_never_cancelled(self) -> None:
        story = Story()
        story.tell("tip.received", KERN_VSP)
        assert kinds(story.tell("tip.received", KERN_VSP, corrects="e1")) == {KERN_VSP: ("error", ("S-06",))}
        assert kinds(story.tell("event.retracted", KERN_VSP, retracts="e1")) == {}

    def test_who_was_told_at_rung_3_hears_of_the_retraction(self) -> None:
        story = Story()
        story.tell("tip.received", "ag-kern-coe")
        story.wait(hours=12)
        story.climb(KERN_SO)
        decision = story.tell("event.retracted", "ag-kern-coe", retracts="e1")
        assert kinds(decision) == {
            KERN_SO: ("cancel", ("K-02",)),
            "ag-bpd": ("cancel", ("K-02",)),
        }
        assert row_of(decision, "ag-bpd").role.value == "LEA_LOCAL"

    def test_external_bodies_have_a_cancel_row_that_is_not_sent(self) -> None:
        story = Story()
        story.tell("child.missing_from_care", KERN_CW, **CHILD)
        row = row_of(story.tell("event.retracted", KERN_CW, retracts="e1"), "ext-ncmec")
        assert (row.kind, row.contact, [duty.needs_review for duty in row.duties]) == (
            AlertKind.CANCEL,
            None,
            [True],
        )

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"agreement_until": "2026-01-01T00:00:00Z"}, {KERN_CW, KERN_VSP}),
            ({"status": "offboarded"}, {KERN_CW}),
        ],
    )
    def test_a_cancel_reaches_whose_agreement_ended_but_not_who_left(
        self, change: dict[str, str], told: set[str]
    ) -> None:
        story = child_story()
        story.directory = build_directory({KERN_VSP: change})
        assert set(kinds(story.tell("event.retracted", "ag-bpd", retracts="e1"))) == told

    def test_an_exercise_is_cancelled_as_one_and_has_no_duties(self) -> None:
        story = Story()
        drill: dict[str, Any] = {"flags": {"exercise": True}}
        story.tell("child.missing_from_care", KERN_CW, **CHILD, **drill)
        decision = story.tell("event.retracted", KERN_CW, retracts="e1", **drill)
        assert {row.exercise for row in decision.alerts} == {True}
        assert {row.duties for row in decision.alerts} == {()}

    def test_the_cancel_of_an_exercise_is_one_although_the_retraction_does_not_say_so(self) -> None:
        story = Story()
        story.tell("child.missing_from_care", KERN_CW, **CHILD, flags={"exercise": True})
        decision = story.tell("event.retracted", KERN_CW, retracts="e1")
        assert {row.exercise for row in decision.alerts if row.kind is AlertKind.CANCEL} == {True}

    def test_that_it_was_a_drill_after_all_reaches_those_who_took_it_for_real(self) -> None:
        story = Story()
        story.tell("child.missing_from_care", KERN_CW, **CHILD)
        drill: dict[str, Any] = {"flags": {"exercise": True}}
        decision = story.tell("child.missing_from_care", KERN_CW, corrects="e1", **CHILD, **drill)
        updates = [row for row in decision.alerts if row.kind is AlertKind.UPDATE]
        assert updates
        assert all(row.exercise and row.in_earnest for row in updates)


class TestOrder:
    def test_a_correction_before_its_original_is_routed_as_new_and_the_original_tells_nobody(self) -> None:
        story = Story()
        first = story.tell("victim.potential_identified", "ag-bpd", "e2", corrects="e1", **ADULT)
        late = story.tell("victim.potential_identified", "ag-bpd", "e1", **CHILD, **CSE)
        assert kinds(first) == {KERN_VSP: ("alert", ("K-07",))}
        assert (late.outcome, late.alerts, late.notices) == (Outcome.SUPERSEDED, (), ())

    def test_a_retraction_before_its_original_tells_nobody_and_neither_does_the_original(self) -> None:
        story = Story()
        assert kinds(story.tell("event.retracted", "ag-bpd", "e2", retracts="e1")) == {}
        assert story.tell("tip.received", "ag-bpd", "e1").outcome is Outcome.SUPERSEDED

    def test_the_same_id_of_another_source_is_not_superseded(self) -> None:
        story = Story()
        story.tell("event.retracted", "ag-bpd", "e2", retracts="e1")
        assert story.tell("tip.received", "ag-kern-da", "e1").outcome is Outcome.ROUTED

    def test_a_superseded_grant_opens_nothing_but_a_superseded_revocation_closes(self) -> None:
        said = {"consent_id": "cn-1", "granted_by": "self", "recipients": ["VICTIM_SERVICES"]}
        grant = {**said, "groups": ["name"], "to": "2027-01-01T00:00:00Z"}
        story = Story()
        story.tell("event.retracted", "ag-kern-da", "e2", retracts="e1")
        story.tell("consent.granted", "ag-kern-da", "e1", consent=grant)
        assert story.case.consents == ()
        story.tell("event.retracted", "ag-kern-da", "e4", retracts="e3")
        story.tell("consent.revoked", "ag-kern-da", "e3", consent={"consent_id": "cn-1"})
        story.tell("consent.granted", "ag-kern-da", "e5", consent=grant)
        decision = story.tell("victim.potential_identified", **ADULT, **NAME)
        assert disclosed(row_of(decision, KERN_VSP)) == {"age"}

    def test_another_sources_event_of_the_case_cannot_be_corrected(self) -> None:
        story = child_story()
        decision = story.tell("victim.potential_identified", "ag-kern-da", corrects="e1", **ADULT)
        assert decision.outcome is Outcome.QUARANTINED
        assert [error.path for error in decision.errors] == ["/data/corrects"]
        assert kinds(decision) == {COORDINATOR: ("error", ())}
        assert story.row(KERN_CW, "e1")

    def test_ids_are_those_of_the_own_source(self) -> None:
        event = build_event("event.retracted", "ag-bpd", retracts="e0")
        assert find_named_event(event) == (event.source, "e0")


class TestConflicts:
    EMPLOYED: ClassVar[dict[str, Any]] = {"suspect": {"name": "Sample Suspect", "employer_agency": "ag-bpd"}}

    def test_prosecutor_and_fbi_are_told_of_the_suspect(self) -> None:
        decision = Story().tell("suspect.identified", **self.EMPLOYED, **NAME)
        assert kinds(decision) == {
            "ag-kern-da": ("alert", ("S-01",)),
            "ag-us-fbi": ("alert", ("S-01",)),
        }
        row = row_of(decision, "ag-us-fbi")
        assert (disclosed(row), row.urgency.value, row.packs) == ({"suspect"}, "urgent", ())
        assert decision.packs == ("ca-kern-httf@2.1.0", "fed-baseline@1.0.0")

    def test_it_is_merged_with_what_other_rules_tell(self) -> None:
        decision = Story().tell("victim.minor_confirmed", **CHILD, **CSE, **self.EMPLOYED)
        assert kinds(decision)["ag-kern-da"] == ("alert", ("K-06", "S-01"))

    @pytest.mark.parametrize(
        ("event_type", "data"),
        [
            ("case.conflict_declared", {"details": {"conflict_agencies": ["ag-bpd"]}}),
            ("tip.received", EMPLOYED),
        ],
    )
    def test_the_agency_named_hears_nothing_of_the_case_again(
        self, event_type: str, data: dict[str, Any]
    ) -> None:
        story = Story()
        story.tell("tip.received", "ag-kern-coe")
        named = story.tell(event_type, **data)
        later = story.tell("tip.received", "ag-kern-coe")
        assert "ag-bpd" not in kinds(named) | kinds(later)

    def test_not_even_a_cancel(self) -> None:
        story = Story(directory=build_directory({KERN_SO: {"status": "offboarded"}}))
        story.tell("tip.received", "ag-kern-coe")
        story.tell("case.conflict_declared", "ag-kern-da", details={"conflict_agencies": ["ag-bpd"]})
        decision = story.tell("event.retracted", "ag-kern-coe", retracts="e1")
        assert kinds(decision) == {COORDINATOR: ("cancel", ("S-04",))}

    def test_it_lasts_when_its_event_is_retracted_or_corrected(self) -> None:
        story = Story()
        story.tell("suspect.identified", **self.EMPLOYED)
        decision = story.tell("event.retracted", retracts="e1")
        assert kinds(decision) == {"ag-kern-da": ("cancel", ("S-01",)), "ag-us-fbi": ("cancel", ("S-01",))}
        assert story.case.conflicts == {"ag-bpd"}

    def test_an_agency_the_directory_does_not_know_makes_no_conflict_rule_speak(self) -> None:
        decision = Story().tell("case.conflict_declared", details={"conflict_agencies": ["ag-unknown"]})
        assert kinds(decision) == {}
        assert decision.conflicts == {"ag-unknown"}

    def test_a_conflicted_prosecutor_makes_the_coordinator_hear_of_it(self) -> None:
        decision = Story().tell("suspect.identified", suspect={"employer_agency": "ag-kern-da"})
        assert kinds(decision) == {
            "ag-us-fbi": ("alert", ("S-01",)),
            COORDINATOR: ("alert", ("S-04",)),
        }
        row = row_of(decision, COORDINATOR)
        assert (row.reason, row.urgency) == (Reason.CONFLICT, Urgency.IMMEDIATE)

    def test_it_needs_neither_a_pack_in_force_nor_a_consent_of_a_strict_emitter(self) -> None:
        story = Story()
        story.now = NOW - timedelta(days=365)
        decision = story.tell("suspect.identified", KERN_VSP, **self.EMPLOYED)
        assert kinds(decision).keys() == {"ag-kern-da", "ag-us-fbi"}
        assert [duty.rule for duty in row_of(decision, "ag-kern-da").duties] == ["S-01"]

    def test_the_only_prosecutor_naming_a_conflict_tells_the_fbi_alone(self) -> None:
        assert kinds(Story().tell("suspect.identified", "ag-kern-da", **self.EMPLOYED)).keys() == {
            "ag-us-fbi"
        }
