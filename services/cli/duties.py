"""`tocsin duties`: which statutory duties are open, overdue, in doubt or closed?"""

import asyncio
import json
from typing import Annotated
from urllib.parse import urlencode

import typer

from services.cli.operating import DataDir, OperatorKey, RoutingUrl, find_operated

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

_MOST = 5000

# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin duties --overdue[/cyan]  whose time has passed, the longest first\n\n"
    "  [cyan]tocsin duties --agency ag-kern-cw[/cyan]  what that agency must do, and has done\n\n"
    "A duty is open until its holder enters evidence: who did it, through which channel, under which "
    "reference and when. Acknowledging an alert closes none. "
    "Of evidence you see the kind of channel and the time; the "
    "rest is the agency's. The answer is read from the ledger, and the reading is logged.\n\n"
    "Exit code: 0 listed (also when there is none), 1 refused, or nobody knows the agency, 2 the command "
    "could not be carried out."
)


@app.command(epilog=_EPILOG)
def duties(
    *,
    agency: Annotated[str | None, typer.Option(metavar="ID", help="Only what this agency must do.")] = None,
    event: Annotated[
        str | None, typer.Option(metavar="ID", help="Only what follows from this event.")
    ] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those whose time has passed.")] = False,
    data_dir: DataDir = None,
    routing: RoutingUrl = None,
    operator_key: OperatorKey = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the ledger says as JSON.")] = False,
) -> None:
    """List the statutory duties that alerts told of: open, overdue, in doubt, closed."""
    from services.cli.registering.wording import render_duties

    desk = find_operated("duties", "routing", data_dir=data_dir, url=routing, operator_key=operator_key)
    asked = {"agency": agency, "event": event, "overdue": "true" if overdue else None, "limit": _MOST}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    found = asyncio.run(desk.ask("GET", f"/v1/duties?{query}"))
    print(json.dumps(found, indent=2) if as_json else "\n".join(render_duties(found)))
