"""Every kind of line that a service logs is in its catalogue: one that is not loses all its keys."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.devstack import logbook as devstack_logbook
from services.intake import logbook as intake_logbook
from services.notify import logbook as notify_logbook
from services.routing import logbook as routing_logbook
from services.runtime import logbook as runtime_logbook
from tests.support.source_text import parse_source

SERVICES = Path(__file__).parents[2] / "services"
LOGBOOKS = {
    "devstack": devstack_logbook,
    "intake": intake_logbook,
    "notify": notify_logbook,
    "routing": routing_logbook,
    "runtime": runtime_logbook,
}


def logged_events(folder: str) -> Iterator[str]:
    """The first word of each `log.info("…")` and its like."""
    for path in (SERVICES / folder).rglob("*.py"):
        for node in ast.walk(parse_source(path)):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log")), args=[ast.Constant(value=str(event)), *_]
                ):
                    yield event
                case _:
                    pass


@pytest.mark.parametrize("folder", LOGBOOKS)
def test_what_is_logged_is_in_the_catalogue(folder: str) -> None:
    logged = set(logged_events(folder))
    known = {*LOGBOOKS[folder].CATALOGUE, *runtime_logbook.CATALOGUE}
    assert logged
    assert logged - known == set()
