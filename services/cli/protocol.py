"""`tocsin protocol`: for authors of protocol packs. Only publishing needs a running system."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from services.cli.backtesting.command import EPILOG as BACKTEST_EPILOG
from services.cli.backtesting.command import backtest
from services.cli.publishing.commands import add_commands

if TYPE_CHECKING:
    from schemas.pack import ProtocolPack
    from services.cli.authoring.checking import Roster

# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]First steps[/bold]\n\n"
    "  [cyan]tocsin protocol new my-county --county 06029[/cyan]  a pack that explains itself, and a case\n\n"
    "  [cyan]tocsin protocol check my-county[/cyan]  does it mean anything, and can it have been meant?\n\n"
    "  [cyan]tocsin protocol test my-county[/cyan]  does it say what was decided?\n\n"
    "  [cyan]tocsin protocol diff my-county/1.0.0.yaml my-county/1.1.0.yaml[/cyan]  "
    "what changes for whom?\n\n"
    "  [cyan]tocsin protocol backtest my-county/1.1.0.yaml --from-ledger[/cyan]  "
    "what would it have changed?\n\n"
    "  [cyan]tocsin protocol publish my-county/1.1.0.yaml --key ana.pem[/cyan]  "
    "and another operator: [cyan]approve[/cyan]\n\n"
    "The guide is docs/protocols.md, and every word a pack may use in docs/protocol-words.md."
)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    epilog=_EPILOG,
)

_PROBLEMS = 1
_USAGE_ERROR = 2

_Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH", help="Packs, or folders of packs. The shipped ones if absent."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

_NEW_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin protocol new my-county --county 06029[/cyan]  my-county/1.0.0.yaml, and a case beside it"
    "\n\n"
    "  [cyan]tocsin protocol new my-county --folder packs/[/cyan]  into packs/my-county/\n\n"
    "The pack explains itself in remarks, has one rule, and passes [cyan]tocsin protocol check[/cyan] and "
    "[cyan]tocsin protocol test[/cyan] as it is. Change a line, run both, and go on. Nothing is "
    "overwritten.\n\n"
    "Exit code: 0 written, 2 the command could not be carried out."
)

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

_TEST_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin protocol test my-county/[/cyan]  which cases differ, and what no case shows\n\n"
    "  [cyan]tocsin protocol test my-county/1.0.0.yaml --with federal/[/cyan]  with other packs in force, too"
    "\n\n"
    "  [cyan]tocsin protocol test --min-coverage 90 my-county/[/cyan]  in a pipeline\n\n"
    "The cases of a pack [bold]1.0.0.yaml[/bold] are the scenarios [bold]1.0.0.cases/*.json[/bold] beside "
    "it, as [cyan]tocsin simulate --check[/cyan] runs them. A case that expects nothing shows nothing.\n\n"
    "[bold]Coverage[/bold] counts, for each rule: a case that fires it; one that nearly does, which is an "
    "event of its types for which its condition does not hold; and for each part of a condition that && or "
    "|| joins, a case in which it holds and one in which it does not. What cannot happen is not counted.\n\n"
    "Exit code: 0 all as expected, 1 a case or a pack is faulty, a case differs, or less is covered than "
    "asked for, 2 the command could not be carried out."
)

_DIFF_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin protocol diff my-county/1.0.0.yaml my-county/1.1.0.yaml[/cyan]  what the new version "
    "changes for whom\n\n"
    "  [cyan]tocsin protocol diff --json old.yaml new.yaml[/cyan]  the same for a program\n\n"
    "Read it before a version comes into force: who will be told more, less, faster or slower than before, "
    "and what changes otherwise. Whether a condition matches more events or fewer is found by trying every "
    "combination of the facts it uses; where they are too many, it says that it may match other events.\n\n"
    "Exit code: 0 compared, 1 a pack is faulty, 2 the command could not be carried out."
)


@app.callback()
def protocol() -> None:
    """Write, check, test and compare protocol packs, without a server; publish and approve them on one."""


@app.command(epilog=_NEW_EPILOG)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the pack: small letters, digits, hyphens.")],
    *,
    county: Annotated[str, typer.Option(metavar="FIPS", help="Where it applies.")] = "06029",
    folder: Annotated[Path, typer.Option(help="Where the pack's own folder goes.")] = Path(),
) -> None:
    """Write a pack to start from, with a case that passes."""
    from datetime import datetime

    from services.cli.authoring.starting import ZONE, StartError, start_pack

    try:
        started = start_pack(name, county=county, folder=folder, today=datetime.now(ZONE).date())
    except StartError as error:
        _fail("new", str(error))
    except OSError as error:
        _fail("new", f"{error.filename}: cannot be written: {error.strerror}")
    print(f"{started.pack}: one rule, explained")
    print(f"{started.case}: a case that passes")
    print(f"Next: tocsin protocol check {started.pack.parent}; tocsin protocol test {started.pack.parent}")


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


@app.command("test", epilog=_TEST_EPILOG)
def run_tests(
    paths: _Paths = None,
    *,
    others: Annotated[
        list[Path] | None,
        typer.Option("--with", metavar="PATH", help="Packs in force beside them, whose cases are not run."),
    ] = None,
    min_coverage: Annotated[
        int, typer.Option(min=0, max=100, metavar="PERCENT", help="Exit with 1 if less is covered.")
    ] = 0,
    as_json: _Json = False,
) -> None:
    """Run the cases beside packs, and say what no case shows."""
    from services.cli.authoring.cases import run_cases
    from services.cli.authoring.showing import show_cases
    from services.routing.packs import PackErrors

    files = _list_files("test", paths)
    beside = _list_files("test", others) if others else []
    try:
        report = run_cases(files, beside)
    except PackErrors as errors:
        print(errors, file=sys.stderr)
        raise typer.Exit(_PROBLEMS) from None
    print(show_cases(report, as_json=as_json))
    if report.failed or report.percent < min_coverage:
        raise typer.Exit(_PROBLEMS)


@app.command(epilog=_DIFF_EPILOG)
def diff(
    old: Annotated[Path, typer.Argument(metavar="A", help="The pack as it is.")],
    new: Annotated[Path, typer.Argument(metavar="B", help="The pack as it is to be.")],
    *,
    as_json: _Json = False,
) -> None:
    """Say who will be told more, less, faster or slower by B than by A."""
    from services.cli.authoring.difference import compare_packs
    from services.cli.authoring.showing_difference import show_difference

    before, after = _load_pack("diff", old), _load_pack("diff", new)
    print(show_difference(before, after, compare_packs(before, after), as_json=as_json))


app.command(epilog=BACKTEST_EPILOG)(backtest)


def _load_pack(command: str, path: Path) -> "ProtocolPack":
    from services.routing.packs import read_packs

    if not path.is_file():
        _fail(command, f"{path}: not a file")
    read = read_packs([path])
    if read.problems:
        print("\n".join(map(str, read.problems)), file=sys.stderr)
        raise typer.Exit(_PROBLEMS)
    return read.packs[0][2]


def _list_files(command: str, paths: list[Path] | None) -> list[Path]:
    from services.cli.authoring.checking import NoPackError, list_pack_files
    from services.routing.packs import SHIPPED

    try:
        here = Path.cwd()
        shipped = SHIPPED.relative_to(here) if SHIPPED.is_relative_to(here) else SHIPPED
        return list_pack_files(paths or [shipped])
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


add_commands(app)
