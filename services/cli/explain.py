"""`tocsin explain`: why was this agency told, and why was that one not?"""

import asyncio
import json
import sys
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from urllib.parse import urlencode

import typer

if TYPE_CHECKING:
    from services.runtime.ed25519 import SigningKey

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

_NOT_FOUND = 1
_USAGE_ERROR = 2

# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin explain e02a[/cyan]  every rule considered, who was told what, which duties run\n\n"
    "  [cyan]tocsin explain e02a --agency ag-kern-so[/cyan]  why that agency was, or was not, told\n\n"
    "  [cyan]tocsin explain e02a --routing https://routing.example --key ana.pem[/cyan]\n\n"
    "The answer is read from the ledger, with the version of the pack that was in force: for each rule which "
    "part of its condition stopped it, for each agency which gate removed which group and which consent was "
    "used. It names groups and shows the facts that conditions asked for, never a value of a group beside "
    "them. That is content of a case: it takes the key of an operator of the directory, and each reading is "
    "recorded. On a stack of this machine the first operator whose key it keeps signs.\n\n"
    "Exit code: 0 explained, 1 no such event was decided, or nobody knows the agency, 2 the command "
    "could not be carried out."
)


@app.command(epilog=_EPILOG)
def explain(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The event's id.")],
    *,
    source: Annotated[
        str | None, typer.Option(metavar="URN", help="If several sources used the same id.")
    ] = None,
    agency: Annotated[str | None, typer.Option(metavar="ID", help="Only what concerns this agency.")] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="KEYFILE", help="Who reads: a file of `tocsin operator new-key`.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Of the stack, if several are running.")] = None,
    routing: Annotated[
        str | None, typer.Option(metavar="URL", help="Where routing is, if not on a stack of this machine.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the ledger says as JSON.")] = False,
) -> None:
    """Say why each agency was, or was not, told of an event."""
    from services.cli.explanation.wording import render_decision, render_refusal
    from services.cli.operating import quote_id

    name = quote_id("explain", event, what="an event's id", listed_by="`tocsin emit` prints those it sent")
    url, signing_key = _find_target(data_dir, routing=routing, key=key)
    found = asyncio.run(
        _ask(f"{url}/v1/decisions/{name}", event, source=source, agency=agency, key=signing_key)
    )
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for decision in found["decisions"]:
        print("\n".join(render_decision(decision, agency=agency)))
    for refusal in found["refusals"]:
        print(render_refusal(refusal))


def _find_target(data_dir: Path | None, *, routing: str | None, key: Path | None) -> "tuple[str, SigningKey]":
    """On a stack of this machine the first operator whose key it keeps reads, if nobody else is named."""
    from services.cli.signing import NoSigningKeyError, find_signing_key
    from services.cli.stack_state import NoStackError, find_stack

    try:
        stack = find_stack(data_dir) if routing is None else None
        operator = None if stack is None else next(iter(stack.keys.operators), None)
        signing_key = find_signing_key(key, operator, stack)
    except (NoStackError, NoSigningKeyError) as error:
        _fail(str(error), _USAGE_ERROR)
    return (stack.state.routing if stack is not None else str(routing).rstrip("/")), signing_key


async def _ask(
    url: str, event: str, *, source: str | None, agency: str | None, key: "SigningKey"
) -> dict[str, Any]:
    from schemas.operator import SIGNATURE_HEADER, Purpose, digest_query
    from services.cli.signing import sign_request
    from services.devstack.ask import ask
    from services.runtime.clock import SystemClock

    signature = sign_request(
        key,
        purpose=Purpose.EXPLAIN,
        subject=event,
        digest=digest_query(source=source, agency=agency),
        at=SystemClock().now(),
    )
    given = {name: value for name, value in (("source", source), ("agency", agency)) if value is not None}
    query = f"?{urlencode(given)}" if given else ""
    answer = await ask("GET", f"{url}{query}", headers={SIGNATURE_HEADER: signature})
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
