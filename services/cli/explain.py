"""`tocsin explain`: why was this agency told, and why was that one not?"""

import asyncio
import json
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import quote

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

_NOT_FOUND = 1
_USAGE_ERROR = 2

# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin explain e02a[/cyan]  every rule considered, who was told what, which duties run\n\n"
    "  [cyan]tocsin explain e02a --agency ag-kern-so[/cyan]  why that agency was, or was not, told\n\n"
    "The answer is read from the ledger, with the version of the pack that was in force. It names the groups "
    "of facts that were shown and withheld, never a value; even so it tells what a case is about, so it "
    "needs the operator's key and the reading is logged.\n\n"
    "Exit code: 0 explained, 1 no such event was decided, 2 the command could not be carried out."
)


@app.command(epilog=_EPILOG)
def explain(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The event's id.")],
    *,
    source: Annotated[
        str | None, typer.Option(metavar="URN", help="If several sources used the same id.")
    ] = None,
    agency: Annotated[str | None, typer.Option(metavar="ID", help="Only what concerns this agency.")] = None,
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
    """Say why each agency was, or was not, told of an event."""
    from services.cli.explanation.wording import render_decision, render_refusal

    url, key = _find_target(data_dir, routing=routing, operator_key=operator_key)
    found = asyncio.run(_ask(url, event, source=source, key=key))
    if as_json:
        print(json.dumps(_only(found, agency), indent=2))
        return
    for decision in found["decisions"]:
        print("\n".join(render_decision(decision, agency=agency)))
    for refusal in found["refusals"]:
        print(render_refusal(refusal))


def _only(found: dict[str, Any], agency: str | None) -> dict[str, Any]:
    """The same, without the alerts and duties of others."""
    if agency is None:
        return found
    decisions = [
        {
            **decision,
            "alerts": [alert for alert in decision["alerts"] if alert["agency"] == agency],
            "duties": [duty for duty in decision["duties"] if duty["holder"] == agency],
        }
        for decision in found["decisions"]
    ]
    return {**found, "decisions": decisions}


def _find_target(data_dir: Path | None, *, routing: str | None, operator_key: str | None) -> tuple[str, str]:
    from services.cli.stack_state import NoStackError, find_stack

    if routing is not None:
        if operator_key is None:
            _fail("--routing needs the operator's key in TOCSIN_OPERATOR_KEY", _USAGE_ERROR)
        return routing.rstrip("/"), operator_key
    try:
        stack = find_stack(data_dir)
    except NoStackError as error:
        _fail(str(error), _USAGE_ERROR)
    return stack.state.routing, operator_key or stack.keys.operator


async def _ask(url: str, event: str, *, source: str | None, key: str) -> dict[str, Any]:
    from services.devstack.ask import ask

    query = f"?source={quote(source, safe='')}" if source is not None else ""
    answer = await ask("GET", f"{url}/v1/decisions/{quote(event, safe='')}{query}", key=key)
    if answer is None:
        _fail("routing does not answer; is the stack running?", _USAGE_ERROR)
    said = answer.json()
    if answer.status != HTTPStatus.OK:
        text = str(said.get("detail") or said.get("title") or f"HTTP {answer.status}")
        _fail(text, _NOT_FOUND if answer.status == HTTPStatus.NOT_FOUND else _USAGE_ERROR)
    return said


def _fail(message: str, exit_code: int) -> NoReturn:
    print(f"tocsin explain: {message}", file=sys.stderr)
    raise typer.Exit(exit_code)
