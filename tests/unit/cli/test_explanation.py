"""The ledger's view in plain words."""

from typing import Any

import pytest

from services.cli.explanation.wording import render_decision, render_refusal
from services.routing.decision import Gate, Verdict


def _view(**fields: object) -> dict[str, Any]:
    return {
        "event_id": "e1",
        "source": "urn:tocsin:agency:ag-bpd:cms",
        "outcome": "routed",
        "county": "06029",
        "decided_at": "2026-03-03T22:40:00-08:00",
        "packs": ["ca-kern-httf@2.1.0"],
        "directory_version": 3,
        "errors": [],
        "rules": [],
        "alerts": [],
        "duties": [],
        **fields,
    }


def _rule(verdict: str, **agency: object) -> dict[str, Any]:
    agencies = [{"agency": "ag-kern-vsp", "verdict": verdict, "removed": {}, **agency}]
    return {
        "rule": "K-07",
        "pack": "ca-kern-httf@2.1.0",
        "verdict": verdict,
        "role": "VICTIM_SERVICES",
        "county": "06029",
        "agencies": agencies,
    }


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_words(verdict: Verdict) -> None:
    text = "\n".join(render_decision(_view(rules=[_rule(verdict.value)]), agency=None))
    if verdict is not Verdict.ALERTED:
        assert f": {verdict.value}" not in text


@pytest.mark.parametrize("gate", list(Gate))
def test_every_gate_has_words(gate: Gate) -> None:
    rule = _rule("alerted", removed={"name": gate.value})
    text = "\n".join(render_decision(_view(rules=[rule]), agency=None))
    assert "without name: " in text
    assert f"without name: {gate.value}" not in text


def test_an_agency_that_no_rule_named_is_told_so() -> None:
    text = "\n".join(render_decision(_view(rules=[_rule("alerted")]), agency="ag-kern-so"))
    assert "no rule that matched this event names a role that ag-kern-so holds there" in text
    assert "ag-kern-vsp" not in text


def test_an_instant_is_shown_in_utc_whatever_its_offset() -> None:
    text = "\n".join(render_decision(_view(), agency=None))
    assert "2026-03-04 06:40:00 UTC" in text


def test_a_refusal_says_when_and_why() -> None:
    refusal = {"quarantined_at": "2026-03-03T22:40:00-08:00", "reason": "ID_REUSED"}
    assert "ID_REUSED" in render_refusal(refusal)


def _stopped(**part: object) -> dict[str, Any]:
    rule = _rule("not_matched")
    return rule | {
        "role": None,
        "agencies": [],
        "would_tell": ["LEA_LEAD", "TF_COORDINATOR"],
        "stopped_by": [part],
    }


def test_what_stopped_a_rule_is_said_with_what_the_facts_were() -> None:
    rule = _stopped(
        condition='minor && safety.risk == "high"',
        facts={"minor": False, "safety.risk": "low", "needs": [], "details.party_size": 2},
    )
    text = "\n".join(render_decision(_view(rules=[rule]), agency=None))
    assert "K-07 (ca-kern-httf@2.1.0, for LEA_LEAD, TF_COORDINATOR): its condition did not hold" in text
    assert (
        '    not so: minor && safety.risk == "high" '
        '(details.party_size was 2, minor was false, needs was [], safety.risk was "low")'
    ) in text


def test_a_part_without_facts_has_no_empty_brackets() -> None:
    text = "\n".join(render_decision(_view(rules=[_stopped(condition="false", facts={})]), agency=None))
    assert "    not so: false\n" in text


def test_for_an_agency_the_rules_that_did_not_match_are_said_too() -> None:
    rules = [_rule("alerted"), _stopped(condition="minor", facts={"minor": False})]
    text = "\n".join(render_decision(_view(rules=rules), agency="ag-kern-so"))
    assert "no rule that matched this event names a role that ag-kern-so holds there" in text
    assert "not so: minor (minor was false)" in text


def test_the_consent_that_was_used_is_named_with_the_group() -> None:
    rule = _rule("alerted", consents={"location": ["c-1", "c-2"]}, role="TF_COORDINATOR")
    text = "\n".join(render_decision(_view(rules=[rule]), agency=None))
    assert "ag-kern-vsp as TF_COORDINATOR: told" in text
    assert "      with location: by consent c-1 or c-2" in text


def test_packs_are_named_with_their_hashes() -> None:
    view = _view(pack_hashes=["ab" * 32])
    assert "by ca-kern-httf@2.1.0 (abababababab), directory" in "\n".join(render_decision(view, agency=None))


def _alert(**fields: object) -> dict[str, Any]:
    return {
        "alert_id": "00000000-0000-8000-8000-000000000007",
        "command": "deliver",
        "agency": "ag-kern-so",
        "form": "alert",
        "kind": "alert",
        "exercise": False,
        "contact": "primary",
        "rules": ["K-01"],
        "urgency": "immediate",
        "acknowledge_by": "2026-03-03T22:55:00-08:00",
        "decided_at": "2026-03-03T22:40:00-08:00",
        "escalation": 0,
        "reason": None,
        "disclosed": ["name"],
        "withheld": [],
        "facts": [],
        **fields,
    }


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"escalation": 1, "contact": "backup"}, "ag-kern-so: immediate alert at rung 1 (K-01)"),
        ({"command": "stop"}, "stopped before it was delivered: it may be told no more at 2026-03-04 06:40"),
        ({"command": "amend"}, "amended before it was delivered"),
        (
            {
                "facts": [
                    {"kind": "exhausted", "channel": None, "outcome": None, "at": "2026-03-04T01:40:00Z"}
                ]
            },
            "a dead letter: nobody took responsibility up to the last rung at 2026-03-04 01:40:00 UTC",
        ),
    ],
)
def test_what_became_of_an_alert_is_told_in_words(fields: dict[str, Any], words: str) -> None:
    text = "\n".join(render_decision(_view(alerts=[_alert(**fields)]), agency=None))
    assert words in text
