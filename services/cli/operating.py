"""Asking a service as an operator: where it is, with which key, and what to say when it refuses."""

import json
import re
import sys
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn
from urllib.parse import quote

import typer

REFUSED = 1
USAGE_ERROR = 2

_DONE = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Clients and proxies resolve them before a service sees the path.
_STEPS = frozenset({".", ".."})

Service = Literal["routing", "notify"]

DataDir = Annotated[Path | None, typer.Option(help="Of the stack, if several are running.")]
RoutingUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Where routing is, if not on a stack of this machine.")
]
NotifyUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Where notify is, if not on a stack of this machine.")
]
OperatorKey = Annotated[
    str | None,
    typer.Option(envvar="TOCSIN_OPERATOR_KEY", show_default=False, help="The operator's key (tco_…)."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operated:
    """A service, and the command that asks it."""

    command: str
    service: Service
    url: str
    key: str

    async def ask(self, method: str, path: str, *, body: object = None) -> dict[str, Any]:
        """What it answers. Ends the command with 1 if it refuses, with 2 if it does not answer."""
        from services.devstack.ask import ask

        sent = None if body is None else json.dumps(body).encode()
        answer = await ask(method, f"{self.url}{path}", key=self.key, body=sent)
        if answer is None:
            fail(self.command, f"{self.service} does not answer; is the stack running?", USAGE_ERROR)
        said = answer.json()
        if answer.status not in _DONE:
            text = str(said.get("detail") or said.get("title") or f"HTTP {answer.status}")
            text = "\n  ".join([text, *(_name_fault(error) for error in said.get("errors") or ())])
            fail(
                self.command,
                text,
                REFUSED if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR else USAGE_ERROR,
            )
        return said


def _name_fault(error: dict[str, str]) -> str:
    return f"{error['path']}: {error['message']}" if error["path"] else error["message"]


def find_operated(
    command: str, service: Service, *, data_dir: Path | None, url: str | None, operator_key: str | None
) -> Operated:
    """At this address, else on the stack of this machine. Ends the command with 2 if there is none."""
    from services.cli.stack_state import NoStackError, find_stack

    if url is not None:
        if operator_key is None:
            fail(command, f"--{service} needs the operator's key in TOCSIN_OPERATOR_KEY", USAGE_ERROR)
        return Operated(command=command, service=service, url=url.rstrip("/"), key=operator_key)
    try:
        stack = find_stack(data_dir)
    except NoStackError as error:
        fail(command, str(error), USAGE_ERROR)
    found = stack.state.routing if service == "routing" else stack.state.notify
    return Operated(command=command, service=service, url=found, key=operator_key or stack.keys.operator)


def quote_id(command: str, given: str, *, what: str, listed_by: str) -> str:
    """An id as it stands in a path. Ends the command with 2 if it can be the id of nothing."""
    if _ID.fullmatch(given) is None or given in _STEPS:
        fail(command, f"{what} is 1 to 128 of A-Z a-z 0-9 . _ : -, and this is not; {listed_by}", USAGE_ERROR)
    return quote(given, safe="")


def fail(command: str, message: str, exit_code: int) -> NoReturn:
    print(f"tocsin {command}: {message}", file=sys.stderr)
    raise typer.Exit(exit_code)
