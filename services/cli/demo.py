"""`tocsin demo`: one case event end to end on this machine, and every claim about it checked."""

import asyncio
import json
import secrets
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.cli.demonstration import story
from services.cli.demonstration.performance import Performance, perform
from services.cli.demonstration.stage import StageError

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

_HELP = (
    "Watch one case event become alerts, end to end, in about a minute.\n\n"
    "City police report a 15-year-old. Child welfare is told at once, with the facts the protocol allows; "
    "the police get notice of their own 36-hour duty; the advocate is told without names; everybody else "
    "hears nothing. It runs over real HTTP, Kafka, PostgreSQL and SMTP on free loopback ports, checks each "
    "claim it makes, cleans up after itself and exits 0, or 1 if anything it claims did not happen."
)


@app.command(help=_HELP)
def demo(
    *,
    keep: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep logs, mails and databases in this new folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the claims as JSON.")] = False,
) -> None:
    console = Console(stderr=as_json, highlight=False)
    began = time.monotonic()
    try:
        if keep is not None:
            keep.mkdir(parents=True)
            show = _run(keep, console)
        else:
            with tempfile.TemporaryDirectory(prefix="tocsin-demo-") as folder:
                show = _run(Path(folder), console)
    except FileExistsError:
        print(f"tocsin demo: {keep} exists; name a new folder", file=sys.stderr)
        raise typer.Exit(2) from None
    except StageError as error:
        print(f"tocsin demo: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    _report(show, console, seconds=time.monotonic() - began)
    if as_json:
        print(json.dumps(_as_json(show), indent=2))
    raise typer.Exit(0 if show.ok else 1)


def _run(folder: Path, console: Console) -> Performance:
    control = f"demo-{secrets.token_hex(8)}"
    # The embedded database runs as another account when this is root: it must be able to pass through.
    folder.chmod(0o711)
    return asyncio.run(
        perform(
            folder,
            control=control,
            announce=lambda line: console.print(f"[dim]· {line}[/dim]", soft_wrap=True),
        )
    )


def _report(show: Performance, console: Console, *, seconds: float) -> None:
    console.print()
    console.print(_who_was_told(show))
    console.print()
    for claim in show.claims:
        mark = "[green]✓[/green]" if claim.held else "[bold red]✗[/bold red]"
        seen = f" [dim]({claim.seen})[/dim]" if claim.seen else ""
        console.print(f" {mark} {claim.text}{seen}", soft_wrap=True)
    console.print()
    failed = sum(not claim.held for claim in show.claims)
    if show.ok:
        console.print(
            f"[bold green]All {len(show.claims)} claims held[/bold green], in {seconds:.0f} seconds."
        )
        console.print(
            "Next: [cyan]tocsin up --embedded[/cyan] leaves it running; the README shows what to send."
        )
    else:
        console.print(f"[bold red]{failed} of {len(show.claims)} claims did not hold.[/bold red]")


def _who_was_told(show: Performance) -> Table:
    table = Table(title="A 15-year-old, found by city police: who was told what", title_justify="left")
    table.add_column("agency", no_wrap=True)
    table.add_column("told", no_wrap=True)
    table.add_column("what it may see", overflow="fold")
    for hook in sorted(show.webhooks, key=lambda each: each.agency != story.CHILD_WELFARE):
        table.add_row(*_row(hook.agency, dict(hook.data)))
    table.add_row("everybody else", "nothing", "")
    return table


def _row(agency: str, data: dict[str, object]) -> tuple[str, str, str]:
    match data:
        case {"urgency": urgency, "acknowledge_by": str(by), "rules": list(rules), "disclosed": dict(seen)}:
            return (agency, f"{urgency} alert\n{', '.join(rules)}, by {_clock(by)}", ", ".join(sorted(seen)))
        case {"duties": [{"what": what, "due": str(due)}, *_]}:
            return (agency, f"its own duty\ndue {_clock(due)}", f"no fact of the case\n({what})")
        case _:
            return (agency, "something else", "")


def _clock(instant: str) -> str:
    return f"{datetime.fromisoformat(instant):%d %b %H:%M} UTC"


def _as_json(show: Performance) -> dict[str, object]:
    return {
        "ok": show.ok,
        "claims": [{"claim": claim.text, "held": claim.held, "seen": claim.seen} for claim in show.claims],
    }
