"""`tocsin contact`: people at the contacts of agencies who may sign in behind an e-mail's link."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlencode

import typer

from services.cli.operating import DataDir, NotifyUrl, OperatorKey

if TYPE_CHECKING:
    from services.cli.operating import Operated

app = typer.Typer(
    add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False, no_args_is_help=True
)

_PATH = "/v1/operator/people"

# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "  [cyan]tocsin contact enrol ag-kern-cw[/cyan]  a one-time code for a person at its primary contact\n\n"
    "  [cyan]tocsin contact list ag-kern-cw[/cyan]  who may sign in\n\n"
    "  [cyan]tocsin contact remove 0199…[/cyan]  no longer; their sessions end at once\n\n"
    "The code is printed this once, and works once, within three days: hand it to the person over a channel "
    "that you trust, and not by the e-mail that the notices come by. Passphrase and authenticator app are "
    "theirs alone. Who lost either is removed and enrolled again.\n\n"
    "Exit code: 0 done, 1 refused, 2 the command could not be carried out."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback(epilog=_EPILOG)
def contact() -> None:
    """People who read and acknowledge notices in a browser: enrol, list, remove."""


@app.command(epilog=_EPILOG)
def enrol(
    agency: Annotated[str, typer.Argument(metavar="AGENCY", help="The agency's id.")],
    *,
    rung: Annotated[Literal["primary", "backup"], typer.Option(help="Of which contact.")] = "primary",
    data_dir: DataDir = None,
    notify: NotifyUrl = None,
    operator_key: OperatorKey = None,
    as_json: AsJson = False,
) -> None:
    """Make a one-time code by which one person of a contact enrols."""
    desk = _find_desk("enrol", data_dir, notify=notify, operator_key=operator_key)
    made = asyncio.run(desk.ask("POST", f"{_PATH}/invite", body={"agency": agency, "rung": rung}))
    if as_json:
        print(json.dumps(made))
        return
    print(f"Link:  {made['link']}")
    print(f"Code:  {made['code']}")
    print(f"Until: {made['expires_at']}")


@app.command("list", epilog=_EPILOG)
def list_(
    agency: Annotated[str | None, typer.Argument(metavar="AGENCY", help="Only of this agency.")] = None,
    *,
    data_dir: DataDir = None,
    notify: NotifyUrl = None,
    operator_key: OperatorKey = None,
    as_json: AsJson = False,
) -> None:
    """List who may sign in."""
    desk = _find_desk("list", data_dir, notify=notify, operator_key=operator_key)
    query = "" if agency is None else f"?{urlencode({'agency': agency})}"
    found = asyncio.run(desk.ask("GET", f"{_PATH}{query}"))
    if as_json:
        print(json.dumps(found))
        return
    for person in found["people"]:
        where = person["contact"] or "no contact any more"
        print(
            f"{person['person_id']}  {person['agency']}  {where}  {person['name']}, {person['role']}  "
            f"since {person['enrolled_at']}"
        )
    if not found["people"]:
        print("Nobody.")


@app.command(epilog=_EPILOG)
def remove(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="The person's id, from the list.")],
    *,
    data_dir: DataDir = None,
    notify: NotifyUrl = None,
    operator_key: OperatorKey = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody sign in no more, and end their sessions."""
    from services.cli.operating import quote_id

    name = quote_id(
        "contact remove", person, what="a person's id", listed_by="`tocsin contact list` lists them"
    )
    desk = _find_desk("remove", data_dir, notify=notify, operator_key=operator_key)
    done = asyncio.run(desk.ask("DELETE", f"{_PATH}/{name}"))
    print(json.dumps(done) if as_json else "Removed.")


def _find_desk(
    command: str, data_dir: Path | None, *, notify: str | None, operator_key: str | None
) -> "Operated":
    from services.cli.operating import find_operated

    return find_operated(
        f"contact {command}", "notify", data_dir=data_dir, url=notify, operator_key=operator_key
    )
