"""What a draft would change of the past, for people and for programs."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from services.cli.authoring.showing import count
from services.cli.backtesting.drafts import Protocols
from services.cli.backtesting.findings import (
    AlertChange,
    Effect,
    Findings,
    LostRecipient,
    PastEvent,
    list_agencies,
)
from services.cli.backtesting.telling import DUTY_NOTICE, Telling, say_duty, say_length

MOST_NAMED: Final = 20
"""Of the events that one and the same change concerns; --json names all."""


def show_findings(protocols: Protocols, findings: Findings, *, as_json: bool) -> str:
    """Every alert added, lost or changed by agency, and who is lost; or one JSON object."""
    if as_json:
        return orjson.dumps(_document(protocols, findings), option=orjson.OPT_INDENT_2).decode()
    return "\n".join(_lines(protocols, findings))


def _labels(protocols: Protocols) -> list[str]:
    return [pack.label for pack in protocols.in_force]


def _lines(protocols: Protocols, findings: Findings) -> Iterator[str]:
    yield f"{', '.join(protocols.drafts)} against {', '.join(_labels(protocols))}"
    for agency, changes in list_agencies(findings.alerts):
        yield f"{agency}:"
        for effect in Effect:
            yield from _effect_lines([change for change in changes if change.effect is effect])
    for outcome in findings.outcomes:
        yield f"{_name(outcome.event)}: {outcome.before} -> {outcome.after}"
    for reason, number in sorted(findings.unread.items()):
        yield f"{_events(number)} not decided again: {reason}"
    if findings.lost:
        yield "Lost as recipients whom the law names:"
        yield from _grouped_lines((f"  {_say_lost(lost)}", lost.event) for lost in findings.lost)
    yield (
        f"{_events(findings.event_count)} decided, {findings.changed_event_count or 'none'} otherwise: "
        f"{_tally(findings)}"
    )


def _tally(findings: Findings) -> str:
    effects = [change.effect for change in findings.alerts]
    parts = [f"{count([e for e in effects if e is effect], 'alert')} {effect}" for effect in Effect]
    return f"{', '.join(parts)}; {count(findings.lost, 'mandated recipient')} lost"


def _events(number: int) -> str:
    return f"{number} event{'' if number == 1 else 's'}"


def _effect_lines(changes: Sequence[AlertChange]) -> Iterator[str]:
    yield from _grouped_lines((f"  {_say_change(change)}", change.event) for change in changes)


def _grouped_lines(said: Iterator[tuple[str, PastEvent]]) -> Iterator[str]:
    """What is the same of many events, once, with the events it concerns."""
    groups: defaultdict[str, list[PastEvent]] = defaultdict(list)
    for words, event in said:
        groups[words].append(event)
    for words, events in groups.items():
        names = list(dict.fromkeys(map(_name, events)))
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        yield words
        yield f"    {_events(len(events))}: {', '.join(names[:MOST_NAMED])}{more}"


def _say_change(change: AlertChange) -> str:
    telling = change.after or change.before
    if telling is None:
        raise AssertionError("a change has a side")
    what = f"{change.effect}: {_say_telling(telling, change.escalation)}"
    if change.effect is Effect.CHANGED:
        return "; ".join([what, *change.differences])
    seen = [f"sees {', '.join(sorted(telling.disclosed))}"] if telling.disclosed else []
    return "; ".join([what, telling.urgency, *seen, *(f"duty {say_duty(key)}" for key in telling.duties)])


def _say_telling(telling: Telling, escalation: int) -> str:
    words = [telling.kind]
    words += [f"as {telling.role}"] if telling.role else []
    words += [f"by {' '.join(telling.rules)}"] if telling.rules else []
    words += [f"({telling.reason})"] if telling.reason else []
    words += ["(external: not sent)"] if telling.external and telling.kind != DUTY_NOTICE else []
    words += ["as the alternate, when nobody acknowledged"] if escalation else []
    return " ".join(words)


def _say_lost(lost: LostRecipient) -> str:
    now = "told now by no rule that the law orders" if lost.is_still_told else "told nothing any more"
    return f"{lost.agency}, whom {' and '.join(lost.rules)} told: {now}"


def _name(event: PastEvent) -> str:
    return event.id if event.scenario is None else f"{event.id} ({event.scenario})"


def _document(protocols: Protocols, findings: Findings) -> Mapping[str, Any]:
    effects = [change.effect for change in findings.alerts]
    return {
        "drafts": protocols.drafts,
        "against": _labels(protocols),
        "events": findings.event_count,
        "events_changed": findings.changed_event_count,
        "not_decided": findings.unread,
        **{effect.value: effects.count(effect) for effect in Effect},
        "mandated_lost": [
            {
                **_event(lost.event),
                "agency": lost.agency,
                "rules": lost.rules,
                "still_told": lost.is_still_told,
            }
            for lost in findings.lost
        ],
        "agencies": [
            {"agency": agency, "alerts": [_change(change) for change in changes]}
            for agency, changes in list_agencies(findings.alerts)
        ],
        "outcomes": [
            {**_event(outcome.event), "before": outcome.before, "after": outcome.after}
            for outcome in findings.outcomes
        ],
    }


def _event(event: PastEvent) -> Mapping[str, Any]:
    where = {} if event.scenario is None else {"scenario": event.scenario}
    return {"event": event.id, "source": event.source, "at": event.at, **where}


def _change(change: AlertChange) -> Mapping[str, Any]:
    return {
        "effect": change.effect,
        **_event(change.event),
        "escalation": change.escalation,
        "differences": change.differences,
        "before": _telling(change.before),
        "after": _telling(change.after),
    }


def _telling(telling: Telling | None) -> Mapping[str, Any] | None:
    if telling is None:
        return None
    return {
        "kind": telling.kind,
        "role": telling.role,
        "rules": telling.rules,
        "reason": telling.reason,
        "urgency": telling.urgency,
        "acknowledge_within": say_length(telling.acknowledge_within),
        "external": telling.external,
        "disclosed": sorted(telling.disclosed),
        "duties": [
            {"rule": key.rule, "holder": key.holder, "what": key.what, "needs_review": duty.needs_review}
            for key, duty in telling.duties.items()
        ],
    }
