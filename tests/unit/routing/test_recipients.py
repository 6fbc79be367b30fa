"""Who is told under a rule: role and county, never the emitter, only the eligible, else the alternate."""

from datetime import timedelta

import pytest

from schemas.vocabulary import Reason, Role
from services.routing.decision import AgencyVerdict, Directory, Verdict
from tests.unit.routing.building import (
    FRESNO,
    KERN,
    KINGS,
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

OFFBOARDED = {"status": "offboarded"}
ENDED = {"agreement_until": (NOW - timedelta(seconds=1)).isoformat()}
SECOND_LEAD = {
    "ag-second-so": {
        "roles": ["LEA_LEAD"],
        "counties": [KERN],
        "agreement_until": "2027-12-31T23:59:59-08:00",
    }
}
WITH_ALTERNATE = build_packs({"notify": [{"role": "LEA_LEAD", "alternate": "LEA_LOCAL"}]})
MANDATED = build_packs({"basis": "mandated"})
PLAIN = build_packs({})


def test_every_holder_in_the_county_is_told_and_nobody_elsewhere() -> None:
    decision = decide_event(build_event("tip.received"), directory=build_directory(SECOND_LEAD), packs=PLAIN)
    assert told(decision) == {"ag-kern-so": ("T-01",), "ag-second-so": ("T-01",)}


def test_an_agency_of_every_county_is_told_wherever_the_event_is() -> None:
    packs = build_packs({"notify": [{"role": "FBI"}]})
    for county in (KERN, "48201"):
        assert told(decide_event(build_event("tip.received", county=county), packs=packs)) == {
            "ag-us-fbi": ("T-01",)
        }


def test_the_emitter_is_left_out_and_the_other_holders_are_told() -> None:
    decision = decide_event(
        build_event("tip.received", "ag-kern-so"), directory=build_directory(SECOND_LEAD), packs=PLAIN
    )
    assert told(decision) == {"ag-second-so": ("T-01",)}
    assert AgencyVerdict("ag-kern-so", Verdict.SELF) in considered(decision, "T-01").agencies


def test_the_only_holder_is_not_told_of_its_own_event_nor_is_anybody_instead() -> None:
    decision = decide_event(build_event("tip.received", "ag-kern-so"), packs=WITH_ALTERNATE)
    assert decision.alerts == ()
    assert considered(decision, "T-01").verdict is Verdict.SELF


def test_an_ineligible_fellow_holder_counts_as_nobody_eligible() -> None:
    """The emitter is not the only holder, so it is merely left out, and the other cannot be told."""
    directory = build_directory({"ag-second-so": {**SECOND_LEAD["ag-second-so"], **OFFBOARDED}})
    decision = decide_event(
        build_event("tip.received", "ag-kern-so"), directory=directory, packs=WITH_ALTERNATE
    )
    assert told(decision) == {"ag-bpd": ("T-01",), "ag-kern-tfc": ("S-04",)}
    assert row_of(decision, "ag-kern-tfc").reason is Reason.OFFBOARDED


@pytest.mark.parametrize(
    ("change", "conflicts", "reason"),
    [
        (OFFBOARDED, (), Reason.OFFBOARDED),
        (ENDED, (), Reason.AGREEMENT_EXPIRED),
        ({"agreement_until": None}, (), Reason.AGREEMENT_EXPIRED),
        ({}, ("ag-kern-so",), Reason.CONFLICT),
        ({**OFFBOARDED, **ENDED}, ("ag-kern-so",), Reason.CONFLICT),
        ({**OFFBOARDED, **ENDED}, (), Reason.OFFBOARDED),
        ({"roles": ["PROSECUTOR"]}, (), Reason.NO_AGENCY),
    ],
)
def test_when_nobody_is_eligible_the_alternate_is_told_and_the_coordinator_why(
    change: dict[str, object], conflicts: tuple[str, ...], reason: Reason
) -> None:
    decision = decide_event(
        build_event("tip.received", "ag-kern-coe", **NAME),
        directory=build_directory({"ag-kern-so": change}),
        packs=WITH_ALTERNATE,
        conflicts=conflicts,
    )
    assert told(decision) == {"ag-bpd": ("T-01",), "ag-kern-tfc": ("S-04",)}
    assert row_of(decision, "ag-bpd").role is Role.LEA_LOCAL
    assert row_of(decision, "ag-kern-tfc").reason is reason
    assert considered(decision, "T-01").verdict is Verdict.ALTERNATE_ALERTED


def test_an_agreement_holds_to_its_last_instant() -> None:
    directory = build_directory({"ag-kern-so": {"agreement_until": NOW.isoformat()}})
    assert told(decide_event(build_event("tip.received"), directory=directory, packs=PLAIN)) == {
        "ag-kern-so": ("T-01",)
    }


def test_what_the_law_orders_needs_no_agreement() -> None:
    directory = build_directory({"ag-kern-so": ENDED})
    assert told(decide_event(build_event("tip.received"), directory=directory, packs=MANDATED)) == {
        "ag-kern-so": ("T-01",)
    }


def test_what_the_law_orders_does_not_reach_who_left_the_task_force() -> None:
    directory = build_directory({"ag-kern-so": OFFBOARDED})
    decision = decide_event(build_event("tip.received"), directory=directory, packs=MANDATED)
    assert told(decision) == {"ag-kern-tfc": ("S-04",)}


def test_an_external_body_needs_no_agreement_and_is_never_contacted() -> None:
    packs = build_packs({"notify": [{"role": "NCMEC"}]})
    row = row_of(decide_event(build_event("tip.received"), packs=packs), "ext-ncmec")
    assert row.contact is None
    assert row.external


def test_an_alternate_is_never_the_emitter() -> None:
    directory = build_directory({"ag-kern-so": OFFBOARDED})
    decision = decide_event(build_event("tip.received", "ag-bpd"), directory=directory, packs=WITH_ALTERNATE)
    assert told(decision) == {"ag-kern-tfc": ("S-04",)}


def test_the_coordinator_hears_the_first_reason_and_the_highest_urgency_once() -> None:
    packs = build_packs(
        {"id": "T-01", "notify": [{"role": "SCHOOL"}], "urgency": "priority"},
        {"id": "T-02", "notify": [{"role": "LEA_LEAD"}], "urgency": "routine"},
        {"id": "T-03", "notify": [{"role": "TRIBAL"}], "urgency": "routine"},
    )
    directory = build_directory(
        {"ag-kern-coe": ENDED, "ag-kern-so": OFFBOARDED, "ag-kern-tribal": {"counties": [FRESNO]}}
    )
    row = row_of(decide_event(build_event("tip.received"), directory=directory, packs=packs), "ag-kern-tfc")
    assert (row.reason, row.urgency.value, row.rules) == (Reason.OFFBOARDED, "priority", ("S-04",))
    assert row.acknowledge_by == NOW + timedelta(hours=4)


def test_a_mandated_rule_that_reaches_nobody_is_immediate_for_the_coordinator() -> None:
    packs = build_packs({"notify": [{"role": "LEA_LEAD"}], "basis": "mandated", "urgency": "routine"})
    row = row_of(decide_event(build_event("tip.received", county=KINGS), packs=packs), "ag-kern-tfc")
    assert (row.reason, row.urgency.value) == (Reason.NO_AGENCY, "immediate")
    assert row.acknowledge_by == NOW + timedelta(minutes=15)


@pytest.mark.parametrize(
    ("changes", "conflicts", "expected"),
    [
        ({}, (), {"ag-kern-tfc"}),
        ({"ag-kern-tfc": ENDED}, (), {"ag-kern-tfc"}),
        ({"ag-two": {"roles": ["TF_COORDINATOR"], "counties": [KERN]}}, (), {"ag-kern-tfc", "ag-two"}),
        ({"ag-two": {"roles": ["TF_COORDINATOR"], "counties": ["06001"]}}, (), {"ag-kern-tfc"}),
        ({"ag-two": {"roles": ["TF_COORDINATOR"], "counties": ["06001"]}}, ("ag-kern-tfc",), {"ag-two"}),
        (
            {"ag-two": {"roles": ["TF_COORDINATOR"], "counties": "*"}, "ag-kern-tfc": OFFBOARDED},
            (),
            {"ag-two"},
        ),
    ],
)
def test_the_countys_coordinators_are_told_else_every_other_one(
    changes: dict[str, dict[str, object]], conflicts: tuple[str, ...], expected: set[str]
) -> None:
    directory = build_directory({"ag-kern-so": OFFBOARDED, **changes})
    decision = decide_event(
        build_event("tip.received"), directory=directory, packs=PLAIN, conflicts=conflicts
    )
    assert told(decision).keys() == expected
    assert decision.undeliverable is None


def test_without_any_coordinator_the_decision_is_undeliverable_and_keeps_why() -> None:
    directory = build_directory({"ag-kern-so": OFFBOARDED, "ag-kern-tfc": OFFBOARDED})
    decision = decide_event(build_event("tip.received"), directory=directory, packs=PLAIN)
    assert decision.alerts == ()
    assert decision.undeliverable is Reason.OFFBOARDED


def test_a_coordinator_hears_of_its_own_events_trouble() -> None:
    directory = build_directory({"ag-kern-so": OFFBOARDED})
    decision = decide_event(build_event("tip.received", "ag-kern-tfc"), directory=directory, packs=PLAIN)
    assert told(decision) == {"ag-kern-tfc": ("S-04",)}


def test_each_destination_is_judged_once_and_by_itself() -> None:
    packs = build_packs(
        {"on": ["case.cross_jurisdiction_movement"], "notify": [{"role": "LEA_LEAD", "in": "destinations"}]}
    )
    event = build_event(
        "case.cross_jurisdiction_movement", "ag-kern-so", destinations=[FRESNO, KINGS, FRESNO, KERN]
    )
    decision = decide_event(event, packs=packs)
    assert told(decision) == {"ag-fresno-so": ("T-01",), "ag-kern-tfc": ("S-04",)}
    assert [(entry.county, entry.verdict) for entry in decision.considered] == [
        (FRESNO, Verdict.ALERTED),
        (KINGS, Verdict.NO_AGENCY),
        (KERN, Verdict.SELF),
    ]


def test_a_rule_for_destinations_on_an_event_without_any_does_not_fall_silent() -> None:
    packs = build_packs({"notify": [{"role": "LEA_LEAD", "in": "destinations"}]})
    assert told(decide_event(build_event("tip.received"), packs=packs)) == {"ag-kern-tfc": ("S-04",)}


def test_a_directory_finds_holders_by_role_and_county_by_id() -> None:
    directory = build_directory(SECOND_LEAD)
    assert [member.id for member in directory.holders(Role.LEA_LEAD, KERN)] == ["ag-kern-so", "ag-second-so"]
    assert directory.holders(Role.LEA_LEAD, "99999") == ()
    assert [member.id for member in directory.holders(Role.FBI, "99999")] == ["ag-us-fbi"]
    assert directory.find("ag-nobody") is None
    assert Directory([]).coordinators(KERN) == ()
