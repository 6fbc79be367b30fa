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
