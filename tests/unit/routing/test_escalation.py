"""The ladder of an alert that nobody acknowledges: who, when, with how much, and when it ends."""

from datetime import timedelta
from typing import Any

import pytest

from schemas.alert import RungTo
from schemas.vocabulary import Group, Rung
from services.routing.case_state import EventKey, RowKey
from services.routing.decide import refuse_reused_id
from services.routing.escalation import Realert
from services.routing.history import remember_reuse
from services.routing.rungs import find_addressee
from tests.unit.routing.building import (
    ADULT,
    CHILD,
    CSE,
    FRESNO,
    KERN,
    NAME,
    NOW,
    build_directory,
    build_event,
    build_packs,
    row_of,
)
from tests.unit.routing.story import Story, disclosed, rung_rows

SO, BPD, VSP, CW, TFC = "ag-kern-so", "ag-bpd", "ag-kern-vsp", "ag-kern-cw", "ag-kern-tfc"
DANGER: dict[str, Any] = {"safety": {"risk": "imminent"}, **NAME}


def tip(story: Story, agency: str = "ag-kern-coe", **data: Any) -> None:  # noqa: ANN401 - any JSON
    """e1 tells the sheriff at once (K-01), with the city police for an alternate."""
    story.tell("tip.received", agency, **{**DANGER, **data})


def ladder(story: Story, agency: str, event_id: str = "e1", *, rungs: int = 14) -> list[tuple[str, int]]:
    """Every rung, climbed at its instant."""
    told: list[tuple[str, int]] = []
    climb = story.climb(agency, event_id)
    for _ in range(rungs):
        if climb.next_at is None:
            break
        story.now = climb.next_at
        climb = story.climb(agency, event_id)
        told += rung_rows(climb)
    return told


class TestRungs:
    def test_backup_coordinator_alternate_and_the_coordinator_again_up_to_the_twelfth(self) -> None:
        story = Story()
        tip(story)
        told = ladder(story, SO)
        assert told == [(SO, 1), (TFC, 2), (BPD, 3), *((TFC, n) for n in range(4, 13))]
        assert story.now == NOW + timedelta(minutes=15) * 12

    def test_after_the_twelfth_it_is_a_dead_letter(self) -> None:
        story = Story()
        tip(story)
        story.wait(minutes=15 * 11)
        assert not story.climb(SO).exhausted
        story.wait(minutes=15)
        climb = story.climb(SO)
        assert (climb.exhausted, climb.next_at) == (True, None)
        story.wait(hours=9)
        assert story.climb(SO).rows == ()

    def test_a_rung_keeps_event_kind_rules_and_urgency_and_has_its_own_time(self) -> None:
        story = Story()
        tip(story)
        story.wait(minutes=15)
        (row,) = story.climb(SO).rows
        assert (row.kind.value, row.rules, row.urgency.value) == ("alert", ("K-01",), "immediate")
        assert (row.role.value, row.contact, row.escalation) == ("LEA_LEAD", Rung.BACKUP, 1)
        assert row.acknowledge_by == story.now + timedelta(minutes=15)
        assert disclosed(row) == {"name", "safety"}

    def test_a_rung_says_what_of_it_needs_an_agreement(self) -> None:
        packs = build_packs(
            {"id": "T-01", "basis": "mandated", "disclose": ["name"]},
            {"id": "T-02", "disclose": ["name", "needs"]},
            {"id": "T-03", "disclose": ["needs"], "notify": [{"role": "PROSECUTOR"}]},
        )
        story = Story(packs=packs)
        tip(story, needs=["food"])
        story.wait(hours=1)
        (mixed,), (agreed,) = story.climb(SO).rows, story.climb("ag-kern-da").rows
        assert (mixed.mandated, mixed.by_agreement) == (True, frozenset({Group.NEEDS}))
        assert (agreed.mandated, agreed.by_agreement) == (False, frozenset())
        story.wait(hours=1)
        assert [row.mandated for row in story.climb(SO).rows] == [True]

    def test_the_coordinator_learns_that_nobody_answers_and_nothing_else(self) -> None:
        story = Story()
        story.tell("child.missing_from_care", CW, **CHILD, **NAME)
        story.wait(minutes=30)
        (row,) = [row for row in story.climb(SO).rows if row.escalation == 2]
        assert (row.agency, row.role.value, row.contact) == (TFC, "TF_COORDINATOR", Rung.PRIMARY)
        assert (row.disclosed, row.duties) == (frozenset(), ())
        assert row.withheld == {Group.AGE, Group.DATE_OF_BIRTH, Group.NAME}

    def test_the_alternate_gets_the_rules_that_name_it_never_the_merged_union(self) -> None:
        packs = build_packs(
            {
                "id": "T-01",
                "notify": [{"role": "LEA_LEAD", "alternate": "LEA_LOCAL"}],
                "disclose": ["needs"],
            },
            {"id": "T-02", "notify": [{"role": "LEA_LEAD"}], "disclose": ["name"]},
        )
        story = Story(packs=packs)
        tip(story, needs=["food"])
        story.wait(hours=3)
        row = next(row for row in story.climb(SO).rows if row.escalation == 3)
        assert (row.agency, row.role.value, row.rules) == (BPD, "LEA_LOCAL", ("T-01",))
        assert (disclosed(row), row.contact) == ({"needs"}, Rung.PRIMARY)

    def test_the_recipients_duty_becomes_the_alternates_at_the_same_hour(self) -> None:
        story = Story()
        first = story.tell("child.missing_from_care", CW, **CHILD)
        story.wait(minutes=45)
        row = next(row for row in story.climb(SO).rows if row.escalation == 3)
        of_rule = {duty.rule: duty for duty in row_of(first, SO).duties}
        assert {duty.rule: (duty.holder, duty.due) for duty in row.duties} == {
            "F-02": (CW, of_rule["F-02"].due),
            "F-03": (BPD, of_rule["F-03"].due),
        }

    def test_without_an_alternate_there_is_no_third_rung(self) -> None:
        story = Story()
        story.tell("suspect.released", suspect_status={"custody": "free"})
        assert ladder(story, VSP, rungs=4) == [(VSP, 1), (TFC, 2), (TFC, 4)]

    def test_neither_the_emitter_nor_who_was_alerted_is_an_alternate(self) -> None:
        story = Story()
        tip(story, BPD)
        assert (BPD, 3) not in ladder(story, SO)
        both = Story()
        both.tell("child.missing_from_care", CW, **CHILD)
        both.directory = build_directory({"ag-kern-tribal": {"roles": ["TRIBAL", "LEA_LOCAL"]}})
        both.tell("child.missing_from_care", CW, **CHILD, flags={"indian_child": True})
        both.wait(minutes=45)
        third = [row.agency for row in both.climb(SO, "e2").rows if row.escalation == 3]
        assert third == [BPD]

    def test_without_a_backup_contact_the_first_rung_is_skipped(self) -> None:
        story = Story(directory=build_directory({SO: {"contacts": []}}))
        tip(story)
        assert ladder(story, SO, rungs=2) == [(TFC, 2)]

    def test_rows_to_the_coordinator_repeat_to_its_backup_alone(self) -> None:
        story = Story(directory=build_directory({VSP: {"status": "offboarded"}}))
        story.tell("suspect.released", suspect_status={"custody": "free"})
        assert ladder(story, TFC) == [(TFC, 1)]

    def test_a_reused_id_climbs_to_the_coordinators_backup(self) -> None:
        story = Story()
        first = build_event("tip.received")
        story.take(first)
        decision = refuse_reused_id(county=KERN, named_agencies=(), directory=story.directory, now=NOW)
        story.case = remember_reuse(
            story.case,
            EventKey(first.source, first.id),
            decision,
            story.directory,
            county=KERN,
            now=NOW,
        )
        story.wait(hours=1)
        (row,) = story.climb(TFC).rows
        assert (row.agency, row.rules, row.contact) == (TFC, ("S-05",), Rung.BACKUP)
        assert (row.withheld, row.reason and row.reason.value) == (frozenset(), "ID_REUSE")

    def test_external_rows_errors_and_cancels_never_climb(self) -> None:
        story = Story()
        story.tell("child.missing_from_care", CW, **CHILD)
        assert ladder(story, "ext-ncmec") == []
        story.tell("event.retracted", CW, retracts="e1")
        with pytest.raises(LookupError):
            story.row(SO, "e2")

    def test_an_update_climbs_f07_too(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"])
        story.tell("victim.potential_identified", **ADULT, **NAME)
        story.revoke()
        assert ladder(story, VSP, "e3", rungs=4) == [(VSP, 1), (TFC, 2), (TFC, 4)]


class TestAddressee:
    def test_the_agency_the_coordinator_and_the_alternate_are_told_apart(self) -> None:
        story = Story()
        tip(story)
        told: dict[int, RungTo] = {}
        for _ in range(4):
            story.wait(minutes=15)
            told |= {row.escalation: find_addressee(row) for row in story.climb(SO).rows}
        assert told == {
            1: RungTo.AGENCY,
            2: RungTo.COORDINATOR,
            3: RungTo.ALTERNATE,
            4: RungTo.COORDINATOR,
        }

    def test_once_more_after_the_last_rung_the_agency_and_the_coordinator(self) -> None:
        story, again = Story(), Realert(every=timedelta(hours=1), most=2)
        tip(story)
        story.wait(hours=3)
        story.climb(SO, realert=again)
        story.wait(hours=1)
        climb = story.climb(SO, realert=again)
        told = {row.agency: find_addressee(row) for row in climb.rows}
        assert told == {SO: RungTo.AGENCY, TFC: RungTo.COORDINATOR}

    def test_a_row_to_the_coordinator_is_told_to_its_own_backup(self) -> None:
        story = Story(directory=build_directory({VSP: {"status": "offboarded"}}))
        story.tell("suspect.released", suspect_status={"custody": "free"})
        story.wait(hours=1)
        assert [find_addressee(row) for row in story.climb(TFC).rows] == [RungTo.AGENCY]


class TestAcknowledgement:
    @pytest.mark.parametrize(("agency", "minutes"), [(SO, 1), (SO, 16), (BPD, 46)])
    def test_the_agency_its_backup_or_the_alternate_stops_the_ladder(self, agency: str, minutes: int) -> None:
        story = Story()
        tip(story)
        story.wait(minutes=minutes)
        story.climb(SO)
        story.acknowledge(agency, emitter="ag-kern-coe")
        story.wait(hours=9)
        climb = story.climb(SO)
        assert (climb.rows, climb.next_at) == ((), None)

    def test_the_coordinator_stops_only_rows_addressed_to_it(self) -> None:
        story = Story(directory=build_directory({CW: {"status": "offboarded"}}))
        story.tell("victim.potential_identified", BPD, **CHILD, **CSE)
        story.wait(minutes=30)
        story.climb(SO)
        story.acknowledge(TFC, emitter=BPD)
        assert ladder(story, TFC) == []
        assert (TFC, 12) in ladder(story, SO)

    def test_a_conflicted_agency_stops_nothing(self) -> None:
        story = Story()
        tip(story)
        story.tell("case.conflict_declared", "ag-kern-da", details={"conflict_agencies": [SO]})
        story.acknowledge(SO, emitter="ag-kern-coe")
        assert ladder(story, SO, rungs=2) == [(TFC, 2)]

    def test_an_acknowledgement_is_for_one_event(self) -> None:
        story = Story()
        tip(story)
        tip(story)
        story.acknowledge(SO, "e1", emitter="ag-kern-coe")
        story.wait(minutes=15)
        assert rung_rows(story.climb(SO, "e2")) == [(SO, 1)]

    def test_one_that_was_told_nothing_stops_nothing(self) -> None:
        story = Story()
        tip(story)
        story.acknowledge(BPD, emitter="ag-kern-coe")
        story.wait(minutes=15)
        assert rung_rows(story.climb(SO)) == [(SO, 1)]


class TestJudgedAnew:
    def test_a_revoked_consent_takes_its_groups_from_the_next_rung(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"])
        story.tell("victim.potential_identified", **ADULT, **NAME)
        story.revoke()
        story.wait(hours=1)
        (row,) = story.climb(VSP, "e2").rows
        assert (disclosed(row), {group.value for group in row.withheld}) == (
            {"age"},
            {"name", "date_of_birth"},
        )

    def test_a_consent_given_since_widens_nothing(self) -> None:
        story = Story()
        story.tell("victim.potential_identified", **ADULT, **NAME)
        story.consent(["VICTIM_SERVICES"], ["name"])
        story.wait(hours=1)
        (row,) = story.climb(VSP).rows
        assert disclosed(row) == {"age"}

    def test_a_consent_for_the_alternate_widens_nothing_either(self) -> None:
        packs = build_packs(
            {
                "notify": [{"role": "LEA_LEAD", "alternate": "SCHOOL"}],
                "consent": "base",
                "disclose": ["needs"],
                "disclose_with_consent": ["name"],
            }
        )
        story = Story(packs=packs)
        story.consent(["SCHOOL"], ["name"])
        tip(story, BPD, needs=["food"])
        story.wait(hours=3)
        row = next(row for row in story.climb(SO, "e2").rows if row.escalation == 3)
        assert (row.agency, disclosed(row)) == ("ag-kern-coe", {"needs"})

    def test_an_alternate_that_may_not_see_a_class_does_not(self) -> None:
        packs = build_packs(
            {
                "notify": [{"role": "LEA_LEAD", "alternate": "SCHOOL"}],
                "disclose": ["needs", "criminal_justice"],
            }
        )
        story = Story(packs=packs)
        tip(story, BPD, needs=["food"], criminal_justice={"text": "invented"})
        story.wait(hours=3)
        row = next(row for row in story.climb(SO).rows if row.escalation == 3)
        assert disclosed(row) == {"needs"}

    def test_an_alternate_who_saw_something_by_consent_hears_of_its_end(self) -> None:
        packs = build_packs(
            {
                "id": "T-01",
                "notify": [{"role": "LEA_LEAD", "alternate": "SCHOOL"}],
                "consent": "base",
                "disclose": [],
                "disclose_with_consent": ["name"],
            },
            {
                "id": "T-02",
                "on": ["consent.revoked"],
                "notify": [{"holders_of": "consent"}],
                "disclose": ["consent"],
                "basis": "mandated",
            },
        )
        story = Story(packs=packs)
        story.consent(["SCHOOL", "LEA_LEAD"], ["name"])
        tip(story, BPD)
        story.wait(hours=3)
        story.climb(SO, "e2")
        assert {row.agency: row.role.value for row in story.revoke().alerts} == {
            SO: "LEA_LEAD",
            "ag-kern-coe": "SCHOOL",
        }

    @pytest.mark.parametrize(
        "change", [{"status": "offboarded"}, {"agreement_until": "2026-03-03T17:00:00Z"}]
    )
    def test_one_who_may_not_be_told_any_more_is_skipped_and_the_ladder_goes_on(
        self, change: dict[str, str]
    ) -> None:
        story = Story()
        tip(story)
        story.directory = build_directory({SO: change})
        assert ladder(story, SO, rungs=3) == [(TFC, 2), (BPD, 3)]

    def test_what_the_law_orders_survives_an_agreement(self) -> None:
        story = Story()
        story.tell("child.missing_from_care", CW, **CHILD)
        story.directory = build_directory({SO: {"agreement_until": "2026-03-03T17:00:00Z"}})
        assert ladder(story, SO, rungs=1) == [(SO, 1)]

    def test_the_ladder_of_a_conflicted_agency_goes_on_without_it(self) -> None:
        story = Story()
        tip(story)
        story.tell("case.conflict_declared", "ag-kern-da", details={"conflict_agencies": [SO]})
        assert ladder(story, SO, rungs=3) == [(TFC, 2), (BPD, 3)]

    def test_the_pack_version_of_the_original_decides(self) -> None:
        story = Story()
        story.now = NOW.replace(month=7, day=1, hour=6)  # the last hour of 2.1.0
        story.tell("tip.received", "ag-kern-coe")
        story.wait(hours=4)
        (row,) = story.climb(SO).rows
        assert (row.packs, row.urgency.value) == (("ca-kern-httf@2.1.0",), "priority")

    def test_a_version_that_is_no_longer_loaded_tells_the_coordinator_alone(self) -> None:
        story = Story()
        tip(story)
        story.packs = build_packs({})
        assert ladder(story, SO, rungs=4) == [(TFC, 2), (TFC, 4)]

    def test_a_destinations_alternate_is_that_of_its_county(self) -> None:
        packs = build_packs(
            {"notify": [{"role": "LEA_LEAD", "in": "destinations", "alternate": "CHILD_WELFARE"}]}
        )
        story = Story(packs=packs)
        tip(story, destinations=[FRESNO])
        story.wait(hours=3)
        third = [row.agency for row in story.climb("ag-fresno-so").rows if row.escalation == 3]
        assert third == ["ag-fresno-cw"]


class TestAfterAnOutage:
    def test_missed_rungs_collapse_so_that_each_recipient_is_told_once(self) -> None:
        story = Story()
        tip(story)
        story.wait(minutes=15 * 6 + 7)
        climb = story.climb(SO)
        assert rung_rows(climb) == [(SO, 1), (BPD, 3), (TFC, 6)]
        assert climb.next_at == NOW + timedelta(minutes=15) * 7

    def test_before_it_is_due_nothing_happens(self) -> None:
        story = Story()
        tip(story)
        story.wait(minutes=14, seconds=59)
        climb = story.climb(SO)
        assert (climb.rows, climb.next_at, climb.case) == ((), NOW + timedelta(minutes=15), story.case)

    def test_a_row_nobody_knows_comes_to_nothing(self) -> None:
        story = Story()
        tip(story)
        known = story.row(SO, "e1")
        story.case = story.case.empty()
        assert isinstance(known, RowKey)
        with pytest.raises(LookupError):
            story.climb(SO)

    def test_without_any_coordinator_it_is_a_dead_letter(self) -> None:
        story = Story(directory=build_directory({TFC: {"status": "offboarded"}}))
        tip(story)
        story.wait(minutes=15)
        assert not story.climb(SO).exhausted
        story.wait(minutes=15)
        climb = story.climb(SO)
        assert (climb.rows, climb.exhausted) == ((), True)


class TestFailing:
    """A rung that reaches nobody is left at once (decision 0145)."""

    def test_the_next_rung_is_due_at_once_and_those_after_it_as_much_earlier(self) -> None:
        story = Story()
        tip(story)
        story.wait(seconds=21)
        climb = story.climb(SO, failed=0)
        assert rung_rows(climb) == [(SO, 1)]
        assert climb.rows[0].acknowledge_by == climb.next_at == story.now + timedelta(minutes=15)
        assert climb.next_at is not None
        story.now = climb.next_at
        assert rung_rows(story.climb(SO)) == [(TFC, 2)]

    def test_a_rung_that_fails_twice_is_left_once(self) -> None:
        story = Story()
        tip(story)
        story.climb(SO, failed=0)
        again = story.climb(SO, failed=0)
        assert rung_rows(again) == []
        assert again.next_at == story.now + timedelta(minutes=15)

    def test_each_rung_that_fails_is_left_until_everybody_was_told(self) -> None:
        story = Story()
        tip(story)
        told = [rung_rows(story.climb(SO, failed=failed)) for failed in range(4)]
        assert told == [[(SO, 1)], [(TFC, 2)], [(BPD, 3)], [(TFC, 4)]]

    def test_the_coordinator_is_not_told_again_at_once_because_it_cannot_be_reached(self) -> None:
        story = Story()
        tip(story)
        for failed in range(4):
            story.climb(SO, failed=failed)
        again = story.climb(SO, failed=4)
        assert (rung_rows(again), again.exhausted) == ([], False)
        assert again.next_at == story.now + timedelta(minutes=15)

    def test_who_has_no_backup_is_passed_over(self) -> None:
        story = Story(directory=build_directory({SO: {"contacts": []}}))
        tip(story)
        assert rung_rows(story.climb(SO, failed=0)) == [(TFC, 2)]

    def test_it_is_decided_as_always_and_an_acknowledgement_stops_it(self) -> None:
        story = Story()
        tip(story)
        story.acknowledge(SO, emitter="ag-kern-coe")
        assert rung_rows(story.climb(SO, failed=0)) == []

    def test_what_failed_late_makes_nothing_later(self) -> None:
        story = Story()
        tip(story)
        story.wait(minutes=46)
        assert max(n for _, n in rung_rows(story.climb(SO, failed=0))) == 3
        assert story.climb(SO).next_at == NOW + timedelta(minutes=60)


class TestConflictOfInterest:
    """Somebody refused for one: judged as in conflict, for what follows of this alert (decision 0171)."""

    def test_the_next_rung_is_another_agencys_and_the_backup_is_passed_over(self) -> None:
        story = Story()
        tip(story)
        story.decline(SO)
        assert rung_rows(story.climb(SO, failed=0)) == [(TFC, 2)]
        assert ladder(story, SO, rungs=2) == [(BPD, 3), (TFC, 4)]

    def test_where_the_backup_was_told_already_it_is_not_waited_for(self) -> None:
        story = Story()
        tip(story)
        story.wait(minutes=15)
        assert rung_rows(story.climb(SO)) == [(SO, 1)]
        story.decline(SO)
        assert rung_rows(story.climb(SO, failed=0)) == [(TFC, 2)]
        assert rung_rows(story.climb(SO, failed=0)) == []

    def test_a_backup_that_refuses_is_left_at_once_too(self) -> None:
        story = Story()
        tip(story)
        story.climb(SO, failed=0)
        story.decline(SO)
        assert rung_rows(story.climb(SO, failed=1)) == [(TFC, 2)]

    def test_it_is_not_told_again_after_the_last_rung(self) -> None:
        story, again = Story(), Realert(every=timedelta(hours=1), most=2)
        tip(story)
        story.decline(SO)
        story.wait(hours=3)
        story.climb(SO, realert=again)
        story.wait(hours=1)
        assert rung_rows(story.climb(SO, realert=again)) == [(TFC, 13)]

    def test_a_coordinator_that_refuses_hears_nothing_more(self) -> None:
        story = Story()
        tip(story)
        story.wait(minutes=30)
        story.climb(SO)
        story.decline(TFC)
        story.wait(minutes=30)
        climb = story.climb(SO)
        assert (rung_rows(climb), climb.exhausted) == ([(BPD, 3)], True)

    def test_who_acknowledges_after_all_has_taken_it(self) -> None:
        story = Story()
        tip(story)
        story.decline(SO)
        story.acknowledge(SO, emitter="ag-kern-coe")
        assert [record.declined for record in story.case.events] == [frozenset()]
        assert rung_rows(story.climb(SO, failed=0)) == []

    def test_what_corrects_the_event_is_another_alert(self) -> None:
        story = Story()
        tip(story)
        story.decline(SO)
        tip(story, corrects="e1")
        story.decline(SO, "e1")
        story.wait(minutes=15)
        assert rung_rows(story.climb(SO, "e2")) == [(SO, 1)]


class TestAlertingAgain:
    """An immediate alert that nobody took up to its last rung is not left to silence (decision 0146)."""

    AGAIN = Realert(every=timedelta(hours=1), most=2)

    def exhaust(self, story: Story) -> None:
        story.wait(minutes=15 * 12)
        assert story.climb(SO, realert=self.AGAIN).exhausted

    def test_the_agency_and_the_coordinator_are_told_again_each_hour_and_then_no_more(self) -> None:
        story = Story()
        tip(story)
        self.exhaust(story)
        told = []
        for _ in range(3):
            story.wait(hours=1)
            climb = story.climb(SO, realert=self.AGAIN)
            told.append((rung_rows(climb), climb.exhausted))
        assert told == [([(SO, 13), (TFC, 13)], False), ([(SO, 14), (TFC, 14)], False), ([], False)]
        assert story.climb(SO, realert=self.AGAIN).next_at is None

    def test_the_agency_sees_what_it_may_see_now_and_the_coordinator_nothing(self) -> None:
        story = Story()
        tip(story)
        self.exhaust(story)
        story.wait(hours=1)
        again, coordinator = story.climb(SO, realert=self.AGAIN).rows
        assert (disclosed(again), again.contact, again.rules) == ({"name", "safety"}, Rung.PRIMARY, ("K-01",))
        assert coordinator.disclosed == frozenset()
        assert again.acknowledge_by == story.now + timedelta(minutes=15)

    def test_that_it_is_a_dead_letter_is_said_once_also_where_there_is_no_coordinator(self) -> None:
        story = Story(directory=build_directory({TFC: {"status": "offboarded"}}))
        tip(story)
        self.exhaust(story)
        story.wait(hours=1)
        climb = story.climb(SO, realert=self.AGAIN)
        assert (rung_rows(climb), climb.exhausted) == ([(SO, 13)], False)

    def test_an_acknowledgement_ends_it(self) -> None:
        story = Story()
        tip(story)
        self.exhaust(story)
        story.acknowledge(SO, emitter="ag-kern-coe")
        story.wait(hours=1)
        assert story.climb(SO, realert=self.AGAIN).rows == ()

    def test_after_an_outage_it_is_told_once(self) -> None:
        story = Story()
        tip(story)
        story.wait(hours=9)
        climb = story.climb(SO, realert=self.AGAIN)
        assert rung_rows(climb) == [(BPD, 3), (SO, 14), (TFC, 14)]
        assert (climb.exhausted, climb.next_at) == (True, None)

    def test_what_is_not_immediate_ends_with_its_last_rung(self) -> None:
        story = Story()
        story.tell("suspect.release_scheduled", suspect_status={"release_at": "2026-03-09T08:00:00Z"})
        story.wait(hours=12)
        climb = story.climb(VSP, realert=self.AGAIN)
        assert (climb.exhausted, climb.next_at) == (True, None)

    def test_an_exercise_ends_with_its_last_rung(self) -> None:
        story = Story()
        tip(story, flags={"exercise": True})
        story.wait(minutes=15 * 12)
        climb = story.climb(SO, realert=self.AGAIN)
        assert (climb.exhausted, climb.next_at) == (True, None)

    def test_unless_an_installation_says_so_it_ends_there_too(self) -> None:
        story = Story()
        tip(story)
        story.wait(minutes=15 * 12)
        assert story.climb(SO).next_at is None

    def test_an_installation_that_has_enough_of_it_ends_it(self) -> None:
        story = Story()
        tip(story)
        self.exhaust(story)
        story.wait(hours=1)
        assert (story.climb(SO).rows, story.climb(SO).next_at) == ((), None)

    def test_what_is_told_again_and_fails_keeps_its_times(self) -> None:
        story = Story()
        tip(story)
        self.exhaust(story)
        story.wait(hours=1)
        story.climb(SO, realert=self.AGAIN)
        again = story.climb(SO, realert=self.AGAIN, failed=13)
        assert (again.rows, again.next_at) == ((), story.now + timedelta(hours=1))
