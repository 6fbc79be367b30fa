"""A run for people: what became of each event, who was told, what each may see, who owes what by when."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.vocabulary import AlertKind, Outcome
from services.cli.simulation.running import ZONE, Run
from services.cli.simulation.world import Climbed, Told
from services.routing.decision import PlannedAlert, PlannedDuty, PlannedNotice, Verdict

_STYLE_OF = {
    Outcome.ROUTED: "green",
    Outcome.DUPLICATE: "dim",
    Outcome.QUARANTINED: "bold red",
    Outcome.SUPERSEDED: "dim",
}

_SILENT = {
    Verdict.SELF: "the role is the emitter's own",
    Verdict.NOBODY_HELD: "nobody had seen anything by that consent",
}


def show_run(run: Run, console: Console) -> None:
    """Print a run, entry by entry."""
    for entry in run.entries:
        if isinstance(entry, Climbed):
            _show_rungs(entry, console)
        else:
            _show_event(entry, console)
        console.print()


def _show_event(told: Told, console: Console) -> None:
    console.print(_headline(told))
    if told.decision is not None:
        for error in told.decision.errors:
            console.print(Text(f"  refused: {error.path or 'the event'}: {error.message}", style="red"))
        if told.decision.undeliverable is not None:
            console.print(Text("  nobody could be told: the directory has no coordinator", style="bold red"))
        _show_rows(told.decision.alerts, console)
        for notice in told.decision.notices:
            console.print(Text(f"  duty notice to {notice.agency}: {'; '.join(_notice_lines(notice))}"))
    _show_silence(told, console)


def _show_rungs(climbed: Climbed, console: Console) -> None:
    line = Text(f"{_time(climbed.at)}  ")
    line.append(climbed.event_id, style="bold")
    line.append("  nobody acknowledged", style="yellow")
    console.print(line)
    _show_rows(climbed.rows, console)
    if climbed.exhausted:
        console.print(Text("  nobody took responsibility: the alert is a dead letter", style="bold red"))


def _headline(told: Told) -> Text:
    event = told.event
    line = Text(f"{_time(told.at)}  ")
    line.append(event.id, style="bold")
    line.append(f"  {event.event_type.value} from {event.agency}, county {event.data.county}: ")
    line.append(told.outcome.value, style=_STYLE_OF[told.outcome])
    if event.data.flags.exercise:
        line.append("  exercise", style="yellow")
    return line


def _show_rows(alerts: Iterable[PlannedAlert], console: Console) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=True, padding=(0, 2, 0, 0))
    table.add_column("told", no_wrap=True)
    table.add_column("how fast", no_wrap=True)
    table.add_column("what")
    for alert in alerts:
        table.add_row(Text(_recipient(alert)), Text(_pace(alert)), Text("\n".join(_matter(alert))))
    if table.row_count:
        console.print(table)


def _recipient(alert: PlannedAlert) -> str:
    lines = [alert.agency, alert.role.value]
    if alert.external:
        lines.append("(external: not sent)")
    elif alert.escalation:
        lines.append(f"({alert.contact}, rung {alert.escalation})")
    return "\n".join(lines)


def _pace(alert: PlannedAlert) -> str:
    return f"{alert.urgency.value}\nby {_time(alert.acknowledge_by)}"


def _matter(alert: PlannedAlert) -> Iterator[str]:
    yield _rules(alert)
    yield f"sees: {', '.join(sorted(alert.disclosed)) or 'nothing of the case'}"
    if alert.withheld:
        yield f"not shown: {', '.join(sorted(alert.withheld))}"
    for duty in alert.duties:
        yield f"duty: {_duty(duty)}"


def _rules(alert: PlannedAlert) -> str:
    parts = [" ".join(alert.rules)] if alert.rules else []
    parts += [alert.reason.value] if alert.reason else []
    parts += [alert.kind.value] if alert.kind is not AlertKind.ALERT else []
    return ", ".join(parts)


def _show_silence(told: Told, console: Console) -> None:
    """Rules that matched and told nobody, and events that no rule matched, say so."""
    if told.decision is None or told.outcome is not Outcome.ROUTED:
        return
    silent = [c for c in told.decision.considered if c.verdict in _SILENT]
    for considered in silent:
        why = _SILENT[considered.verdict]
        console.print(Text(f"  {considered.rule} matched, but {why}: it tells nobody", style="dim"))
    if not silent and not told.decision.alerts:
        matched = any(c.verdict is not Verdict.NOT_MATCHED for c in told.decision.considered)
        words = "nobody may be told" if matched else "no rule matched: nobody is told"
        console.print(Text(f"  {words}", style="dim"))


def _notice_lines(notice: PlannedNotice) -> Iterator[str]:
    for duty in notice.duties:
        yield _duty(duty)


def _duty(duty: PlannedDuty) -> str:
    due = "to be reviewed" if duty.needs_review else "no hour in law"
    due = due if duty.due is None else f"due {_time(duty.due)}"
    return f"{duty.rule} {duty.holder or 'nobody'}: {duty.what} ({due})"


def _time(at: datetime) -> str:
    return at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M %Z")
