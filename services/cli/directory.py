"""`tocsin directory`: who is on the task force, shown, and changed while everything runs."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from services.cli.operating import DataDir, OperatorKey, RoutingUrl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.directory import DirectoryFile
    from services.cli.stack_state import Stack
    from services.devstack.keys import Keys

app = typer.Typer(
    add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False, no_args_is_help=True
)

_REFUSED = 1
_USAGE_ERROR = 2
WAIT_SECONDS = 30.0

# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin directory apply taskforce.yaml[/cyan]  to the running stack\n\n"
    "  [cyan]TOCSIN_OPERATOR_KEY=tco_… tocsin directory apply --routing https://routing.example "
    "--intake https://intake.example --notify https://notify.example taskforce.yaml[/cyan]\n\n"
    "The file replaces the directory: an agency that is not in it any more is offboarded, and nothing is "
    "disclosed to it from then on. A file with [cyan]extends: sample[/cyan] changes the shipped sample "
    "instead, agency by agency and field by field; a list that it gives replaces the sample's.\n\n"
    "The command returns when every service uses the new directory. Keys are stored as SHA-256, webhook "
    "secrets sealed.\n\n"
    "Exit code: 0 in force everywhere, 1 refused or not in force in time, 2 the command could not be "
    "carried out."
)

_SHOW_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin directory show[/cyan]  every agency, its contacts, and the ids of its endpoints\n\n"
    "  [cyan]tocsin directory show ag-kern-cw[/cyan]  one agency\n\n"
    "  [cyan]tocsin directory show --exercises[/cyan]  before a drill: who would hear of it\n\n"
    "Keys and secrets are not shown. An endpoint's id is what [cyan]tocsin deliveries --endpoint[/cyan] "
    "takes.\n\n"
    "Exit code: 0 shown, 1 no such agency, 2 the command could not be carried out."
)


@app.callback()
def directory() -> None:
    """Who is on the task force: agencies, roles, counties, contacts, endpoints and sources."""


@dataclass(frozen=True, slots=True)
class _Target:
    """Where to apply a directory, and what to remember of it."""

    operator_key: str
    routing: str
    services: "Mapping[str, str]"
    stack: "Stack | None" = None


@app.command(epilog=_EPILOG)
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A directory file, YAML or JSON.")],
    *,
    data_dir: DataDir = None,
    routing: RoutingUrl = None,
    intake: Annotated[
        str | None, typer.Option(metavar="URL", help="With --routing: wait for it too.")
    ] = None,
    notify: Annotated[
        str | None, typer.Option(metavar="URL", help="With --routing: wait for it too.")
    ] = None,
    operator_key: OperatorKey = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Put a directory in force; return when every service uses it."""
    from services.devstack.keys import with_directory

    others = {"intake": intake, "notify": notify}
    _quiet_logs()
    target = _find_target(data_dir, routing=routing, others=others, operator_key=operator_key)
    read, keys = _read(file, target)
    # New keys are kept before they count, and old ones until they no longer do.
    _keep(target, keys)
    try:
        version = asyncio.run(_apply(target, read))
    except TimeoutError:
        _fail(f"not every service used the directory within {WAIT_SECONDS:.0f} s; see their logs", _REFUSED)
    _keep(target, with_directory(keys, read))
    if as_json:
        counts = {"agencies": len(read.agencies), "sources": len(read.sources)}
        print(json.dumps({"version": version, **counts}))
        return
    counted = f"{len(read.agencies)} agencies, {len(read.sources)} sources"
    print(f"Directory version {version} is in force: {counted}.")


@app.command(epilog=_SHOW_EPILOG)
def show(
    agency: Annotated[str | None, typer.Argument(metavar="AGENCY", help="Only this one.")] = None,
    *,
    exercises: Annotated[
        bool, typer.Option("--exercises", help="Only contacts and endpoints that accept exercises.")
    ] = False,
    data_dir: DataDir = None,
    routing: RoutingUrl = None,
    operator_key: OperatorKey = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, whole.")] = False,
) -> None:
    """Show the directory in force: agencies, contacts, endpoints."""
    from services.cli.operating import REFUSED, fail, find_operated
    from services.cli.registering.directory_wording import render_directory, select

    desk = find_operated(
        "directory show", "routing", data_dir=data_dir, url=routing, operator_key=operator_key
    )
    found = select(asyncio.run(desk.ask("GET", "/v1/directory")), agency=agency)
    if not found["agencies"]:
        fail("directory show", "no agency with this id is, or ever was, in the directory", REFUSED)
    print(json.dumps(found) if as_json else "\n".join(render_directory(found, only_exercises=exercises)))


def _quiet_logs() -> None:
    """Only what a person must see: the answer is on standard output."""
    from services.devstack.logbook import CATALOGUE
    from services.runtime.logs import configure

    configure(service="directory", catalogue=CATALOGUE, level="warning")


def _find_target(
    data_dir: Path | None,
    *,
    routing: str | None,
    others: "Mapping[str, str | None]",
    operator_key: str | None,
) -> _Target:
    from services.cli.stack_state import NoStackError, find_stack

    if routing is not None:
        if operator_key is None:
            _fail("--routing needs the operator's key in TOCSIN_OPERATOR_KEY", _USAGE_ERROR)
        given = {name: url.rstrip("/") for name, url in others.items() if url is not None}
        return _Target(operator_key, routing.rstrip("/"), {"routing": routing.rstrip("/"), **given})
    try:
        stack = find_stack(data_dir)
    except NoStackError as error:
        _fail(str(error), _USAGE_ERROR)
    state = stack.state
    services = {"intake": state.intake, "routing": state.routing, "notify": state.notify}
    return _Target(operator_key or stack.keys.operator, state.routing, services, stack)


def _read(file: Path, target: _Target) -> "tuple[DirectoryFile, Keys]":
    """What is to be applied, and the keys that go with it. Only a stack of this machine adds an operator."""
    from services.devstack.directory import complete_keys, read_directory, settle_directory
    from services.devstack.errors import StackError
    from services.devstack.keys import Keys

    if not file.is_file():
        _fail(f"there is no file {file}", _USAGE_ERROR)
    try:
        if target.stack is not None:
            return settle_directory(file, target.stack.keys)
        keys = complete_keys(Keys(operator=target.operator_key))
        return read_directory(file, keys), keys
    except StackError as error:
        _fail(str(error), _REFUSED)


async def _apply(target: _Target, read: "DirectoryFile") -> int:
    """Raises TimeoutError when it is not in force everywhere in time."""
    from services.devstack.errors import StackError
    from services.devstack.readiness import apply_directory, wait_until_ready
    from services.runtime.clock import SystemClock

    clock = SystemClock()
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            version = await apply_directory(
                target.routing, read, operator_key=target.operator_key, clock=clock
            )
            await wait_until_ready(target.services, version=version, clock=clock)
    except StackError as error:
        if target.stack is not None:
            _keep(target, target.stack.keys)
        _fail(str(error), _REFUSED)
    return version


def _keep(target: _Target, keys: "Keys") -> None:
    """For this stack's other commands."""
    if target.stack is None:
        return
    from services.devstack.datadir import DataDirectory
    from services.devstack.keys import write_keys

    write_keys(DataDirectory(target.stack.data_dir).keys_file, keys)


def _fail(message: str, exit_code: int) -> NoReturn:
    print(f"tocsin directory apply: {message}", file=sys.stderr)
    raise typer.Exit(exit_code)
