"""Problem details (RFC 9457): what is wrong, by path, never by value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import orjson
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:tocsin:problem:"
_NO_TYPE: Final = "about:blank"

ProblemDocument: TypeAlias = dict[str, str | int | list[dict[str, str]]]


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong in a request; the path is a JSON Pointer and the message names no value."""

    path: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem to answer with; ``retry_after`` (seconds) becomes the header of that name.

    One with a title of its own has a type of its own, by which a program tells it apart; without either it is
    what its status says.
    """

    status: int
    title: str = ""
    detail: str | None = None
    errors: Sequence[FieldError] = ()
    retry_after: int | None = None


UNSTORABLE: Final = Problem(status=422, detail="A text of the request holds U+0000, which no text here may.")
"""Told for ``database.UnstorableTextError``."""


def render_problem(problem: Problem) -> ProblemDocument:
    """The JSON object of the problem, also for embedding in a larger body."""
    phrase = HTTPStatus(problem.status).phrase
    title = problem.title or phrase
    document: ProblemDocument = {
        "type": _NO_TYPE if title == phrase else TYPE_PREFIX + title.lower().replace(" ", "-"),
        "title": title,
        "status": problem.status,
    }
    if problem.detail is not None:
        document["detail"] = problem.detail
    if problem.errors:
        document["errors"] = [{"path": error.path, "message": error.message} for error in problem.errors]
    return document


def problem_response(problem: Problem, *, headers: Mapping[str, str] | None = None) -> Response:
    all_headers = dict(headers or {})
    if problem.retry_after is not None:
        all_headers["Retry-After"] = str(problem.retry_after)
    return Response(
        orjson.dumps(render_problem(problem)),
        status_code=problem.status,
        headers=all_headers,
        media_type=MEDIA_TYPE,
    )


def render_pointer(parts: Sequence[Any]) -> str:
    """A JSON Pointer (RFC 6901) from keys and indexes, such as pydantic's ``loc``."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
