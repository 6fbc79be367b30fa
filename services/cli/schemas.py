"""`tocsin schemas`: the files generated from the code, and whether they still say what the code does."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.cli.artefacts.artefact import Artefact

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Clone = Annotated[Path, typer.Option("--root", help="The clone of the repository.", show_default=False)]

HERE = Path(__file__).parents[2]


@app.callback()
def schemas() -> None:
    """The published schemas and the catalogue of log lines. For developers, in a clone of the repository."""


@app.command()
def write(root: Clone = HERE) -> None:
    """Write every generated file, and remove those that nothing generates any more."""
    from services.cli.artefacts.generate import build_artefacts, find_leftovers

    _refuse_outside_a_clone(root)
    artefacts = list(build_artefacts())
    for artefact in artefacts:
        _write(root, artefact)
    for leftover in find_leftovers(artefacts, root):
        (root / leftover).unlink()
        print(f"removed {leftover}")


@app.command()
def check(root: Clone = HERE) -> None:
    """Exit 1 and name the files if any is not what the code would generate."""
    from services.cli.artefacts.generate import find_drift

    _refuse_outside_a_clone(root)
    drifted = find_drift(root)
    for path in drifted:
        print(f"{path} is not what the code generates; run `tocsin schemas write`", file=sys.stderr)
    if drifted:
        raise typer.Exit(1)


def _refuse_outside_a_clone(root: Path) -> None:
    if not (root / "pyproject.toml").exists():
        print("tocsin schemas: runs in a clone of the repository, not from a package", file=sys.stderr)
        raise typer.Exit(2)


def _write(root: Path, artefact: "Artefact") -> None:
    path = root / artefact.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != artefact.text:
        path.write_text(artefact.text)
        print(f"wrote {artefact.path}")
