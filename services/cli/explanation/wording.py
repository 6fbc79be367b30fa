"""The words for what the ledger records. Pure: a view in, lines out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, Final

View = Mapping[str, Any]
"""One decision as routing's `GET /v1/decisions/{event_id}` shows it."""

_NOT_MATCHED: Final = "not_matched"
_SHOWN_DIGITS: Final = 12

_VERDICTS: Final = {
    "not_matched": "its condition did not hold",
    "alerted": "told",
    "alternate_alerted": "nobody could be told under its role, so its alternate was",
    "external": "concerns a body outside the task force: whoever holds the duty tells it",
    "self": "the emitter itself holds the role, and knows",
    "conflict": "not told: a conflict of interest",
    "offboarded": "not told: it left the task force",
    "agreement_expired": "not told: its agreement has ended",
    "no_agency": "nobody holds the role in this county; the coordinator was told",
    "consent_required": "not told: it needs a consent that was not there; the emitter was told so",
    "nobody_held": "nobody had seen anything by the consent that was revoked",
}
_GATES: Final = {
    "emitter_consent": "the emitter's own secrecy needs a consent",
    "rule_consent": "the rule needs a consent for it",
    "role": "closed to this role",
    "privileged": "a privileged communication goes to nobody",
    "substance_use": "needs a consent under 42 CFR Part 2",
    "safe_at_home": "Safe at Home",
}
_COMMANDS: Final = {
    "amend": "amended before it was delivered: what may be told had changed",
    "stop": "stopped before it was delivered: it may be told no more",
}
_FACTS: Final = {
    "stored": "taken over for delivery",
    "delivered": "delivered",
    "failed": "could not be delivered",
    "acknowledged": "acknowledged by a person",
    "refused": "refused by a person",
    "unacknowledged": "not acknowledged in time",
    "unreachable": "every path failed: escalated at once",
    "exhausted": "a dead letter: nobody took responsibility up to the last rung",
}


def render_decision(view: View, *, agency: str | None) -> Iterator[str]:
    """One decision; with `agency`, only what concerns it."""
    yield f"Event {view['event_id']} from {view['source']}"
    yield f"  {view['outcome']} at {clock(view['decided_at'])}, county {view['county'] or 'unknown'}"
    yield f"  by {', '.join(_name_packs(view)) or 'no pack'}, directory version {view['directory_version']}"
    for error in view["errors"]:
        yield f"  refused: {error['path'] or 'the event'}: {error['message']}"
    yield ""
    yield from _render_rules(view["rules"], agency=agency)
    yield from _render_alerts(view, agency=agency)
    yield from _render_duties(view["duties"], agency=agency)


def _name_packs(view: View) -> Iterator[str]:
    """Each version, with the beginning of its content's SHA-256."""
    for pack, sha256 in zip_longest(view["packs"], view.get("pack_hashes", ()), fillvalue=""):
        yield f"{pack} ({sha256[:_SHOWN_DIGITS]})" if sha256 else pack


def _render_rules(rules: Sequence[View], *, agency: str | None) -> Iterator[str]:
    yield "Rules considered"
    matched = [rule for rule in rules if rule["verdict"] != _NOT_MATCHED]
    shown = [rule for rule in matched if agency is None or _concerns(rule, agency)]
    for rule in shown:
        role = f", {rule['role']} in {rule['county']}" if rule["role"] else ""
        yield f"  {rule['rule']} ({rule['pack']}{role}): {word(rule['verdict'])}"
        for each in rule["agencies"]:
            if agency in {None, each["agency"]}:
                yield from _render_agency(each)
    if agency is not None and not shown:
        yield f"  no rule that matched this event names a role that {agency} holds there"
    for rule in rules:
        if rule["verdict"] == _NOT_MATCHED:
            yield from _render_not_matched(rule)
    yield ""


def _render_agency(told: View) -> Iterator[str]:
    role = f" as {told['role']}" if told.get("role") else ""
    yield f"    {told['agency']}{role}: {word(told['verdict'])}"
    for group, gate in sorted(told["removed"].items()):
        yield f"      without {group}: {_GATES.get(gate, gate)}"
    for group, consents in sorted(told.get("consents", {}).items()):
        yield f"      with {group}: by consent {' or '.join(consents)}"


def _render_not_matched(rule: View) -> Iterator[str]:
    would_tell = f", for {', '.join(rule['would_tell'])}" if rule.get("would_tell") else ""
    yield f"  {rule['rule']} ({rule['pack']}{would_tell}): {word(rule['verdict'])}"
    for part in rule.get("stopped_by") or ():
        facts = ", ".join(f"{name} was {_show(value)}" for name, value in sorted(part["facts"].items()))
        yield f"    not so: {part['condition']}" + (f" ({facts})" if facts else "")


def _show(value: object) -> str:
    """As a condition would write it."""
    return json.dumps(value, ensure_ascii=False)


def _concerns(rule: View, agency: str) -> bool:
    return any(each["agency"] == agency for each in rule["agencies"])


def _render_alerts(view: View, *, agency: str | None) -> Iterator[str]:
    alerts = [alert for alert in view["alerts"] if agency in {None, alert["agency"]}]
    yield "Who was told" if agency is None else f"What {agency} was told"
    for alert in alerts:
        yield from _render_alert(alert)
    if not alerts:
        yield "  nobody" if agency is None else "  nothing"
    yield ""


def _render_alert(alert: View) -> Iterator[str]:
    rules = ", ".join(alert["rules"])
    what = (
        "a notice of its own duty"
        if alert["form"] == "duty_notice"
        else f"{alert['urgency']} {alert['kind']}{_rung(alert)}"
    )
    reason = f", reason {alert['reason']}" if alert["reason"] else ""
    drill = "EXERCISE: " if alert["exercise"] else ""
    yield f"  {alert['agency']}: {drill}{what} ({rules or 'no rule'}{reason})"
    yield f"    acknowledge by {clock(alert['acknowledge_by'])}; alert {alert['alert_id']}"
    if alert["command"] in _COMMANDS:
        yield f"    {_COMMANDS[alert['command']]} at {clock(alert['decided_at'])}"
    if alert["contact"] is None:
        yield "    outside the task force: nothing was sent, the duty's holder tells it"
    if alert["form"] != "duty_notice":
        yield f"    saw: {', '.join(alert['disclosed']) or 'nothing of the case'}"
        yield f"    did not see: {', '.join(alert['withheld']) or 'nothing was withheld'}"
    for fact in alert["facts"]:
        by = f" by {fact['channel']}" if fact["channel"] else ""
        outcome = f" ({fact['outcome']})" if fact["outcome"] else ""
        yield f"    {_FACTS.get(fact['kind'], fact['kind'])}{by} at {clock(fact['at'])}{outcome}"


def _rung(alert: View) -> str:
    """Which time it was told because nobody had acknowledged."""
    return f" at rung {alert['escalation']}" if alert["escalation"] else ""


def _render_duties(duties: Sequence[View], *, agency: str | None) -> Iterator[str]:
    mine = [duty for duty in duties if agency in {None, duty["holder"]}]
    yield "Duties"
    for duty in mine:
        due = clock(duty["due"]) if duty["due"] else "no fixed hour"
        holder = duty["holder"] or "nobody could hold it"
        yield f"  {holder}: {duty['what']} ({duty['rule']}), due {due}, {duty['status']}"
    if not mine:
        yield "  none"


def render_refusal(refusal: View) -> str:
    """A record that was set aside: the event itself, or one that came under its id."""
    at = clock(refusal["quarantined_at"])
    return f"A record with this id was set aside at {at}: {refusal['reason']}"


def word(verdict: str) -> str:
    """Plain words for a verdict; an unknown one as it is."""
    return _VERDICTS.get(verdict, verdict)


def clock(instant: str) -> str:
    """`2026-03-03 22:55:00 UTC`, whatever offset it was written with."""
    return f"{datetime.fromisoformat(instant).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
