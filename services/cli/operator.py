"""`tocsin operator`: keys of the people who publish, approve and read."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

app = typer.Typer(
    add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False, no_args_is_help=True
)

_USAGE_ERROR = 2

# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]Example[/bold]\n\n"
    "  [cyan]tocsin operator new-key ana.pem[/cyan]\n\n"
    "The file is the private key, readable by its owner alone; it never leaves its machine. The line "
    "that is printed is the public key. It goes into the directory, and with it the person may publish, "
    "approve and read:\n\n"
    "  operators:\n\n"
    '    - {id: ana, name: Ana Example, public_key: "ed25519:…"}\n\n'
    "Each person has an own key: what one publishes another must approve.\n\n"
    "Exit code: 0 made, 2 the command could not be carried out; a file that is there is never overwritten."
)


@app.callback()
def operator() -> None:
    """Keys of the people who publish and approve protocols and read the ledger."""


@app.command("new-key", epilog=_EPILOG)
def new_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes.")],
) -> None:
    """Make a key, and print the public one for the directory."""
    from services.runtime.ed25519 import SigningKey

    try:
        key = SigningKey.generate_file(file)
    except FileExistsError:
        _fail(f"{file} is there already; nothing was changed")
    except OSError as error:
        _fail(f"{file} cannot be written: {error.strerror}")
    print(key.public)


def _fail(message: str) -> NoReturn:
    print(f"tocsin operator new-key: {message}", file=sys.stderr)
    raise typer.Exit(_USAGE_ERROR)
