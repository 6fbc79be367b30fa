"""`tocsin emit`: case events, sent as a member system would."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

if TYPE_CHECKING:
    from services.cli.emission.reading import EventToSend
    from services.cli.emission.sending import Addressed

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

_REFUSED = 1
_USAGE_ERROR = 2
_NOT_ANSWERED = 2

# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin emit event.json[/cyan]  to the running stack, with the key of the event's source\n\n"
    "  [cyan]tocsin emit --new-id --now sample.json[/cyan]  a sample once more, as a new event\n\n"
    "  [cyan]some-system | tocsin emit -[/cyan]  events from standard input\n\n"
    "  [cyan]TOCSIN_KEY=tcs_… tocsin emit --intake https://intake.example event.json[/cyan]  "
    "to a real server\n\n"
    "A file holds one JSON event, an array of events, or one event on each line. Nothing in them is filled "
    "in or changed unless you ask for it. A key on the command line can be seen by other users of the "
    "machine: better in TOCSIN_KEY.\n\n"
    "An event that intake cannot take just now (429, 503) is sent again a few times, with the same id, as "
    "soon as intake allows.\n\n"
    "Exit code: 0 every event was accepted, 1 at least one was refused, 2 the command could not be carried "
    "out, or intake does not answer: send the same again, with the same ids."
)


@app.command(epilog=_EPILOG)
def emit(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Event files; - is standard input.")],
    *,
    key: Annotated[
        str | None,
        typer.Option(envvar="TOCSIN_KEY", show_default=False, help="The source's key (tcs_…)."),
    ] = None,
    intake: Annotated[
        str | None, typer.Option(metavar="URL", help="Where intake is, if not on a stack of this machine.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Of the stack to send to, if several are running.")
    ] = None,
    new_id: Annotated[bool, typer.Option("--new-id", help="Give each event a fresh id.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Set each event's time to this moment.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Send case events as a member system would, and say what became of each."""
    changes = _Changes(new_id=new_id, now=now)
    events = [changes.apply(event) for event in _read(files)]
    url, keys = _find_target(intake, data_dir, key=key)
    _send(url, [_address(event, key=key, keys=keys) for event in events], as_json=as_json)


class _Changes:
    """What the caller asked to have filled in."""

    def __init__(self, *, new_id: bool, now: bool) -> None:
        self._new_id = new_id
        self._now = now

    def apply(self, event: "EventToSend") -> "EventToSend":
        from services.cli.emission.reading import EventToSend

        document = dict(event.document)
        if self._new_id:
            document["id"] = str(uuid4())
        if self._now:
            document["time"] = datetime.now(UTC).isoformat()
        return EventToSend(event.origin, document)


def _read(files: Sequence[Path]) -> "list[EventToSend]":
    from services.cli.emission.reading import UnreadableError, read_events

    try:
        events = read_events(files)
    except UnreadableError as error:
        raise _refuse(str(error)) from None
    if not events:
        raise _refuse("there is no event to send")
    return events


def _find_target(
    intake: str | None, data_dir: Path | None, *, key: str | None
) -> tuple[str, Mapping[str, str]]:
    """The address of intake, and the keys by source; those of a stack go to its own intake only."""
    if intake is not None and key is not None:
        return intake, {}
    from services.cli.stack_state import NoStackError, find_stack, find_stack_of

    try:
        stack = find_stack(data_dir) if intake is None else find_stack_of(intake, data_dir)
    except NoStackError as error:
        raise _refuse(str(error)) from None
    if stack is None:
        raise _refuse("--intake of another system needs the source's key: set TOCSIN_KEY, or give --key")
    return stack.state.intake, stack.keys.sources


def _address(event: "EventToSend", *, key: str | None, keys: Mapping[str, str]) -> "Addressed":
    from services.cli.emission.sending import Addressed

    found = key or keys.get(event.source or "")
    if found is None:
        known = "\n".join(f"  {source}" for source in sorted(keys))
        raise _refuse(
            f"{event.origin}: no key for its source; give --key, or use one of these sources:\n{known}"
        )
    return Addressed(event, found)


def _send(url: str, events: "Sequence[Addressed]", *, as_json: bool) -> None:
    import orjson

    from services.cli.emission.sending import send_events
    from services.cli.emission.showing import render_json, render_text

    report = asyncio.run(send_events(url, events))
    if as_json:
        print(orjson.dumps(render_json(report), option=orjson.OPT_INDENT_2).decode())
    else:
        for line in render_text(report):
            print(line)
    if not report.is_all_accepted:
        raise typer.Exit(_REFUSED if report.is_any_refused else _NOT_ANSWERED)


def _refuse(reason: str) -> typer.Exit:
    print(f"tocsin emit: {reason}", file=sys.stderr)
    return typer.Exit(_USAGE_ERROR)
