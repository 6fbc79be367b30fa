"""Consents: who gave them, to whom, for what, until when, and what their end means."""

from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

import pytest

from schemas.vocabulary import Group, Reason
from services.routing.consents import CASE_ZONE
from services.routing.decision import Gate, Verdict
from tests.unit.routing.building import (
    ADULT,
    CHILD,
    CSE,
    NAME,
    NOW,
    build_directory,
    build_packs,
    considered,
    row_of,
    told,
)
from tests.unit.routing.story import Story, disclosed, kinds

CONTACT: dict[str, Any] = {"contact": {"phone": "+16615550100"}}


def identified(story: Story, agency: str = "ag-kern-so", **data: Any) -> set[str]:  # noqa: ANN401 - any JSON
    """What the advocate sees of a victim who is named."""
    data = {**ADULT, **NAME, **CONTACT, **data}
    decision = story.tell("victim.potential_identified", agency, **data)
    return disclosed(row_of(decision, "ag-kern-vsp"))


class TestModeBase:
    @pytest.mark.parametrize("recipient", ["VICTIM_SERVICES", "ag-kern-vsp"])
    def test_extra_groups_flow_to_whom_a_consent_names_by_role_or_by_id(self, recipient: str) -> None:
        story = Story()
        story.consent([recipient], ["name", "contact"])
        assert identified(story) == {"age", "name", "contact"}

    def test_only_the_groups_it_lists_flow(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name", "date_of_birth"])
        assert identified(story) == {"age", "name"}

    def test_a_consent_that_names_another_opens_nothing(self) -> None:
        story = Story()
        story.consent(["SHELTER"], ["name"])
        assert identified(story) == {"age"}

    def test_groups_of_two_consents_are_not_pieced_together_of_one_that_names_and_one_that_lists(
        self,
    ) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["contact"])
        story.consent(["SHELTER"], ["name"], consent_id="cn-2")
        assert identified(story) == {"age", "contact"}

    def test_the_ledger_names_the_consent(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"])
        decision = story.tell("victim.potential_identified", **ADULT, **NAME, **CONTACT)
        (entry,) = considered(decision, "K-07").agencies
        assert entry.consents == {Group.NAME: {"cn-1"}}
        assert entry.removed == {Group.CONTACT: Gate.RULE_CONSENT}

    def test_mode_none_asks_no_consent_and_gives_nothing_for_one(self) -> None:
        packs = build_packs({"consent": "none", "disclose": ["age"], "disclose_with_consent": ["name"]})
        story = Story(packs=packs)
        story.consent(["LEA_LEAD"], ["name"])
        decision = story.tell("tip.received", "ag-bpd", **ADULT, **NAME)
        assert disclosed(row_of(decision, "ag-kern-so")) == {"age"}


class TestValidity:
    def test_it_counts_from_the_first_instant_to_before_the_last(self) -> None:
        ends = NOW + timedelta(hours=2)
        story = Story()
        begins = (NOW + timedelta(hours=1)).isoformat()
        story.consent(["VICTIM_SERVICES"], ["name"], **{"from": begins, "to": ends.isoformat()})
        assert "name" not in identified(story)
        story.wait(hours=1)
        assert "name" in identified(story)
        story.wait(minutes=59, seconds=59)
        assert "name" in identified(story)
        story.wait(seconds=1)
        assert "name" not in identified(story)

    def test_without_a_beginning_it_counts_from_the_events_time(self) -> None:
        story = Story()
        story.now = NOW - timedelta(hours=2)  # an hour before the events say that they happened
        story.consent(["VICTIM_SERVICES"], ["name"])
        assert "name" not in identified(story)
        story.wait(hours=2)
        assert "name" in identified(story)

    @pytest.mark.parametrize("grantor", ["parent", "guardian", "court"])
    def test_one_given_by_another_counts_only_for_a_known_minor(self, grantor: str) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"], granted_by=grantor)
        assert "name" in identified(story, **CHILD)
        assert "name" not in identified(story, **ADULT)

    def test_an_unknown_age_makes_it_invalid_although_it_counts_as_a_minors(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"], granted_by="parent")
        decision = story.tell("victim.potential_identified", **CSE, **NAME, age={"band": "unknown"})
        assert told(decision).keys() == {"ag-kern-cw", "ag-kern-vsp"}
        assert "name" not in disclosed(row_of(decision, "ag-kern-vsp"))

    def test_the_latest_known_age_of_the_case_counts_where_the_event_is_silent(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"], granted_by="parent")
        story.tell("victim.age_determined", **CHILD)
        silent = story.tell("victim.potential_identified", **NAME)
        assert "name" in disclosed(row_of(silent, "ag-kern-vsp"))
        story.tell("victim.age_determined", **ADULT)
        silent = story.tell("victim.potential_identified", **NAME)
        assert "name" not in disclosed(row_of(silent, "ag-kern-vsp"))

    def test_an_age_that_was_retracted_is_no_longer_known(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"], granted_by="parent")
        story.tell("victim.age_determined", **CHILD)
        story.tell("event.retracted", retracts="e2")
        assert "name" not in disclosed(
            row_of(story.tell("victim.potential_identified", **NAME), "ag-kern-vsp")
        )

    def test_an_age_that_the_event_takes_back_is_not_known_when_it_is_decided(self) -> None:
        """A correction replaces the whole data: else it would disclose what its original did not."""
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"], granted_by="parent")
        identify = "victim.potential_identified"
        original = disclosed(row_of(story.tell(identify, **NAME), "ag-kern-vsp"))
        mistaken = row_of(story.tell(identify, **NAME, age={"band": "under13"}, corrects="e2"), "ag-kern-vsp")
        assert disclosed(mistaken) == original | {"age", "name"}
        assert disclosed(row_of(story.tell(identify, **NAME, corrects="e3"), "ag-kern-vsp")) == original

    def test_it_lapses_in_silence_on_the_18th_birthday(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"], granted_by="guardian")
        assert "name" in identified(story, date_of_birth="2008-03-04")
        story.wait(hours=14, minutes=59)  # 23:59 in California
        assert "name" in identified(story, date_of_birth="2008-03-04")
        story.wait(minutes=1)
        assert "name" not in identified(story, date_of_birth="2008-03-04")

    def test_a_later_grant_with_its_id_replaces_it(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"])
        story.consent(["VICTIM_SERVICES"], ["contact"])
        assert identified(story) == {"age", "contact"}

    def test_nothing_replaces_a_revoked_one_even_if_it_was_revoked_before_it_was_granted(self) -> None:
        story = Story()
        story.revoke()
        story.consent(["VICTIM_SERVICES"], ["name"])
        assert identified(story) == {"age"}

    def test_consents_are_a_matter_of_their_case(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"])
        assert identified(Story()) == {"age"}


class TestModeRequired:
    DECLARATION = ("immigration.lea_declaration_requested", "ag-kern-ils")
    MATTER: ClassVar = {**ADULT, **NAME, **CSE}

    def test_only_covered_groups_flow(self) -> None:
        story = Story()
        story.consent(["LEA_LEAD"], ["name"])
        decision = story.tell(*self.DECLARATION, **self.MATTER)
        assert kinds(decision) == {"ag-kern-so": ("alert", ("K-18",))}
        assert disclosed(row_of(decision, "ag-kern-so")) == {"name"}

    def test_without_any_it_is_skipped_and_the_emitter_told(self) -> None:
        decision = Story().tell(*self.DECLARATION, **self.MATTER)
        row = row_of(decision, "ag-kern-ils")
        assert kinds(decision) == {"ag-kern-ils": ("error", ("S-06",))}
        assert (row.reason, row.urgency.value) == (Reason.CONSENT_REQUIRED, "routine")
        assert {group.value for group in row.withheld} == {"age", "date_of_birth", "name", "exploitation"}

    def test_a_consent_that_lists_nothing_of_the_rule_is_none(self) -> None:
        story = Story()
        story.consent(["LEA_LEAD"], ["contact"])
        assert kinds(story.tell(*self.DECLARATION, **self.MATTER)).keys() == {"ag-kern-ils"}

    def test_a_row_whose_covered_groups_are_absent_is_still_sent(self) -> None:
        story = Story()
        story.consent(["LEA_LEAD"], ["name"])
        decision = story.tell(*self.DECLARATION, **ADULT)
        assert disclosed(row_of(decision, "ag-kern-so")) == set()

    def test_a_duty_of_the_recipient_is_30_days_or_7(self) -> None:
        story = Story()
        story.consent(["LEA_LEAD"], ["name"])
        for flags, days in ({}, 30), ({"in_removal_proceedings": True}, 7):
            row = row_of(story.tell(*self.DECLARATION, **self.MATTER, flags=flags), "ag-kern-so")
            (duty,) = row.duties
            assert duty.due == NOW - timedelta(hours=1) + timedelta(days=days)


class TestStrictEmitters:
    def test_without_a_consent_naming_the_recipient_nobody_is_told(self) -> None:
        decision = Story().tell("victim.potential_identified", "ag-kern-shelter", **ADULT, **NAME)
        assert kinds(decision) == {"ag-kern-shelter": ("error", ("S-06",))}

    def test_with_one_non_identifying_groups_flow_and_identifying_ones_if_listed(self) -> None:
        story = Story()
        story.consent(["LEA_LEAD"], ["name"])
        decision = story.tell(
            "safety.risk_escalated", "ag-kern-vsp", **ADULT, **NAME, safety={"risk": "high"}, location={}
        )
        assert disclosed(row_of(decision, "ag-kern-so")) == {"age", "name", "safety"}
        (entry,) = considered(decision, "K-17").agencies
        assert entry.removed == {Group.LOCATION: Gate.EMITTER_CONSENT}

    def test_the_law_needs_no_consent_but_the_victim_is_to_be_told(self) -> None:
        decision = Story().tell("victim.potential_identified", "ag-kern-shelter", **CHILD, **CSE, **NAME)
        duties = row_of(decision, "ag-kern-cw").duties
        assert [(duty.rule, duty.holder, duty.due is None) for duty in duties] == [
            ("K-03", "ag-kern-shelter", False),
            ("K-03", "ag-kern-shelter", True),
        ]

    def test_a_hospital_tells_what_identifies_nobody_and_the_rest_by_consent(self) -> None:
        story = Story()
        assert identified(story, "ag-kern-sart") == {"age"}
        story.consent(["VICTIM_SERVICES"], ["name"])
        assert identified(story, "ag-kern-sart") == {"age", "name"}

    def test_consents_missing_never_bring_in_an_alternate_nor_the_coordinator(self) -> None:
        decision = Story().tell("tip.received", "ag-kern-vsp", **NAME)
        assert kinds(decision) == {"ag-kern-vsp": ("error", ("S-06",))}
        assert considered(decision, "K-02").verdict is Verdict.CONSENT_REQUIRED


class TestClassGates:
    GATED: ClassVar[dict[str, Any]] = {
        "medical": {"text": "invented"},
        "substance_use": {"text": "invented"},
        "privileged": {"text": "invented"},
        "immigration": {"text": "invented"},
        "citizenship": {"status": "unknown"},
        "criminal_justice": {"text": "invented"},
        "intelligence": {"text": "invented"},
        "location": {"address": "1 Sample Street"},
    }
    PACKS = build_packs({"notify": [{"role": "SCHOOL"}], "disclose": sorted(GATED)})

    def shown(self, *, flags: dict[str, bool] | None = None, **consent: Any) -> set[str]:  # noqa: ANN401 - any JSON
        story = Story(packs=self.PACKS)
        story.consent(["SCHOOL"], sorted(self.GATED), **consent)
        decision = story.tell("tip.received", **self.GATED, flags=flags or {})
        return disclosed(row_of(decision, "ag-kern-coe"))

    def test_a_consent_opens_some_classes_and_never_others(self) -> None:
        assert self.shown() == {"medical", "immigration", "citizenship", "location"}

    def test_substance_use_treatment_needs_a_consent_that_says_so(self) -> None:
        assert "substance_use" in self.shown(part2=True)

    def test_safe_at_home_stays_closed(self) -> None:
        assert "location" not in self.shown(flags={"safe_at_home": True})

    def test_a_gate_never_adds_a_group_that_the_rule_does_not_list(self) -> None:
        story = Story(packs=build_packs({"notify": [{"role": "SCHOOL"}], "disclose": ["age"]}))
        story.consent(["SCHOOL"], ["medical", "name"])
        decision = story.tell("tip.received", **ADULT, **NAME, medical={"text": "invented"})
        assert disclosed(row_of(decision, "ag-kern-coe")) == {"age"}


class TestRevocation:
    def test_whoever_saw_something_by_it_is_told_once(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"])
        identified(story)
        first = story.revoke()
        row = row_of(first, "ag-kern-vsp")
        assert kinds(first) == {"ag-kern-vsp": ("update", ("F-07",))}
        assert (row.role.value, row.urgency.value, row.duties) == ("VICTIM_SERVICES", "routine", ())
        assert disclosed(row) == {"consent"}
        assert kinds(story.revoke()) == {}
        assert identified(story) == {"age"}

    def test_whoever_would_have_seen_as_much_without_it_is_not_told(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES", "CHILD_WELFARE"], ["name"])
        decision = story.tell("victim.potential_identified", **CHILD, **CSE, **NAME)
        assert "name" in disclosed(row_of(decision, "ag-kern-cw"))
        assert kinds(story.revoke()).keys() == {"ag-kern-vsp"}

    def test_of_two_that_covered_the_same_the_last_to_go_is_told_of(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"])
        story.consent(["ag-kern-vsp"], ["name"], consent_id="cn-2")
        identified(story)
        assert kinds(story.revoke("cn-1")) == {}
        assert kinds(story.revoke("cn-2")).keys() == {"ag-kern-vsp"}

    def test_a_strict_emitters_recipients_saw_everything_by_it(self) -> None:
        story = Story()
        story.consent(["LEA_LEAD"], [])
        story.tell("safety.risk_escalated", "ag-kern-vsp", **ADULT, safety={"risk": "high"})
        assert kinds(story.revoke()).keys() == {"ag-kern-so"}

    @pytest.mark.parametrize(
        "change",
        [{"status": "offboarded"}, {"agreement_until": "2026-01-01T00:00:00Z"}],
        ids=lambda change: next(iter(change)),
    )
    def test_an_ended_agreement_does_not_matter_but_one_who_left_is_not_told(
        self, change: dict[str, str]
    ) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"])
        identified(story)
        story.directory = build_directory({"ag-kern-vsp": change})
        assert set(kinds(story.revoke())) == (set() if "status" in change else {"ag-kern-vsp"})

    def test_neither_the_emitter_nor_a_conflicted_agency_is_told(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"])
        identified(story)
        own = story.revoke(agency="ag-kern-vsp")
        assert (kinds(own), considered(own, "F-07").verdict) == ({}, Verdict.SELF)
        other = Story()
        other.consent(["VICTIM_SERVICES"], ["name"])
        identified(other)
        other.tell("case.conflict_declared", details={"conflict_agencies": ["ag-kern-vsp"]})
        assert kinds(other.revoke()) == {}

    @pytest.mark.parametrize(
        "withdrawal",
        [("event.retracted", {"retracts": "e1"}), ("tip.triaged", {"corrects": "e1"})],
        ids=["retracted", "corrected"],
    )
    def test_a_grant_that_is_withdrawn_is_revoked_from_then_on(
        self, withdrawal: tuple[str, dict[str, str]]
    ) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"])
        identified(story)
        event_type, data = withdrawal
        decision = story.tell(event_type, "ag-kern-da", **data)
        assert kinds(decision) == {"ag-kern-vsp": ("update", ("F-07",))}
        assert identified(story) == {"age"}

    def test_to_retract_a_revocation_restores_nothing_and_cancels_what_was_told_of_it(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"])
        identified(story)
        story.revoke()
        decision = story.tell("event.retracted", "ag-kern-da", retracts="e3")
        assert kinds(decision) == {"ag-kern-vsp": ("cancel", ("F-07",))}
        assert identified(story) == {"age"}

    def test_a_corrected_revocation_updates_those_it_told(self) -> None:
        story = Story()
        story.consent(["VICTIM_SERVICES"], ["name"])
        identified(story)
        story.revoke()
        decision = story.tell("consent.revoked", "ag-kern-da", corrects="e3", consent={"consent_id": "cn-1"})
        assert kinds(decision) == {"ag-kern-vsp": ("update", ("F-07",))}


class TestLapse:
    """When what is told by consent alone may be seen no more (DESIGN, guarantee 4)."""

    @staticmethod
    def until(story: Story, **data: Any) -> dict[str, datetime]:  # noqa: ANN401 -- any JSON
        decision = story.tell("victim.potential_identified", **{**ADULT, **NAME, **CONTACT, **data})
        return {group.value: at for group, at in row_of(decision, "ag-kern-vsp").until.items()}

    def test_a_group_told_by_consent_ends_with_it_and_one_that_needs_none_does_not(self) -> None:
        story, ends = Story(), NOW + timedelta(days=3)
        story.consent(["VICTIM_SERVICES"], ["name"], to=ends.isoformat())
        assert self.until(story) == {"name": ends}

    def test_of_two_consents_the_last_one_ends_it(self) -> None:
        story = Story()
        for number, days in ((1, 5), (2, 3)):
            ends = (NOW + timedelta(days=days)).isoformat()
            story.consent(
                ["VICTIM_SERVICES"], ["name", "contact"][:number], consent_id=f"cn-{number}", to=ends
            )
        assert self.until(story) == {"name": NOW + timedelta(days=5), "contact": NOW + timedelta(days=3)}

    def test_without_a_consent_nothing_ends(self) -> None:
        assert self.until(Story()) == {}

    @pytest.mark.parametrize(
        ("grantor", "ends_on"), [("parent", date(2026, 3, 10)), ("self", date(2026, 4, 1))]
    )
    def test_what_another_consented_to_ends_with_the_eighteenth_birthday(
        self, grantor: str, ends_on: date
    ) -> None:
        story, end = Story(), datetime(2026, 4, 1, tzinfo=CASE_ZONE)
        story.consent(["VICTIM_SERVICES"], ["name"], granted_by=grantor, to=end.isoformat())
        until = self.until(story, date_of_birth="2008-03-10")
        assert until["name"] == datetime.combine(ends_on, time.min, CASE_ZONE)

    def test_a_rung_ends_when_its_alert_does(self) -> None:
        story, ends = Story(), NOW + timedelta(days=3)
        story.consent(["VICTIM_SERVICES"], ["name"], to=ends.isoformat())
        decision = story.tell("victim.potential_identified", **ADULT, **NAME)
        story.now = row_of(decision, "ag-kern-vsp").acknowledge_by
        [backup] = [row for row in story.climb("ag-kern-vsp", "e2").rows if row.agency == "ag-kern-vsp"]
        assert backup.until == {Group.NAME: ends}
