"""`tocsin protocol publish`, `approve`, `list` and `show`."""

import asyncio
import json
import re
import sys
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from services.cli.publishing.asking import ProtocolClient

T = TypeVar("T")

_REFUSED = 1
_USAGE_ERROR = 2
_LABEL = re.compile(r"[a-z0-9][a-z0-9-]*@[0-9]+\.[0-9]+\.[0-9]+")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})")

_File = Annotated[Path, typer.Argument(metavar="FILE", help="A pack.")]
_Label = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="A published version.")]
_Key = Annotated[
    Path | None, typer.Option(metavar="KEYFILE", help="Who signs: a file of `tocsin operator new-key`.")
]
_Operator = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Who signs: an operator whose key the stack of this machine keeps."),
]
_DataDir = Annotated[Path | None, typer.Option(help="Of the stack, if several are running.")]
_Routing = Annotated[
    str | None, typer.Option(metavar="URL", help="Where routing is, if not on a stack of this machine.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

# One line a paragraph: the terminal wraps it.
_PUBLISH_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin protocol publish my-county/1.0.0.yaml --key ana.pem[/cyan]\n\n"
    "  [cyan]tocsin protocol publish my-county/1.0.0.yaml --operator op-ana[/cyan]  "
    "as a sample operator of the stack that runs here\n\n"
    "  [cyan]tocsin protocol publish 1.1.0.yaml --in-force 2031-01-01T00:00:00-08:00 --key ana.pem[/cyan]  "
    "with this date in place of the file's\n\n"
    "The pack is checked, signed, sent to routing, checked again there and stored. A published version never "
    "changes: the same content again is no harm, other content needs another version. Nothing decides by it "
    "before another operator approves it.\n\n"
    "Exit code: 0 published, 1 faulty or refused, 2 the command could not be carried out."
)
_APPROVE_EPILOG = (
    "[bold]Example[/bold]\n\n"
    "  [cyan]tocsin protocol show my-county@1.0.0[/cyan] and read it; then\n\n"
    "  [cyan]tocsin protocol approve my-county@1.0.0 --sha256 … --key ben.pem[/cyan]\n\n"
    "Another operator than its author approves it, with another key. It comes into force at the date that it "
    "names; if that is past, at its approval, since nothing acts backwards. Every routing process takes it "
    "up without a restart.\n\n"
    "With [cyan]--sha256[/cyan] only this content is approved: that of the file you have read, as "
    "[cyan]sha256sum[/cyan] prints it.\n\n"
    "Exit code: 0 approved, 1 refused, 2 the command could not be carried out."
)
_LIST_EPILOG = (
    "The states: [bold]published[/bold] nobody has approved it; [bold]approved[/bold] it will come into "
    "force; [bold]in force[/bold] it decides; [bold]superseded[/bold] a later version does, and decisions of "
    "its time are explained by it."
)


def add_commands(app: typer.Typer) -> None:
    """To `tocsin protocol`."""
    app.command(epilog=_PUBLISH_EPILOG)(publish)
    app.command(epilog=_APPROVE_EPILOG)(approve)
    app.command("list", epilog=_LIST_EPILOG)(list_packs)
    app.command()(show)


def publish(
    file: _File,
    *,
    key: _Key = None,
    operator: _Operator = None,
    in_force: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="In place of the file's `in_force_from`.")
    ] = None,
    data_dir: _DataDir = None,
    routing: _Routing = None,
    as_json: _Json = False,
) -> None:
    """Store a pack, for another operator to approve."""
    from services.cli.publishing.showing import show_published

    content, label = _read("publish", file, in_force=in_force)
    client = _find_client("publish", data_dir, routing=routing, key=key, operator=operator)
    _print(_run("publish", client.publish(label, content)), show_published, as_json=as_json)


def approve(
    label: _Label,
    *,
    key: _Key = None,
    operator: _Operator = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="Approve this content only.", show_default=False)
    ] = None,
    data_dir: _DataDir = None,
    routing: _Routing = None,
    as_json: _Json = False,
) -> None:
    """Approve what another operator published; it comes into force when it says."""
    from schemas.operator import digest_content
    from services.cli.publishing.showing import show_approved

    _check_label("approve", label)
    client = _find_client("approve", data_dir, routing=routing, key=key, operator=operator)
    # What is signed is computed here, of what is stored there.
    stored = digest_content(_run("approve", client.get_content(label)))
    if sha256 is not None and sha256.lower() != stored:
        _fail("approve", f"{label} was published with other content: its sha256 is {stored}", _REFUSED)
    _print(_run("approve", client.approve(label, sha256=stored)), show_approved, as_json=as_json)


def list_packs(
    *,
    key: _Key = None,
    operator: _Operator = None,
    data_dir: _DataDir = None,
    routing: _Routing = None,
    as_json: _Json = False,
) -> None:
    """Which versions there are: state, hash, author, approver."""
    from services.cli.publishing.showing import show_list

    client = _find_client("list", data_dir, routing=routing, key=key, operator=operator, anyone=True)
    entries = _run("list", client.list_packs())
    _print(entries, show_list, as_json=as_json)


def show(
    label: _Label,
    *,
    key: _Key = None,
    operator: _Operator = None,
    data_dir: _DataDir = None,
    routing: _Routing = None,
) -> None:
    """Print a published version, as its author sent it."""
    _check_label("show", label)
    client = _find_client("show", data_dir, routing=routing, key=key, operator=operator, anyone=True)
    sys.stdout.write(_run("show", client.get_content(label)).decode())


def _read(command: str, file: Path, *, in_force: str | None) -> tuple[bytes, str]:
    """The content and its label; every problem at once and exit code 1."""
    from services.cli.publishing.in_force import NoDateError, with_in_force
    from services.routing.packs import PackSource, read_sources

    if in_force is not None and not _INSTANT.fullmatch(in_force):
        _fail(command, "--in-force takes an instant with its zone, like 2031-01-01T00:00:00-08:00")
    try:
        content = file.read_bytes()
        content = content if in_force is None else with_in_force(content, in_force)
    except OSError as error:
        _fail(command, f"{file}: cannot be read: {error.strerror}")
    except NoDateError as error:
        _fail(command, f"{file}: {error}", _REFUSED)
    read = read_sources([PackSource(str(file), content)])
    if read.problems:
        print("\n".join(map(str, read.problems)), file=sys.stderr)
        raise typer.Exit(_REFUSED)
    return content, read.packs[0][2].label


def _find_client(
    command: str,
    data_dir: Path | None,
    *,
    routing: str | None,
    key: Path | None,
    operator: str | None,
    anyone: bool = False,
) -> "ProtocolClient":
    """`anyone`: whoever's key this stack keeps may ask."""
    from services.cli.publishing.asking import ProtocolClient
    from services.cli.signing import NoSigningKeyError, find_signing_key
    from services.cli.stack_state import NoStackError, find_stack
    from services.runtime.clock import SystemClock

    try:
        stack = find_stack(data_dir) if routing is None else None
        if anyone and key is None and operator is None and stack is not None:
            operator = next(iter(stack.keys.operators), None)
        signing_key = find_signing_key(key, operator, stack)
    except (NoStackError, NoSigningKeyError) as error:
        _fail(command, str(error))
    url = stack.state.routing if stack is not None else str(routing).rstrip("/")
    return ProtocolClient(url, signing_key, SystemClock())


def _check_label(command: str, label: str) -> None:
    if not _LABEL.fullmatch(label):
        _fail(command, "a published version is named NAME@VERSION, like my-county@1.0.0")


def _run(command: str, question: Coroutine[Any, Any, T]) -> T:
    from services.cli.publishing.asking import NotDoneError, RefusedError

    try:
        return asyncio.run(question)
    except RefusedError as error:
        _fail(command, str(error), _REFUSED)
    except NotDoneError as error:
        _fail(command, str(error))


def _print(answer: Any, words: Any, *, as_json: bool) -> None:  # noqa: ANN401 -- what JSON is, and how to say it
    lines: Iterable[str] = [json.dumps(answer, indent=2)] if as_json else words(answer)
    print("\n".join(lines))


def _fail(command: str, message: str, exit_code: int = _USAGE_ERROR) -> NoReturn:
    print(f"tocsin protocol {command}: {message}", file=sys.stderr)
    raise typer.Exit(exit_code)
