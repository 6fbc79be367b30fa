"""`tocsin endpoint`: add, take out, and change what an agency's webhooks are signed with."""

import asyncio
import json
import re
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.operating import DataDir, OperatorKey, RoutingUrl

app = typer.Typer(
    add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False, no_args_is_help=True
)

_ROTATE, _ADD, _REMOVE = "endpoint rotate", "endpoint add", "endpoint remove"
_OVERLAP = re.compile(r"(\d{1,4})(d|h|m)")

# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin endpoint rotate ag-kern-cw https://cw.example/tocsin[/cyan]  a fresh secret; both sign "
    "for 24 hours\n\n"
    "  [cyan]tocsin endpoint rotate ag-kern-cw https://cw.example/tocsin --signing-key[/cyan]  a fresh "
    "ed25519 key: the agency gets the public key, and needs no secret\n\n"
    "The secret is printed this once: hand it to the agency over a channel that you trust. Until the overlap "
    "ends, every attempt carries a signature of each. A directory file that still gives the old one does not "
    "bring it back; leave [cyan]secret[/cyan] out of the file, or give the new one.\n\n"
    "Exit code: 0 rotated, 1 refused, 2 the command could not be carried out."
)


_ADD_EPILOG = (
    "[bold]Example[/bold]\n\n"
    "  [cyan]tocsin endpoint add ag-kern-cw https://cw.example/tocsin --secret-file cw.secret[/cyan]\n\n"
    "Without the file a fresh secret is written into it: hand it to the agency over a channel that you "
    "trust, and add the endpoint once its receiver has it. Three test messages are sent: unsigned and signed "
    "with another secret, which the receiver must refuse, and signed, which it must take.\n\n"
    "The endpoint stays when a directory file is applied that does not name it; one that names it decides "
    "about it.\n\n"
    "Exit code: 0 added, 1 refused, and what to do, 2 the command could not be carried out, 3 a secret was "
    "made."
)

_REMOVE_EPILOG = (
    "[bold]Example[/bold]\n\n"
    "  [cyan]tocsin endpoint remove ag-kern-cw https://cw.example/tocsin[/cyan]\n\n"
    "Its agency goes on being told by its other endpoints and by e-mail.\n\n"
    "Exit code: 0 removed, 1 refused, 2 the command could not be carried out."
)


class Content(StrEnum):
    """As in the directory."""

    POINTER = "pointer"
    DISCLOSED = "disclosed"


@app.callback()
def endpoint() -> None:
    """Systems of agencies that receive webhooks."""


@app.command(epilog=_EPILOG)
def rotate(  # noqa: PLR0913 -- an option each, by keyword
    agency: Annotated[str, typer.Argument(metavar="AGENCY", help="The agency's id.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="The endpoint's URL, as in the directory.")],
    *,
    overlap: Annotated[
        str, typer.Option(metavar="LENGTH", help="How long the old one goes on signing: 30m, 24h, 7d.")
    ] = "24h",
    signing_key: Annotated[
        bool, typer.Option("--signing-key", help="Rotate the ed25519 key (v1a), or give it its first.")
    ] = False,
    data_dir: DataDir = None,
    routing: RoutingUrl = None,
    operator_key: OperatorKey = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Give an endpoint a fresh secret, and let the old one sign beside it for a while."""
    from schemas.directory import endpoint_id
    from services.cli.operating import USAGE_ERROR, fail, find_operated

    agency_name = _quote_agency(_ROTATE, agency)
    length = _read_overlap(overlap)
    if length is None:
        fail(_ROTATE, "--overlap is a length such as 30m, 24h or 7d", USAGE_ERROR)
    routing_desk = find_operated(
        _ROTATE, "routing", data_dir=data_dir, url=routing, operator_key=operator_key
    )
    name = endpoint_id(agency=agency, url=url)
    rotated = asyncio.run(
        routing_desk.ask(
            "POST",
            f"/v1/agencies/{agency_name}/endpoints/{name}/rotate",
            body={"kind": "signing_key" if signing_key else "secret", "overlap": length},
        )
    )
    print(json.dumps(rotated) if as_json else "\n".join(_render(rotated)))


@app.command(epilog=_ADD_EPILOG)
def add(  # noqa: PLR0913 -- an option each, by keyword
    agency: Annotated[str, typer.Argument(metavar="AGENCY", help="The agency's id.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="Where its receiver listens.")],
    *,
    secret_file: Annotated[
        Path, typer.Option(metavar="FILE", help="Holds the whsec_… secret; made if there is none.")
    ],
    content: Annotated[
        Content, typer.Option(help="Whether its webhooks carry what it may see, or only point to it.")
    ] = Content.POINTER,
    exercises: Annotated[bool, typer.Option("--exercises", help="Send it exercises, too.")] = False,
    data_dir: DataDir = None,
    notify: Annotated[
        str | None, typer.Option(metavar="URL", help="Where notify is, if not on a stack of this machine.")
    ] = None,
    operator_key: OperatorKey = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what notify says as JSON.")] = False,
) -> None:
    """Try an agency's receiver, and add it to the directory if it refuses what it must."""
    from services.cli.onboarding.secret import read_or_make_secret
    from services.cli.operating import find_operated

    name = _quote_agency(_ADD, agency)
    secret = read_or_make_secret(secret_file, command=_ADD)
    desk = find_operated(_ADD, "notify", data_dir=data_dir, url=notify, operator_key=operator_key)
    body = {"url": url, "secret": secret, "content": content.value, "exercises": exercises}
    added = asyncio.run(desk.ask("POST", f"/v1/operator/agencies/{name}/endpoints", body=body))
    if as_json:
        print(json.dumps(added))
        return
    for probe in added["probes"]:
        print(
            f"{probe['probe'].replace('_', ' ')}: answered {probe['status_code']} {probe['reason']}".rstrip()
        )
    state = "in force" if added["in_force"] else "accepted, and in force within moments"
    print(f"Endpoint {added['endpoint_id']} is {state}.")


@app.command(epilog=_REMOVE_EPILOG)
def remove(
    agency: Annotated[str, typer.Argument(metavar="AGENCY", help="The agency's id.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="The endpoint's address.")],
    *,
    data_dir: DataDir = None,
    routing: RoutingUrl = None,
    operator_key: OperatorKey = None,
) -> None:
    """Take an endpoint out of the directory. A directory file that names it brings it back."""
    from schemas.directory import endpoint_id
    from services.cli.operating import find_operated

    name = _quote_agency(_REMOVE, agency)
    desk = find_operated(_REMOVE, "routing", data_dir=data_dir, url=routing, operator_key=operator_key)
    path = f"/v1/agencies/{name}/endpoints/{endpoint_id(agency=agency, url=url)}"
    removed = asyncio.run(desk.ask("DELETE", path))
    print(f"Gone as of directory version {removed['version']}.")


def _quote_agency(command: str, agency: str) -> str:
    from services.cli.operating import quote_id

    return quote_id(command, agency, what="an agency's id", listed_by="`tocsin directory show` lists them")


def _read_overlap(text: str) -> str | None:
    """As an ISO 8601 duration."""
    match = _OVERLAP.fullmatch(text)
    if match is None:
        return None
    number, unit = match.groups()
    return f"P{number}D" if unit == "d" else f"PT{number}{unit.upper()}"


def _render(rotated: dict[str, Any]) -> list[str]:
    until = datetime.fromisoformat(rotated["retires_at"]).astimezone().strftime("%Y-%m-%d %H:%M %Z")
    shown = rotated.get("secret") or rotated.get("public_key")
    return [
        str(shown),
        f"In force as directory version {rotated['version']}; the one before signs until {until}.",
    ]
