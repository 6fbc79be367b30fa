"""`tocsin up`: the whole of Tocsin on this machine."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.devstack.datadir import DEFAULT_DATA_DIR
from services.devstack.errors import StackError
from services.devstack.options import BrokerKind, StackOptions

if TYPE_CHECKING:
    from services.devstack.state import StackState

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

_USAGE_ERROR = 2
_REPLICATED = 3

# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "The sample task force, everything in ./.tocsin:\n\n"
    "  [cyan]tocsin up --embedded[/cyan]\n\n"
    "Your own agencies, e-mail to a server of yours:\n\n"
    "  [cyan]tocsin up --embedded --directory taskforce.yaml --smtp 127.0.0.1:2525[/cyan]\n\n"
    "The real Kafka, its log on disk; or three brokers with copies of each other's:\n\n"
    "  [cyan]tocsin up --embedded --kafka apache[/cyan]\n\n"
    "  [cyan]tocsin up --embedded --kafka apache --brokers 3[/cyan]\n\n"
    "[bold]What you see[/bold]\n\n"
    "Standard output gets one line, once: a JSON object with every address and process id. From then on an "
    "event that you post is delivered. Logs go to standard error. Keys for every agency and source are in "
    "<data-dir>/keys.json, mails in <data-dir>/mail.\n\n"
    "Ctrl-C stops in order, a second Ctrl-C at once."
)

_HELP = (
    "Run intake, routing, notify, a Kafka broker and PostgreSQL here, and keep them running.\n\n"
    "For trying and testing: the embedded broker keeps its log in memory. When it is killed, what had been "
    "accepted but not yet decided is lost. --kafka apache runs the real one, which keeps its log on disk."
)


@app.command(help=_HELP, epilog=_EPILOG)
def up(
    *,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="PostgreSQL and Kafka from wheels, on free loopback ports.")
    ] = False,
    data_dir: Annotated[
        Path,
        typer.Option(help="Where everything is kept; start again there to go on.", envvar="TOCSIN_DATA_DIR"),
    ] = DEFAULT_DATA_DIR,
    directory: Annotated[
        Path | None, typer.Option(help="Agencies and sources to apply; the shipped sample otherwise.")
    ] = None,
    smtp: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="A mail server; otherwise mails are kept as files."),
    ] = None,
    kafka: Annotated[
        BrokerKind,
        typer.Option(help="Which broker to run; apache is the real one (needs Java 17, and Maven once)."),
    ] = BrokerKind.EMBEDDED,
    brokers: Annotated[int, typer.Option(help="How many brokers of Apache Kafka: 1 or 3.")] = 1,
) -> None:
    if not embedded:
        _refuse(
            "say --embedded; to use servers of yours, start the services with their own TOCSIN_* "
            "(docs/operations.md)"
        )
    if smtp is not None and not _is_address(smtp):
        _refuse("--smtp takes HOST:PORT")
    if brokers != 1 and (brokers != _REPLICATED or kafka is not BrokerKind.APACHE):
        _refuse("--brokers is 1, or with --kafka apache 3")
    _configure_logs()
    from services.devstack.supervisor import run_stack

    options = StackOptions(
        data_dir=data_dir, directory_file=directory, smtp=smtp, broker=kafka, broker_count=brokers
    )
    try:
        run_stack(options, announce=_announce)
    except StackError as error:
        print(f"tocsin up: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None


def _announce(state: "StackState") -> None:
    print(state.model_dump_json(), flush=True)


def _configure_logs() -> None:
    from services.devstack.logbook import configure_logs

    try:
        configure_logs(service="up")
    except ValueError:
        _refuse(
            "TOCSIN_LOG_FORMAT is auto, json or pretty; TOCSIN_LOG_LEVEL is debug, info, warning or error"
        )


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal()


def _refuse(message: str) -> None:
    print(f"tocsin up: {message}", file=sys.stderr)
    raise typer.Exit(_USAGE_ERROR)
