"""`tocsin duties`: which statutory duties are open, overdue, in doubt or closed?"""

import asyncio
import json
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import urlencode

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

_MOST = 5000
_USAGE_ERROR = 2

# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin duties --overdue[/cyan]  whose time has passed, the longest first\n\n"
    "  [cyan]tocsin duties --agency ag-kern-cw[/cyan]  what that agency must do, and has done\n\n"
    "A duty is open until its holder enters evidence: who did it, through which channel, under which "
    "reference and when. Acknowledging an alert closes none. "
    "Of evidence you see the kind of channel and the time; the "
    "rest is the agency's. The answer is read from the ledger, and the reading is logged.\n\n"
    "Exit code: 0 listed (also when there is none), 2 the command could not be carried out."
)


@app.command(epilog=_EPILOG)
def duties(
    *,
    agency: Annotated[str | None, typer.Option(metavar="ID", help="Only what this agency must do.")] = None,
    event: Annotated[
        str | None, typer.Option(metavar="ID", help="Only what follows from this event.")
    ] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those whose time has passed.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Of the stack, if several are running.")] = None,
    routing: Annotated[
        str | None, typer.Option(metavar="URL", help="Where routing is, if not on a stack of this machine.")
    ] = None,
    operator_key: Annotated[
        str | None,
        typer.Option(envvar="TOCSIN_OPERATOR_KEY", show_default=False, help="The operator's key (tco_…)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the ledger says as JSON.")] = False,
) -> None:
    """List the statutory duties that alerts told of: open, overdue, in doubt, closed."""
    from services.cli.registering.wording import render_duties

    url, key = _find_target(data_dir, routing=routing, operator_key=operator_key)
    asked = {"agency": agency, "event": event, "overdue": "true" if overdue else None, "limit": _MOST}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    found = asyncio.run(_ask(f"{url}/v1/duties?{query}", key=key))
    print(json.dumps(found, indent=2) if as_json else "\n".join(render_duties(found)))


def _find_target(data_dir: Path | None, *, routing: str | None, operator_key: str | None) -> tuple[str, str]:
    from services.cli.stack_state import NoStackError, find_stack

    if routing is not None:
        if operator_key is None:
            _fail("--routing needs the operator's key in TOCSIN_OPERATOR_KEY")
        return routing.rstrip("/"), operator_key
    try:
        stack = find_stack(data_dir)
    except NoStackError as error:
        _fail(str(error))
    return stack.state.routing, operator_key or stack.keys.operator


async def _ask(url: str, *, key: str) -> dict[str, Any]:
    from services.devstack.ask import ask

    answer = await ask("GET", url, key=key)
    if answer is None:
        _fail("routing does not answer; is the stack running?")
    said = answer.json()
    if answer.status != HTTPStatus.OK:
        _fail(str(said.get("detail") or said.get("title") or f"HTTP {answer.status}"))
    return said


def _fail(message: str) -> NoReturn:
    print(f"tocsin duties: {message}", file=sys.stderr)
    raise typer.Exit(_USAGE_ERROR)
