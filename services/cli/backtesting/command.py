"""`tocsin protocol backtest`: what a draft would have changed of what really happened."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

if TYPE_CHECKING:
    from schemas.pack import ProtocolPack
    from services.cli.backtesting.drafts import Protocols
    from services.cli.backtesting.findings import Findings
    from services.cli.backtesting.ledger import Ledger
    from services.cli.backtesting.replay import Period
    from services.cli.backtesting.source import LedgerSource
    from services.cli.backtesting.workers import Progress

_LOST: Final = 1
_USAGE_ERROR: Final = 2

EPILOG: Final = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin protocol backtest draft.yaml --scenarios cases/[/cyan]  by the events of scenarios\n\n"
    "  [cyan]tocsin protocol backtest draft.yaml --from-ledger --since 2026-01-01[/cyan]  "
    "by what was really processed\n\n"
    "Each event is decided twice, a case's events in their order: by the packs in force, and with the draft "
    "in the place of its pack, whatever its in-force date says (with [bold]--since[/bold], from then on). "
    "Told is every alert and duty notice that would be lost, added or changed, by agency. The instants and "
    "the directory are those of the original decision.\n\n"
    "[bold]--from-ledger[/bold] opens what cases are about, in the memory of this command, and prints ids, "
    "agencies, rules and groups alone. It reads the stack on this machine or, where TOCSIN_DATABASE_URL is "
    "set, that deployment, and it needs an operator's key: the read is recorded for good.\n\n"
    "Exit code: 0 compared, 1 a recipient whom the law names would be lost, 2 a draft, a pack in force or a "
    "scenario is faulty, or the command could not be carried out."
)


def backtest(  # noqa: PLR0913 - the options of a command line
    drafts: Annotated[list[Path], typer.Argument(metavar="DRAFT...", help="Packs, or folders of packs.")],
    *,
    scenarios: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Scenario files, or folders of them; may be given again."),
    ] = None,
    from_ledger: Annotated[
        bool, typer.Option("--from-ledger", help="By the events that were really processed.")
    ] = False,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Of the ledger: decided from then on.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Of the ledger: decided before.")] = None,
    packs: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The packs in force. Those of the deployment if absent."),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Of the stack, if several are running.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Decide past events with a draft, and say what it would change for whom."""
    from services.cli.backtesting.drafts import Protocols
    from services.cli.backtesting.replay import Period, UndecidableError
    from services.cli.backtesting.showing import show_findings

    if from_ledger == bool(scenarios):
        _fail("say what to decide: --scenarios PATH, or --from-ledger")
    if scenarios and (since or until):
        _fail("--since and --until are of --from-ledger: a scenario is decided whole")
    period = Period(_read_time("--since", since), _read_time("--until", until))
    source = _find_source(data_dir) if from_ledger else None
    drafted = _load_packs(drafts)
    ledger = None if source is None else _read_ledger(source, period)
    in_force = _load_in_force(packs) if packs or ledger is None else ledger.in_force
    protocols = Protocols.of(in_force, drafted, since=period.since)
    try:
        if ledger is not None:
            findings = _replay_ledger(protocols, ledger, period)
        else:
            findings = _replay_scenarios(protocols, scenarios or [], period)
    except UndecidableError as error:
        _fail(f"cannot be decided: {error}")
    print(show_findings(protocols, findings, as_json=as_json))
    if findings.lost:
        raise typer.Exit(_LOST)


def _replay_scenarios(protocols: "Protocols", paths: Sequence[Path], period: "Period") -> "Findings":
    from services.cli.backtesting.findings import Findings
    from services.cli.backtesting.replay import Replay
    from services.cli.simulation.reading import ScenarioError, read_scenario

    replay, findings = Replay(protocols, period), Findings()
    files = _list_scenarios(paths)
    with show_progress("scenarios", len(files)) as progress:
        for file in files:
            try:
                script = read_scenario(file)
            except OSError as error:
                _fail(f"{file}: cannot be read: {error.strerror}")
            except ScenarioError as error:
                _fail("\n".join(f"{file}: {problem}" for problem in error.problems))
            findings.add(replay.replay_scenario(script, name=str(file)))
            progress(1)
    findings.sort()
    return findings


def _list_scenarios(paths: Sequence[Path]) -> list[Path]:
    found: dict[Path, Path] = {}
    for path in paths:
        files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
        if not files:
            _fail(f"{path}: no scenario (*.json) here")
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _replay_ledger(protocols: "Protocols", ledger: "Ledger", period: "Period") -> "Findings":
    from services.cli.backtesting.workers import Job, decide_all

    job = Job(protocols, period, ledger.directories)
    courses = ledger.courses
    with show_progress("events", sum(map(len, courses.courses))) as progress:
        findings = decide_all(job, courses.courses, progress=progress)
    for reason, count in courses.unread.items():
        findings.skip(reason, count)
    return findings


def _read_ledger(source: "LedgerSource", period: "Period") -> "Ledger":
    from services.cli.backtesting.ledger import LedgerUnavailableError, read_ledger
    from services.devstack.logbook import configure_logs
    from services.routing.packs import PackErrors
    from services.runtime.crypto import KeyFileError, SealError
    from services.runtime.database import TRANSIENT_ERRORS
    from services.runtime.kafka import KAFKA_ERRORS

    configure_logs(service="backtest")
    try:
        return asyncio.run(read_ledger(source, period))
    except (LedgerUnavailableError, KeyFileError, PackErrors) as error:
        _fail(f"the ledger cannot be read: {error}")
    except Exception as error:
        # What the servers say may hold a value or a password: told by its type alone.
        if not isinstance(error, (*TRANSIENT_ERRORS, *KAFKA_ERRORS, SealError)):
            raise
        _fail(f"the ledger cannot be read ({type(error).__name__})")


def _find_source(data_dir: Path | None) -> "LedgerSource":
    import os

    from services.cli.backtesting.source import NoSourceError, find_source

    given = "TOCSIN_DATABASE_URL"
    in_environment = data_dir is None and bool(os.environ.get(given) or os.environ.get(f"{given}_FILE"))
    try:
        return find_source(data_dir, in_environment=in_environment)
    except NoSourceError as error:
        _fail(str(error))


def _load_in_force(packs: Path | None) -> "list[ProtocolPack]":
    from services.routing.packs import SHIPPED

    return _load_packs([packs or SHIPPED])


def _load_packs(paths: Sequence[Path]) -> "list[ProtocolPack]":
    from services.cli.authoring.checking import NoPackError, list_pack_files
    from services.routing.packs import read_packs

    try:
        read = read_packs(list_pack_files(paths))
    except NoPackError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename}: cannot be read: {error.strerror}")
    if read.problems:
        _fail("\n".join(map(str, read.problems)))
    return [pack for _, _, pack in read.packs]


def _read_time(option: str, text: str | None) -> datetime | None:
    """An instant with its zone, or a date: its first moment where the sample task force is."""
    from services.cli.authoring.starting import ZONE

    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text.upper())
        midnight = (
            datetime.combine(date.fromisoformat(text), time(), ZONE)
            if len(text) == len("2026-01-01")
            else None
        )
    except ValueError:
        _fail(f"{option} {text}: neither a date (2026-01-31) nor an instant (2026-01-31T08:00:00-08:00)")
    if midnight is None and instant.tzinfo is None:
        _fail(f"{option} {text}: an instant needs its zone, as in 2026-01-31T08:00:00-08:00")
    return midnight or instant


@contextmanager
def show_progress(what: str, total: int) -> "Iterator[Progress]":
    """A bar on a terminal, nothing on a pipe; on standard error, since the findings are the output."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(f"deciding {what}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


def _fail(message: str) -> NoReturn:
    print(f"tocsin protocol backtest: {message}", file=sys.stderr)
    raise typer.Exit(_USAGE_ERROR)
