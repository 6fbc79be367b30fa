"""`tocsin protocol backtest` on scenario files: what a draft would have changed, and for whom."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.routing.packs import SHIPPED
from tests.contract.test_scenarios import SCENARIOS
from tests.support.packs import PACK, Said, another, protocol, swap, write_pack

AT = "2026-03-02T10:00:00-08:00"
AGREED = swap("basis: mandated", "basis: agreement")


def event(
    event_id: str = "e1",
    kind: str = "tip.received",
    agency: str = "ag-bpd",
    **data: Any,  # noqa: ANN401 - any JSON
) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": f"urn:tocsin:agency:{agency}:cad",
        "type": f"org.tocsin.{kind}.v1",
        "subject": "C1",
        "time": AT,
        "data": {"county": "06029", "age": {"band": "13to15"}, "name": {"full": "SECRET-NAME"}, **data},
    }


def backtest(
    folder: Path,
    old: str,
    new: str,
    *steps: dict[str, Any],
    until: str | None = None,
    options: tuple[str, ...] = ("--json",),
) -> Said:
    """A draft against the pack as it is, by one scenario: an event a minute, or the given steps."""
    packs, draft = write_pack(folder / "packs", old), write_pack(folder / "draft", new)
    scenario = {
        "steps": [
            step if "at" in step else {"at": f"2026-03-02T10:{n:02}:00-08:00", "event": step}
            for n, step in enumerate(steps or (event(),))
        ],
        **({"until": until} if until else {}),
    }
    path = folder / "scenario.json"
    path.write_text(json.dumps(scenario))
    return protocol("backtest", draft, "--packs", packs.parent, "--scenarios", path, *options)


def alerts(said: Said) -> list[tuple[str, str, str, list[str]]]:
    """Each change as (agency, effect, event, differences)."""
    return [
        (entry["agency"], alert["effect"], alert["event"], alert["differences"])
        for entry in said.json()["agencies"]
        for alert in entry["alerts"]
    ]


def test_a_draft_that_says_the_same_changes_nothing_in_all_scenarios() -> None:
    said = protocol("backtest", SHIPPED, "--scenarios", SCENARIOS, "--json")
    assert said.exit_code == 0, said.errors
    document = said.json()
    assert (document["agencies"], document["outcomes"], document["mandated_lost"]) == ([], [], [])
    assert document["events"] == sum(
        "event" in step for path in SCENARIOS.glob("*.json") for step in json.loads(path.read_text())["steps"]
    )


def test_a_rule_that_is_gone_loses_its_alert_and_a_mandated_recipient(tmp_path: Path) -> None:
    other = PACK + another("T-02", ("role: LEA_LEAD", "role: PROBATION"), ("mandated", "agreement"))
    said = backtest(tmp_path, other, another_only(other))
    assert said.exit_code == 1
    assert alerts(said) == [("ag-kern-so", "lost", "e1", [])]
    assert said.json()["mandated_lost"] == [
        {
            "event": "e1",
            "source": "urn:tocsin:agency:ag-bpd:cad",
            "at": AT,
            "scenario": str(tmp_path / "scenario.json"),
            "agency": "ag-kern-so",
            "rules": ["T-01"],
            "still_told": False,
        }
    ]


def another_only(text: str) -> str:
    """Without the first rule."""
    head, _, rest = text.partition("  - id: T-01")
    return head + rest[rest.index("  - id: ") :]


def test_an_agreed_rule_that_is_gone_loses_its_alert_and_nobody_the_law_names(tmp_path: Path) -> None:
    other = AGREED + another("T-02", ("role: LEA_LEAD", "role: PROBATION"), ("mandated", "agreement"))
    said = backtest(tmp_path, other, another_only(other))
    assert said.exit_code == 0
    assert alerts(said) == [("ag-kern-so", "lost", "e1", [])]
    assert said.json()["mandated_lost"] == []


def test_who_is_told_by_another_mandated_rule_is_not_lost(tmp_path: Path) -> None:
    both = PACK + another("T-02", ("disclose: [name, age]", "disclose: [age]"))
    said = backtest(tmp_path, both, another_only(both))
    assert (said.exit_code, said.json()["mandated_lost"]) == (0, [])
    assert alerts(said) == [("ag-kern-so", "changed", "e1", ["sees no more name"])]


def test_who_is_told_only_by_agreement_now_is_lost_as_one_whom_the_law_names(tmp_path: Path) -> None:
    said = backtest(tmp_path, PACK, AGREED)
    assert (said.exit_code, alerts(said)) == (1, [])
    assert [(lost["agency"], lost["still_told"]) for lost in said.json()["mandated_lost"]] == [
        ("ag-kern-so", True)
    ]


ONE_CHANGE = [
    ("urgency: urgent", "urgency: immediate", [("ag-kern-so", "changed", ["urgency urgent -> immediate"])]),
    ("disclose: [name, age]", "disclose: [age]", [("ag-kern-so", "changed", ["sees no more name"])]),
    ("disclose: [name, age]", "disclose: [name, age, gender]", []),
    (
        'applies_in: ["06029"]',
        'applies_in: ["06029"]\nurgencies: {urgent: PT30M}',
        [("ag-kern-so", "changed", ["to acknowledge within 1 h -> 30 min"])],
    ),
    (
        "role: LEA_LEAD",
        "role: PROBATION",
        [("ag-kern-prob", "added", []), ("ag-kern-so", "lost", [])],
    ),
    (
        "    authority",
        "    duties: [{holder: recipient, what: answer, within: PT24H}]\n    authority",
        [("ag-kern-so", "changed", ["duty added: T-01 ag-kern-so: answer"])],
    ),
    (
        "    authority",
        "    duties: [{holder: emitter, what: telephone, within: PT24H}]\n    authority",
        [
            ("ag-bpd", "added", []),
            ("ag-kern-so", "changed", ["duty added: T-01 ag-bpd: telephone"]),
        ],
    ),
    ("when: minor", 'when: "!minor"', [("ag-kern-so", "lost", [])]),
    ("role: LEA_LEAD", "role: CHILD_WELFARE", [("ag-kern-cw", "added", []), ("ag-kern-so", "lost", [])]),
]


@pytest.mark.parametrize(("old", "new", "expected"), ONE_CHANGE, ids=[new for _, new, _ in ONE_CHANGE])
def test_one_change_of_the_draft_is_told_to_whom_it_concerns(
    tmp_path: Path, old: str, new: str, expected: list[Any]
) -> None:
    said = backtest(tmp_path, AGREED, swap(old, new, AGREED))
    assert [(agency, effect, differences) for agency, effect, _, differences in alerts(said)] == expected
    assert said.exit_code == 0


def test_a_duty_that_moves_says_by_how_much_and_never_when(tmp_path: Path) -> None:
    duty = "    duties: [{holder: recipient, what: answer, within: %s}]\n    authority"
    old, new = (swap("    authority", duty % length, AGREED) for length in ("PT24H", "PT36H"))
    said = backtest(tmp_path, old, new)
    assert alerts(said) == [("ag-kern-so", "changed", "e1", ["duty due 12 h later: T-01 ag-kern-so: answer"])]
    assert "due" not in said.json()["agencies"][0]["alerts"][0]["after"]["duties"][0]


def test_a_case_is_decided_in_order_under_each_protocol(tmp_path: Path) -> None:
    """Where the draft told nobody at first, its correction tells of something new and cancels nothing."""
    old, new = swap("when: minor", 'when: "true"', AGREED), AGREED
    first, second = event("e1", age={"band": "adult"}), event("e2", corrects="e1", age={"band": "under13"})
    third = event("e3", kind="event.retracted", retracts="e2")
    said = backtest(tmp_path, old, new, first, second, third)
    assert alerts(said) == [
        ("ag-kern-so", "lost", "e1", []),
        ("ag-kern-so", "changed", "e2", ["update -> alert"]),
    ]


def test_an_alternate_brought_in_by_silence_is_compared_and_other_rungs_are_not(tmp_path: Path) -> None:
    with_alternate = swap("{role: LEA_LEAD}", "{role: LEA_LEAD, alternate: PROBATION}", AGREED)
    said = backtest(tmp_path, AGREED, with_alternate, until="2026-03-02T16:00:00-08:00")
    assert alerts(said) == [("ag-kern-prob", "added", "e1", [])]
    assert said.json()["agencies"][0]["alerts"][0]["escalation"] == 3


HOLDERS = """\
  - id: T-07
    title: Whoever saw something by a consent hears that it ended
    on: [consent.revoked]
    notify: [{holders_of: consent}]
    urgency: routine
    basis: mandated
    consent: none
    disclose: [consent]
    authority: [a test]
"""
GRANT = event(
    "g1",
    kind="consent.granted",
    consent={
        "consent_id": "cn-1",
        "granted_by": "self",
        "recipients": ["ag-kern-so"],
        "groups": ["name"],
        "to": "2027-01-01T00:00:00Z",
    },
)
REVOCATION = event("g2", kind="consent.revoked", consent={"consent_id": "cn-1"})
BY_CONSENT = swap(
    "consent: none\n    disclose: [name, age]",
    "consent: base\n    disclose: [age]\n    disclose_with_consent: [name]",
    AGREED,
)


def test_who_sees_nothing_by_a_consent_any_more_is_not_lost_when_it_is_revoked(tmp_path: Path) -> None:
    old = BY_CONSENT + HOLDERS
    said = backtest(
        tmp_path,
        old,
        swap("disclose_with_consent: [name]", "disclose_with_consent: []", old),
        GRANT,
        event(),
        REVOCATION,
    )
    assert [(effect, event_id) for _, effect, event_id, _ in alerts(said)] == [
        ("changed", "e1"),
        ("lost", "g2"),
    ]
    assert (said.exit_code, said.json()["mandated_lost"]) == (0, [])


def test_who_saw_something_by_a_consent_and_does_not_hear_of_its_end_is_lost(tmp_path: Path) -> None:
    said = backtest(tmp_path, BY_CONSENT + HOLDERS, BY_CONSENT, GRANT, event(), REVOCATION)
    assert said.exit_code == 1
    assert [(lost["event"], lost["rules"]) for lost in said.json()["mandated_lost"]] == [("g2", ["T-07"])]


def test_it_says_it_in_words_and_names_no_value(tmp_path: Path) -> None:
    draft = swap("disclose: [name, age]", "disclose: [age]") + another(
        "T-02", ("role: LEA_LEAD", "role: PROBATION")
    )
    draft = draft.replace("role: LEA_LEAD", "role: LEA_LOCAL")
    said = backtest(tmp_path, PACK, draft, event("e1", agency="ag-kern-cw"), options=())
    where = tmp_path / "scenario.json"
    assert said.lines == [
        "a-test@1.0.0 against a-test@1.0.0",
        "ag-bpd:",
        "  added: alert as LEA_LOCAL by T-01; urgent; sees age",
        f"    1 event: e1 ({where})",
        "ag-kern-prob:",
        "  added: alert as PROBATION by T-02; urgent; sees age, name",
        f"    1 event: e1 ({where})",
        "ag-kern-so:",
        "  lost: alert as LEA_LEAD by T-01; urgent; sees age, name",
        f"    1 event: e1 ({where})",
        "Lost as recipients whom the law names:",
        "  ag-kern-so, whom T-01 told: told nothing any more",
        f"    1 event: e1 ({where})",
        (
            "1 event decided, 1 otherwise: 1 alert lost, 2 alerts added, no alerts changed; "
            "1 mandated recipient lost"
        ),
    ]
    assert "SECRET" not in said.output + said.errors


def test_many_events_that_one_change_concerns_are_named_up_to_twenty(tmp_path: Path) -> None:
    steps = [event(f"e{n}") for n in range(23)]
    said = backtest(tmp_path, PACK, swap("urgent", "immediate"), *steps, options=())
    assert said.lines[2] == "  changed: alert as LEA_LEAD by T-01; urgency urgent -> immediate"
    assert said.lines[3].startswith("    23 events: e0 (")
    assert said.lines[3].endswith(" and 3 more")


def test_on_a_pipe_there_is_no_bar(tmp_path: Path) -> None:
    assert backtest(tmp_path, PACK, PACK).errors == ""


USAGE = [
    (("--scenarios", "{tmp}/nothing.json"), "nothing.json: cannot be read: No such file or directory"),
    ((), "say what to decide: --scenarios PATH, or --from-ledger"),
    (("--scenarios", "{tmp}", "--from-ledger"), "say what to decide: --scenarios PATH, or --from-ledger"),
    (
        ("--scenarios", "{tmp}", "--since", "2026-01-01"),
        "--since and --until are of --from-ledger: a scenario is decided whole",
    ),
    (("--scenarios", "{tmp}/empty"), "empty: no scenario (*.json) here"),
    (
        ("--from-ledger", "--since", "yesterday"),
        "--since yesterday: neither a date (2026-01-31) nor an instant (2026-01-31T08:00:00-08:00)",
    ),
    (
        ("--from-ledger", "--until", "2026-01-31T08:00:00"),
        "--until 2026-01-31T08:00:00: an instant needs its zone, as in 2026-01-31T08:00:00-08:00",
    ),
    (("--from-ledger", "--data-dir", "{tmp}/empty"), "No stack is ready in"),
]


@pytest.mark.parametrize(("words", "message"), USAGE, ids=[message for _, message in USAGE])
def test_what_cannot_be_carried_out_says_why(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    (tmp_path / "empty").mkdir()
    draft = write_pack(tmp_path / "draft")
    said = protocol("backtest", draft, *(word.format(tmp=tmp_path) for word in words))
    assert (said.exit_code, said.output) == (2, "")
    assert message in said.errors


def test_a_faulty_draft_is_told_with_its_place(tmp_path: Path) -> None:
    said = backtest(tmp_path, PACK, swap("role: LEA_LEAD", "role: SHERIFF"))
    assert said.exit_code == 2
    assert f"{tmp_path / 'draft' / '1.0.0.yaml'}:12:21: rule T-01: " in said.errors


def test_a_faulty_scenario_is_told_with_its_step(tmp_path: Path) -> None:
    said = backtest(tmp_path, PACK, PACK, event("e1", county=7))
    assert said.exit_code == 2
    assert "step 0, /steps/0/event/data/county" in said.errors
