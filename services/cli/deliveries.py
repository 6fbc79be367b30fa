"""`tocsin deliveries`: what did not arrive, why, and to try again."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer

from services.cli.operating import DataDir, NotifyUrl, OperatorKey

if TYPE_CHECKING:
    from services.cli.operating import Operated

app = typer.Typer(
    add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False, no_args_is_help=True
)

_PATH = "/v1/operator/deliveries"
_AGO = re.compile(r"(\d{1,4})(d|h|m)")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}

# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin deliveries list[/cyan]  the dead letters, the newest first\n\n"
    "  [cyan]tocsin deliveries list --pending --agency ag-kern-cw[/cyan]  what an agency still waits for\n\n"
    "  [cyan]tocsin deliveries show 0199…[/cyan]  every attempt at one, and how it ended\n\n"
    "  [cyan]tocsin deliveries redrive --endpoint ep_0123456789abcdef --since 24h --dry-run[/cyan]  how many "
    "would be tried again\n\n"
    "Shown is where a delivery stands, never what it says. A redriven one begins its schedule anew; one that "
    "somebody acknowledged, that a later revision replaced, or that a later rung of its ladder overtook, is "
    "left alone. Every redrive is logged with its operator.\n\n"
    "Exit code: 0 done, 1 refused, 2 the command could not be carried out."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Agency = Annotated[str | None, typer.Option(metavar="ID", help="Only of this agency.")]
Endpoint = Annotated[
    str | None, typer.Option(metavar="ID", help="Only of this endpoint (ep_…), or this rung for e-mails.")
]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only decided since: 24h, 7d, or an instant (RFC 3339).")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only decided before: likewise.")]


@app.callback(epilog=_EPILOG)
def deliveries() -> None:
    """Deliveries that failed or wait: list them, see why, try again."""


@app.command("list", epilog=_EPILOG)
def list_(  # noqa: PLR0913 -- an option each, by keyword
    *,
    pending: Annotated[bool, typer.Option("--pending", help="Those that are still tried instead.")] = False,
    agency: Agency = None,
    endpoint: Endpoint = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 100,
    data_dir: DataDir = None,
    notify: NotifyUrl = None,
    operator_key: OperatorKey = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first."""
    desk = _find_desk("list", data_dir, notify=notify, operator_key=operator_key)
    query = {
        "standing": "pending" if pending else "dead",
        "limit": str(limit),
        **_read_criteria(desk, agency=agency, endpoint=endpoint, since=since, until=until),
    }
    found = asyncio.run(desk.ask("GET", f"{_PATH}?{urlencode(query)}"))
    if as_json:
        print(json.dumps(found))
        return
    for entry in found["deliveries"]:
        print(_render(entry))
    print(_render_total(found, kind="Pending" if pending else "Dead letters"))


@app.command()
def show(
    delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help="The delivery's id.")],
    *,
    data_dir: DataDir = None,
    notify: NotifyUrl = None,
    operator_key: OperatorKey = None,
    as_json: AsJson = False,
) -> None:
    """Show one delivery and every attempt at it."""
    from services.cli.operating import quote_id

    name = quote_id(
        "deliveries show", delivery, what="a delivery's id", listed_by="`tocsin deliveries list` lists them"
    )
    desk = _find_desk("show", data_dir, notify=notify, operator_key=operator_key)
    found = asyncio.run(desk.ask("GET", f"{_PATH}/{name}"))
    if as_json:
        print(json.dumps(found))
        return
    print(_render(found["delivery"]))
    if (later := found["delivery"]["overtaken_by"]) is not None:
        print(f"  overtaken: alert {later}, a later rung of its ladder, reached the agency; not tried again")
    for attempt in found["attempts"]:
        how = _tell_how(attempt) or ""
        print(f"  {attempt['number']:>4}  {attempt['started_at']}  {attempt['outcome']}  {how}".rstrip())


@app.command()
def redrive(  # noqa: PLR0913 -- an option each, by keyword
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="DELIVERY", help="Ids of deliveries, or none of them.")
    ] = None,
    *,
    agency: Agency = None,
    endpoint: Endpoint = None,
    since: Since = None,
    until: Until = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many and which.")] = False,
    data_dir: DataDir = None,
    notify: NotifyUrl = None,
    operator_key: OperatorKey = None,
    as_json: AsJson = False,
) -> None:
    """Try dead letters again: by id, agency, endpoint or time; what is given must all hold."""
    desk = _find_desk("redrive", data_dir, notify=notify, operator_key=operator_key)
    criteria = _read_criteria(desk, agency=agency, endpoint=endpoint, since=since, until=until)
    body = {**criteria, **({"delivery_ids": ids} if ids else {}), "dry_run": dry_run}
    done = asyncio.run(desk.ask("POST", f"{_PATH}/redrive", body=body))
    if as_json:
        print(json.dumps(done))
        return
    for name in done["delivery_ids"] if dry_run else ():
        print(name)
    would = "would be tried again" if dry_run else "are due again"
    print(f"{done['count']} {would}." + ("" if done["is_whole"] else " There are more: ask again."))


def _find_desk(
    command: str, data_dir: Path | None, *, notify: str | None, operator_key: str | None
) -> "Operated":
    from services.cli.operating import find_operated

    return find_operated(
        f"deliveries {command}", "notify", data_dir=data_dir, url=notify, operator_key=operator_key
    )


def _read_criteria(
    desk: "Operated", *, agency: str | None, endpoint: str | None, since: str | None, until: str | None
) -> dict[str, str]:
    given = {
        "agency": agency,
        "endpoint_id": endpoint,
        "since": _read_time(desk, since),
        "until": _read_time(desk, until),
    }
    return {name: value for name, value in given.items() if value is not None}


def _read_time(desk: "Operated", text: str | None) -> str | None:
    """An instant as it is, or a length before now."""
    from services.cli.operating import USAGE_ERROR, fail

    if text is None:
        return None
    if match := _AGO.fullmatch(text):
        number, unit = match.groups()
        return (datetime.now(UTC) - timedelta(**{_UNITS[unit]: int(number)})).isoformat()
    if not _has_zone(text):
        fail(desk.command, "a time is a length such as 24h, or an instant with its zone", USAGE_ERROR)
    return text


def _has_zone(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _render_total(found: dict[str, Any], *, kind: str) -> str:
    shown, total = found["deliveries"], found["total"]
    if not total:
        return "None."
    if len(shown) < total:
        until = shown[-1]["decided_at"]
        return f"{kind}: {total}. {len(shown)} are shown: raise --limit, or narrow with --until {until}."
    return f"{kind}: {total}."


def _tell_how(attempt: dict[str, Any]) -> str | None:
    """The status, with what a mail server adds to it, or the kind of trouble."""
    status, detail = attempt["status_code"], attempt["detail"]
    return f"{status} {attempt['enhanced_code'] or ''}".rstrip() if status else detail


def _render(entry: dict[str, Any]) -> str:
    how = _tell_how(entry) or "not tried yet"
    return (
        f"{entry['delivery_id']}  {entry['agency']}  {entry['channel']} {entry['endpoint_id']}  "
        f"{entry['urgency']}  {entry['state']} after {entry['attempts']}  {how}  "
        f"decided {entry['decided_at']}" + ("  EXERCISE" if entry["exercise"] else "")
    )
