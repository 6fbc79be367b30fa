"""Who owes what, where it is written, and who gets a notice because no alert tells."""

from typing import Any

import pytest

from schemas.vocabulary import Reason
from services.routing.decision import Decision
from services.routing.duties import NOTIFY_VICTIM
from tests.unit.routing.building import (
    CHILD,
    KERN,
    KINGS,
    NAME,
    build_directory,
    build_event,
    build_packs,
    decide_event,
    row_of,
    told,
)

OFFBOARDED = {"status": "offboarded"}


def duty(holder: str, **more: object) -> dict[str, Any]:
    return {"holder": holder, "what": "report it", "within": "PT24H", **more}


def mandated(holder: str, **rule: object) -> dict[str, Any]:
    return {"basis": "mandated", "duties": [duty(holder)], **rule}


def holders(decision: Decision, agency: str) -> list[tuple[str, str | None, str]]:
    return [(entry.rule, entry.holder, entry.what) for entry in row_of(decision, agency).duties]


def noticed(decision: Decision) -> dict[str, list[tuple[str, str]]]:
    return {
        notice.agency: [(entry.rule, entry.what) for entry in notice.duties] for notice in decision.notices
    }


def test_the_emitters_duty_stands_on_the_recipients_row_and_on_a_notice_of_its_own() -> None:
    decision = decide_event(build_event("tip.received"), packs=build_packs(mandated("emitter")))
    assert holders(decision, "ag-kern-so") == [("T-01", "ag-bpd", "report it")]
    assert noticed(decision) == {"ag-bpd": [("T-01", "report it")]}


def test_the_recipients_duty_needs_no_notice() -> None:
    decision = decide_event(build_event("tip.received"), packs=build_packs(mandated("recipient")))
    assert holders(decision, "ag-kern-so") == [("T-01", "ag-kern-so", "report it")]
    assert decision.notices == ()


def test_a_holder_alerted_by_another_rule_is_still_told_of_a_duty_that_its_alert_does_not_carry() -> None:
    """What a rule for an external body asks of the sheriff is on a row that is never sent."""
    packs = build_packs(
        mandated("emitter_gov", id="T-01", notify=[{"role": "HHS_OTIP"}]),
        {"id": "T-02", "notify": [{"role": "LEA_LEAD"}], "basis": "mandated"},
    )
    decision = decide_event(build_event("tip.received", "ag-kern-vsp"), packs=packs)
    assert holders(decision, "ext-otip") == [("T-01", "ag-kern-so", "report it")]
    assert holders(decision, "ag-kern-so") == []
    assert noticed(decision) == {"ag-kern-so": [("T-01", "report it")]}


def test_one_notice_tells_a_holder_of_all_its_duties_at_the_highest_urgency() -> None:
    packs = build_packs(
        mandated("emitter", id="T-01", urgency="routine"), mandated("emitter", id="T-02", urgency="immediate")
    )
    (notice,) = decide_event(build_event("tip.received"), packs=packs).notices
    assert [entry.rule for entry in notice.duties] == ["T-01", "T-02"]
    assert notice.urgency.value == "immediate"


def test_a_duty_that_stands_on_several_rows_is_noticed_once() -> None:
    packs = build_packs(mandated("emitter", notify=[{"role": "LEA_LEAD"}, {"role": "PROSECUTOR"}]))
    decision = decide_event(build_event("tip.received"), packs=packs)
    assert holders(decision, "ag-kern-so") == holders(decision, "ag-kern-da")
    assert noticed(decision) == {"ag-bpd": [("T-01", "report it")]}


class TestGovernment:
    PACKS = build_packs(mandated("emitter_gov", notify=[{"role": "HHS_OTIP"}]))

    @pytest.mark.parametrize(
        ("emitter", "holder"),
        [
            ("ag-bpd", "ag-bpd"),
            ("ag-kern-coe", "ag-kern-coe"),
            ("ag-kern-tribal", "ag-kern-tribal"),
            ("ag-kern-vsp", "ag-kern-so"),
            ("ag-kern-sart", "ag-kern-so"),
            ("ag-kern-cac", "ag-kern-so"),
            ("ext-hotline", "ag-kern-so"),
        ],
    )
    def test_the_emitter_holds_it_if_government_else_the_countys_lead_police(
        self, emitter: str, holder: str
    ) -> None:
        decision = decide_event(build_event("tip.received", emitter), packs=self.PACKS)
        assert holders(decision, "ext-otip") == [("T-01", holder, "report it")]

    def test_one_government_role_among_others_makes_an_agency_government(self) -> None:
        directory = build_directory({"ag-kern-cac": {"roles": ["CHILD_ADVOCACY_CENTER", "PROSECUTOR"]}})
        decision = decide_event(
            build_event("tip.received", "ag-kern-cac"), directory=directory, packs=self.PACKS
        )
        assert holders(decision, "ext-otip") == [("T-01", "ag-kern-cac", "report it")]

    def test_of_several_lead_agencies_the_first_eligible_by_id_holds_it(self) -> None:
        lead = {"roles": ["LEA_LEAD"], "counties": [KERN]}
        directory = build_directory({"ag-aaa": {**lead, **OFFBOARDED}, "ag-bbb": lead})
        decision = decide_event(
            build_event("tip.received", "ag-kern-vsp"), directory=directory, packs=self.PACKS
        )
        assert holders(decision, "ext-otip") == [("T-01", "ag-bbb", "report it")]

    def test_an_external_agency_cannot_hold_it_for_the_county(self) -> None:
        directory = build_directory({"ag-kern-so": {"external": True}})
        decision = decide_event(
            build_event("tip.received", "ag-kern-vsp"), directory=directory, packs=self.PACKS
        )
        assert holders(decision, "ext-otip") == [("T-01", None, "report it")]
        assert row_of(decision, "ag-kern-tfc").reason is Reason.NO_AGENCY

    @pytest.mark.parametrize(
        ("changes", "county", "reason"),
        [({}, KINGS, Reason.NO_AGENCY), ({"ag-kern-so": OFFBOARDED}, KERN, Reason.OFFBOARDED)],
    )
    def test_when_nobody_can_hold_it_the_coordinator_is_told(
        self, changes: dict[str, dict[str, str]], county: str, reason: Reason
    ) -> None:
        decision = decide_event(
            build_event("tip.received", "ag-kern-vsp", county=county),
            directory=build_directory(changes),
            packs=self.PACKS,
        )
        assert holders(decision, "ext-otip") == [("T-01", None, "report it")]
        row = row_of(decision, "ag-kern-tfc")
        assert (row.rules, row.reason, row.urgency.value) == (("S-04",), reason, "immediate")
        assert decision.notices == ()


class TestWithoutARow:
    def test_a_mandated_duty_exists_though_nobody_could_be_alerted(self) -> None:
        decision = decide_event(
            build_event("tip.received", county=KINGS), packs=build_packs(mandated("emitter"))
        )
        assert told(decision) == {"ag-kern-tfc": ("S-04",)}
        assert row_of(decision, "ag-kern-tfc").duties == ()
        assert noticed(decision) == {"ag-bpd": [("T-01", "report it")]}

    def test_a_recipients_duty_has_no_holder_when_there_is_no_recipient(self) -> None:
        decision = decide_event(
            build_event("tip.received", county=KINGS), packs=build_packs(mandated("recipient"))
        )
        assert decision.duties == ()

    def test_an_agreements_duty_goes_with_its_row(self) -> None:
        packs = build_packs({"duties": [duty("emitter")]})
        assert decide_event(build_event("tip.received", county=KINGS), packs=packs).duties == ()

    def test_an_agreement_skipped_for_consent_creates_no_duty(self) -> None:
        packs = build_packs({"duties": [duty("emitter")]})
        assert decide_event(build_event("tip.received", "ag-kern-vsp"), packs=packs).duties == ()

    def test_a_rule_whose_only_holder_is_the_emitter_creates_no_duty(self) -> None:
        packs = build_packs(mandated("emitter"))
        assert decide_event(build_event("tip.received", "ag-kern-so"), packs=packs).duties == ()

    def test_another_role_that_should_have_been_told_keeps_the_duty(self) -> None:
        packs = build_packs(mandated("emitter", notify=[{"role": "LEA_LEAD"}, {"role": "NCMEC"}]))
        directory = build_directory({"ext-ncmec": OFFBOARDED})
        decision = decide_event(build_event("tip.received", "ag-kern-so"), directory=directory, packs=packs)
        assert noticed(decision) == {"ag-kern-so": [("T-01", "report it")]}


class TestNobodyIsToldWhoMustNotBe:
    def test_a_conflicted_holder_gets_no_notice_but_its_duty_is_kept(self) -> None:
        decision = decide_event(
            build_event("tip.received"), packs=build_packs(mandated("emitter")), conflicts=["ag-bpd"]
        )
        assert decision.notices == ()
        assert [entry.holder for entry in decision.duties] == ["ag-bpd"]

    def test_an_external_holder_gets_no_notice(self) -> None:
        decision = decide_event(
            build_event("tip.received", "ext-hotline"), packs=build_packs(mandated("emitter"))
        )
        assert decision.notices == ()
        assert holders(decision, "ag-kern-so") == [("T-01", "ext-hotline", "report it")]

    def test_a_drill_creates_no_duty_but_keeps_every_row(self) -> None:
        packs = build_packs(mandated("emitter_gov", notify=[{"role": "HHS_OTIP"}, {"role": "LEA_LEAD"}]))
        event = build_event("tip.received", "ag-kern-vsp", **NAME, flags={"exercise": True})
        decision = decide_event(event, packs=packs)
        assert told(decision) == {"ext-otip": ("T-01",), "ag-kern-so": ("T-01",)}
        assert all(row.exercise and row.duties == () for row in decision.alerts)
        assert (decision.duties, decision.notices) == ((), ())


class TestNotifyTheVictim:
    @pytest.mark.parametrize("emitter", ["ag-kern-vsp", "ag-kern-sart", "ag-kern-shelter", "ag-kern-ils"])
    def test_a_confidential_emitter_tries_to_tell_the_victim_that_the_law_made_them_known(
        self, emitter: str
    ) -> None:
        packs = build_packs({"basis": "mandated", "disclose": ["name", "age"]})
        decision = decide_event(build_event("tip.received", emitter, **NAME), packs=packs)
        assert holders(decision, "ag-kern-so") == [("T-01", emitter, NOTIFY_VICTIM)]
        assert row_of(decision, "ag-kern-so").duties[0].due is None
        assert noticed(decision) == {emitter: [("T-01", NOTIFY_VICTIM)]}

    def test_once_per_mandated_rule_of_a_row(self) -> None:
        packs = build_packs(
            {"id": "T-01", "basis": "mandated", "disclose": ["name"]},
            {"id": "T-02", "basis": "mandated", "disclose": ["name"]},
            {"id": "T-03", "basis": "mandated", "disclose": ["age"]},
        )
        decision = decide_event(build_event("tip.received", "ag-kern-vsp", **NAME, **CHILD), packs=packs)
        assert [rule for rule, _, _ in holders(decision, "ag-kern-so")] == ["T-01", "T-02"]

    @pytest.mark.parametrize(
        ("emitter", "basis", "disclose"),
        [
            ("ag-bpd", "mandated", ["name"]),
            ("ag-kern-vsp", "mandated", ["age"]),
            ("ag-kern-vsp", "mandated", ["contact"]),
            ("ag-kern-sart", "agreement", ["name", "age"]),
        ],
    )
    def test_not_for_an_ordinary_emitter_nor_where_nobody_was_made_known(
        self, emitter: str, basis: str, disclose: list[str]
    ) -> None:
        packs = build_packs({"basis": basis, "disclose": disclose})
        decision = decide_event(build_event("tip.received", emitter, **NAME, **CHILD), packs=packs)
        assert decision.duties == ()
