"""`tocsin`: the commands, listed without loading them.

A command lives in `services/cli/<name>.py` as `app = typer.Typer(...)` and is imported when it is called, so
that `tocsin --help` answers at once. A module with subcommands gives its app a callback.
"""

import os
import signal
import sys
from dataclasses import dataclass

import typer

from services.runtime.startup import import_for_good

_TRY, _USE, _WRITE, _OPERATE = "Try it", "Use a running stack", "Write protocols", "Operate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One line of the help."""

    name: str
    summary: str
    panel: str
    hidden: bool = False
    runs_until_stopped: bool = False
    extras: str = ""
    """Of pyproject.toml: what it needs beyond what the services need. An image has none of it."""

    @property
    def module(self) -> str:
        return f"services.cli.{self.name.replace('-', '_')}"


COMMANDS = (
    Command(
        name="demo",
        summary="Watch one case event become alerts, end to end, in a minute.",
        panel=_TRY,
        extras="demo,embedded",
    ),
    Command(
        name="up", summary="Run everything on this machine until Ctrl-C.", panel=_TRY, runs_until_stopped=True
    ),
    Command(name="emit", summary="Send a case event as a member system would.", panel=_USE),
    Command(name="directory", summary="Who is on the task force: show it, apply a file.", panel=_USE),
    Command(name="deliveries", summary="What did not arrive: list, show, try again.", panel=_USE),
    Command(name="contact", summary="Who reads notices in a browser: enrol, list, remove.", panel=_USE),
    Command(name="endpoint", summary="Where webhooks go: add, rotate secrets, remove.", panel=_USE),
    Command(name="duties", summary="Which statutory duties are open, overdue or closed?", panel=_USE),
    Command(name="explain", summary="Why was this agency told, and that one not?", panel=_USE),
    Command(
        name="simulate", summary="Run a scenario through the protocol packs, without a server.", panel=_WRITE
    ),
    Command(name="protocol", summary="Write, check, test, compare and publish protocol packs.", panel=_WRITE),
    Command(
        name="operator", summary="Make keys of the people who publish, approve and read.", panel=_OPERATE
    ),
    Command(
        name="deployment-secrets",
        summary="Make the passwords and keys that compose.yaml reads.",
        panel=_OPERATE,
    ),
    Command(name="migrate", summary="Bring a real database to the newest version.", panel=_OPERATE),
    Command(name="topics", summary="Plan and make the topics on a real Kafka cluster.", panel=_OPERATE),
    Command(
        name="schemas", summary="Generate the published schemas from the code.", panel=_OPERATE, hidden=True
    ),
)

# One line a paragraph: the terminal wraps it.
_HELP = (
    "Tells each agency of an anti-trafficking task force what it must know, when, and no more.\n\n"
    "A member system reports a case event. Tocsin works out from the task force's own protocol which "
    "agencies must know, how fast, and which facts each may see; it tells them by webhook and e-mail, "
    "and can prove afterwards what it did and why."
)

_EPILOG = (
    "[bold]First steps[/bold]\n\n"
    "[cyan]tocsin demo[/cyan] shows it all and ends by itself.\n\n"
    "[cyan]tocsin up --embedded[/cyan] leaves it running; then, in another terminal, "
    "[cyan]tocsin emit --help[/cyan].\n\n"
    "Every command explains itself with [cyan]--help[/cyan]."
)

_LEFT_OUT = (
    "tocsin {name}: the package {package} is not installed; an image has what the services need. "
    "Where you try it out: make install in a clone, or pip install 'tocsin[{extras}]'"
)

_PASS_ON_EVERYTHING = {
    "ignore_unknown_options": True,
    "allow_extra_args": True,
    "allow_interspersed_args": False,
}


def build_app() -> typer.Typer:
    """The app with every command in its place, none of them loaded."""
    app = typer.Typer(
        name="tocsin",
        help=_HELP,
        epilog=_EPILOG,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        # A traceback's local variables could hold what must never be shown.
        pretty_exceptions_enable=False,
    )
    for command in COMMANDS:
        _register(app, command)
    return app


def _register(app: typer.Typer, command: Command) -> None:
    @app.command(
        command.name,
        help=command.summary,
        rich_help_panel=command.panel,
        hidden=command.hidden,
        add_help_option=False,
        context_settings=_PASS_ON_EVERYTHING,
    )
    def run(context: typer.Context) -> None:
        if command.runs_until_stopped:
            _stop_cleanly()
        try:
            module = import_for_good(command.module)
        except ModuleNotFoundError as error:
            if not command.extras:
                raise
            print(
                _LEFT_OUT.format(name=command.name, package=error.name, extras=command.extras),
                file=sys.stderr,
            )
            raise typer.Exit(2) from None
        module.app(args=context.args, prog_name=f"tocsin {command.name}")


def _stop_cleanly() -> None:
    """Told to stop while it still loads its modules, it has nothing to undo."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))


def main() -> None:
    build_app()(prog_name="tocsin")


if __name__ == "__main__":
    main()
