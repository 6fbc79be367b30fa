"""The register of duties in plain words."""

from typing import Any

from services.cli.registering.wording import render_duties


def duty(**fields: object) -> dict[str, Any]:
    return {
        "duty_id": "00000000-0000-8000-8000-0000000000d1",
        "event_id": "e1",
        "rule": "K-03",
        "holder": "ag-bpd",
        "what": "telephone now; written SS 8572",
        "due": "2026-03-05T10:10:00-08:00",
        "status": "open",
        "overdue": False,
        "evidence": None,
        **fields,
    }


def render(*duties: dict[str, Any], total: int | None = None) -> list[str]:
    return list(render_duties({"duties": duties, "total": len(duties) if total is None else total}))


def test_an_open_duty_says_who_must_do_what_by_when() -> None:
    first, second = render(duty())
    assert first == "ag-bpd: telephone now; written SS 8572 (K-03), due 2026-03-05 18:10:00 UTC"
    assert second == "  open; event e1, duty 00000000-0000-8000-8000-0000000000d1"


def test_what_is_overdue_stands_out() -> None:
    assert render(duty(overdue=True))[1].startswith("  OVERDUE, open;")
    doubted = render(duty(overdue=True, status="needs_review"))[1]
    assert doubted.startswith("  OVERDUE, in doubt since a correction")


def test_a_closed_one_says_when_and_how_it_was_done() -> None:
    evidence = {"channel": "telephone", "at": "2026-03-04T07:10:00Z", "recorded_at": "2026-03-04T08:00:00Z"}
    shown = render(duty(status="closed", evidence=evidence))[1]
    assert shown.startswith("  closed: done at 2026-03-04 07:10:00 UTC by telephone;")


def test_evidence_that_was_destroyed_still_closes() -> None:
    evidence = {"channel": None, "at": None, "recorded_at": "2026-03-04T08:00:00Z"}
    shown = render(duty(status="closed", evidence=evidence))[1]
    assert shown.startswith("  closed at 2026-03-04 08:00:00 UTC; its evidence was destroyed")


def test_without_a_holder_or_an_hour_it_says_so() -> None:
    first = render(duty(holder=None, due=None))[0]
    assert first == "nobody could hold it: telephone now; written SS 8572 (K-03), no fixed hour"


def test_none_and_more_than_shown_are_said() -> None:
    assert render() == ["No duty."]
    assert render(duty(), total=7)[-1].startswith("1 of 7 duties;")
