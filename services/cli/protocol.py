"""`tocsin protocol`: for authors of protocol packs. Needs no server."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from services.cli.authoring.checking import Roster

app = typer.Typer(
    add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False, no_args_is_help=True
)

_PROBLEMS = 1
_USAGE_ERROR = 2

_Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH...", help="Packs, or folders of packs. The shipped ones if absent."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

# One line a paragraph: the terminal wraps it.
_CHECK_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin protocol check my-county/[/cyan]  every problem at once, with line, column and hint\n\n"
    "  [cyan]tocsin protocol check --directory taskforce.yaml my-county/[/cyan]  "
    "does somebody hold each role?\n\n"
    "  [cyan]tocsin protocol check --strict my-county/[/cyan]  in a pipeline: warnings count\n\n"
    "A [bold]problem[/bold] is what routing would refuse: an unknown role, group, event type or fact, an "
    "impossible date, an id given twice, two versions for one instant, a condition that is not true or "
    "false, a repeated key.\n\n"
    "A [bold]warning[/bold] is what routing would load and nobody can have meant: a rule that can never "
    "match, a word no event can say, a rule that another makes superfluous, a role nobody holds, a group "
    "the role may never see. Only what is certain is said.\n\n"
    "Exit code: 0 sound, 1 there are problems (with --strict: or warnings), 2 the command could not be "
    "carried out."
)


@app.callback()
def protocol() -> None:
    """Write, check, test and compare protocol packs, without a server."""


@app.command(epilog=_CHECK_EPILOG)
def check(
    paths: _Paths = None,
    *,
    directory: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Who is on the task force. The shipped sample if absent."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 on warnings, too.")] = False,
    as_json: _Json = False,
) -> None:
    """Find every problem of packs at once, and what they probably do not mean."""
    from services.cli.authoring.checking import check_packs
    from services.cli.authoring.showing import show_check

    roster = _load_roster("check", directory)
    try:
        report = check_packs(_list_files("check", paths), roster)
    except OSError as error:
        _fail("check", f"{error.filename}: cannot be read: {error.strerror}")
    print(show_check(report, as_json=as_json))
    if report.problems or (strict and report.warnings):
        raise typer.Exit(_PROBLEMS)


def _list_files(command: str, paths: list[Path] | None) -> list[Path]:
    from services.cli.authoring.checking import NoPackError, list_pack_files
    from services.routing.packs import SHIPPED

    try:
        return list_pack_files(paths or [SHIPPED])
    except NoPackError as error:
        _fail(command, str(error))


def _load_roster(command: str, file: Path | None) -> "Roster":
    from services.cli.authoring.checking import load_roster
    from services.devstack.errors import StackError

    try:
        return load_roster(file)
    except StackError as error:
        _fail(command, str(error))


def _fail(command: str, message: str) -> NoReturn:
    print(f"tocsin protocol {command}: {message}", file=sys.stderr)
    raise typer.Exit(_USAGE_ERROR)
