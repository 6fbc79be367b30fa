"""The log lines of a judged record: ids, counts and reasons; a case reference never beside an event type."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from schemas.vocabulary import Outcome
from services.routing.decision import Decision, Verdict
from services.routing.handlers.matter import Line, Matter
from services.routing.handlers.opening import UnreadableEvent
from services.runtime.logs import get_logger

log = get_logger()

_MILLISECOND = timedelta(milliseconds=1)


def write_lines(lines: Iterable[Line]) -> None:
    """Once what they tell is committed."""
    for line in lines:
        write = log.error if line.level == "error" else log.info
        write(line.event, **line.keys)


def line_of_decision(matter: Matter, decision: Decision, *, received_at: datetime) -> Line:
    matched = {rule.rule for rule in decision.considered if rule.verdict is not Verdict.NOT_MATCHED}
    keys = {
        **_facts(matter, received_at),
        "outcome": decision.outcome,
        "alert_count": sum(1 for alert in decision.alerts if not alert.external),
        "external_count": sum(1 for alert in decision.alerts if alert.external),
        "notice_count": len(decision.notices),
        "duty_count": len(decision.duties),
        "matched_count": len(matched),
    }
    return Line("event.decided", "info", keys)


def line_of_duplicate(matter: Matter, *, received_at: datetime) -> Line:
    keys = {**_facts(matter, received_at), "outcome": Outcome.DUPLICATE, "alert_count": 0}
    return Line("event.decided", "info", keys)


def line_of_refusal(matter: Matter, item: UnreadableEvent, decision: Decision) -> Line:
    keys: dict[str, object] = {
        **_place(matter),
        "reason": item.reason,
        "alert_count": len(decision.alerts),
    }
    if item.error is not None:
        keys["exc_info"] = item.error
    return Line("event.quarantined", "error", keys)


def alarms_of(matter: Matter, decision: Decision) -> tuple[Line, ...]:
    """Nobody could be told of a problem: a human must look."""
    if decision.undeliverable is None:
        return ()
    keys = {**_place(matter), "reason": decision.undeliverable}
    return (Line("decision.undeliverable", "error", keys),)


def _facts(matter: Matter, received_at: datetime) -> dict[str, object]:
    return {
        **_place(matter),
        "directory_version": matter.directory_version,
        "lag_ms": (matter.now - received_at) // _MILLISECOND,
    }


def _place(matter: Matter) -> dict[str, object]:
    return {
        "event_id": matter.event_id,
        "source": matter.source,
        "case_ref": matter.case_ref,
        "correlation_id": matter.correlation_id,
        "partition": matter.origin.partition,
        "offset": matter.origin.offset,
    }
