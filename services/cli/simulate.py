"""`tocsin simulate`: scenario files, run through the protocol packs without a server."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.cli.simulation.checking import CheckedFile
    from services.cli.simulation.reading import Script
    from services.cli.simulation.running import Run
    from services.routing.rules import PackSet

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

_MALFORMED = 2


# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin simulate scenario.json[/cyan]  who is told, how fast, and what each may see\n\n"
    "  [cyan]tocsin simulate scenario.json --json[/cyan]  the same for a program\n\n"
    "  [cyan]tocsin simulate --check cases/*.json[/cyan]  does each come to what it expects?\n\n"
    "  [cyan]tocsin simulate --packs draft/ --check cases/*.json[/cyan]  would a draft change anything?\n\n"
    "A scenario is a JSON object: [bold]steps[/bold], each with an instant [bold]at[/bold] and an "
    "[bold]event[/bold], an [bold]acknowledge[/bold] or a [bold]directory[/bold]; and, as you like, the "
    "[bold]directory[/bold] to start with (the shipped sample if absent), [bold]until[/bold] when the clock "
    "runs on, and what is [bold]expected[/bold].\n\n"
    "Exit code: 0 done, 1 something differs, 2 a file is malformed or holds an event that intake would "
    "refuse, or the packs are faulty."
)


@app.command(epilog=_EPILOG)
def simulate(
    scenarios: Annotated[
        list[Path], typer.Argument(metavar="SCENARIO...", help="Scenario files; several with --check.")
    ],
    packs: Annotated[
        Path | None, typer.Option(help="Folder of protocol packs (*.yaml). The shipped ones if absent.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Compare with what each file expects.")] = False,  # noqa: FBT002 - a switch of the command line
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,  # noqa: FBT002 - likewise
) -> None:
    """Run scenario files through the protocol packs on a virtual clock."""
    if len(scenarios) > 1 and not check:
        raise typer.BadParameter("several files need --check", param_hint="SCENARIO...")
    loaded = _load_packs(packs)
    if check:
        raise typer.Exit(_check_all(scenarios, loaded, as_json=as_json))
    script = _read(scenarios[0])
    if script is None:
        raise typer.Exit(_MALFORMED)
    _print_run(_run(script, loaded), as_json=as_json)


def _load_packs(folder: Path | None) -> "PackSet":
    from services.routing.packs import SHIPPED, PackErrors, load_packs

    try:
        return load_packs(folder or SHIPPED)
    except PackErrors as errors:
        for problem in errors.problems:
            print(problem, file=sys.stderr)
    raise typer.Exit(_MALFORMED)


def _read(path: Path) -> "Script | None":
    """Read one file; None after saying on standard error what is wrong with it."""
    from services.cli.simulation.reading import ScenarioError, read_scenario

    try:
        return read_scenario(path)
    except OSError as error:
        print(f"{path}: cannot be read: {error.strerror}", file=sys.stderr)
    except ScenarioError as error:
        for problem in error.problems:
            print(f"{path}: {problem}", file=sys.stderr)
    return None


def _run(script: "Script", packs: "PackSet") -> "Run":
    from services.cli.simulation.running import run_script

    return run_script(script, packs)


def _print_run(run: "Run", *, as_json: bool) -> None:
    if as_json:
        print(run.result.model_dump_json(indent=2))
        return
    from rich.console import Console

    from services.cli.simulation.showing import show_run

    show_run(run, Console(soft_wrap=False, highlight=False))


def _check_all(paths: list[Path], packs: "PackSet", *, as_json: bool) -> int:
    """Check every file and say what differs; the worst exit code of all."""
    import orjson

    from services.cli.simulation.checking import CheckVerdict, render_checked

    exit_codes = {CheckVerdict.DIFFERS: 1, CheckVerdict.MALFORMED: _MALFORMED}
    reports = [_check(path, packs) for path in paths]
    if as_json:
        print(orjson.dumps({"files": reports}, option=orjson.OPT_INDENT_2).decode())
    else:
        for report in reports:
            print("\n".join(render_checked(report)))
    return max(exit_codes.get(report.verdict, 0) for report in reports)


def _check(path: Path, packs: "PackSet") -> "CheckedFile":
    from services.cli.simulation.checking import CheckedFile, CheckVerdict, judge_run

    script = _read(path)
    if script is None:
        return CheckedFile(str(path), CheckVerdict.MALFORMED)
    if script.expected is None:
        return CheckedFile(str(path), CheckVerdict.EXPECTS_NOTHING)
    return judge_run(str(path), script, _run(script, packs))
