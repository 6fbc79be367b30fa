"""What goes wrong with a request, as problem documents that name paths and never values."""

from collections.abc import Iterable
from datetime import timedelta
from math import ceil
from typing import Any, Final
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from services.runtime.problems import FieldError, Problem, problem_response, render_pointer

RETRY_SECONDS: Final = 1

_NO_OBJECT: Final = "must be a JSON object, sent with `Content-Type: application/json`"
_MESSAGES: Final = {
    "missing": "required",
    "extra_forbidden": "unknown key",
    "string_too_short": "must not be empty",
    "string_too_long": "too long",
    "string_type": "must be a text",
    "int_parsing": "must be a whole number",
    "date_from_datetime_parsing": "must be a day, such as 2026-03-01",
    "date_from_datetime_inexact": "must be a day, such as 2026-03-01",
    "uuid_parsing": "must be an id, such as 0199a1b2-0000-7000-8000-000000000000",
    "model_type": _NO_OBJECT,
    "model_attributes_type": _NO_OBJECT,
}
_EXPECTED: Final = {
    "enum": ("expected", "must be"),
    "string_pattern_mismatch": ("pattern", "must match"),
    "greater_than_equal": ("ge", "must be at least"),
    "less_than_equal": ("le", "must be at most"),
}
"""What we ourselves wrote of a value: under which key the library repeats it, and the words before it."""
_OWN_WORDS: Final = "value_error"


class RefusedError(Exception):
    """The request ends with this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.title)
        self.problem = problem


UNAUTHENTICATED: Final = Problem(
    status=401,
    title="Unauthorized",
    detail="Send your agency's key: `Authorization: Bearer tca_…`.",
)
NO_SUCH_ALERT: Final = Problem(
    status=404, title="No such alert", detail="Your agency has no alert with this id."
)
NO_SUCH_DUTY: Final = Problem(
    status=404, title="No such duty", detail="Your agency has no duty with this id."
)
SHREDDED: Final = Problem(
    status=410, title="Destroyed", detail="The data of this case was destroyed; nothing more is kept of it."
)
ALREADY_ACKNOWLEDGED: Final = Problem(
    status=409,
    title="Already acknowledged",
    detail="Somebody at your agency has taken it over. If that does not hold, call the coordinator.",
)
NOT_REFUSABLE: Final = Problem(
    status=409,
    title="Not refusable",
    detail="It takes back an alert, tells of a problem or is the notice of a duty, whose evidence goes to "
    "`POST /v1/duties/{id}/evidence`. Acknowledge it.",
)
SAY_WHY: Final = Problem(
    status=422,
    title="Invalid",
    detail="Correct what `errors` names and send it again.",
    errors=[FieldError("/note", "required where the reason is `other`")],
)
NOT_YET: Final = Problem(
    status=422,
    title="Invalid",
    detail="Correct what `errors` names and send it again.",
    errors=[FieldError("/at", "must not be in the future")],
)
NO_OPERATOR: Final = Problem(
    status=401,
    title="Unauthorized",
    detail="Send an operator's key: `Authorization: Bearer tco_…`.",
)
NO_SUCH_ENDPOINT: Final = Problem(
    status=404, title="No such endpoint", detail="Your agency has no endpoint with this id."
)
NO_SUCH_AGENCY: Final = Problem(
    status=404, title="No such agency", detail="No active agency of the directory has this id."
)
UNKNOWN_AGENCY: Final = Problem(
    status=404,
    title="No such agency",
    detail="No agency with this id is, or ever was, in the directory; `tocsin directory show` lists them.",
)
NO_SUCH_DELIVERY: Final = Problem(
    status=404, title="No such delivery", detail="There is no delivery with this id."
)
NO_SUCH_CONTACT: Final = Problem(
    status=404, title="No such contact", detail="The directory has no such contact of an active agency."
)
NO_SUCH_PERSON: Final = Problem(
    status=404, title="No such person", detail="Nobody who may sign in has this id."
)
BEING_ADDED: Final = Problem(
    status=409,
    title="Being added",
    detail="Another request adds an endpoint at this address, or has just done so, with its own secret; of "
    "this one nothing was kept. `GET /v1/endpoints` shows it once it is in force.",
)
AWAY: Final = Problem(
    status=503,
    title="Not available now",
    detail="Send the same request again; what was done twice counts once.",
    retry_after=RETRY_SECONDS,
)
CUT_SHORT: Final = Problem(status=400, title="Malformed", detail="The request ended early.")
FAULT: Final = Problem(status=500, title="A fault of ours", detail="It was recorded.")


def refuse_long_body(most_bytes: int) -> Problem:
    return Problem(status=413, title="Too large", detail=f"A request here may have {most_bytes} bytes.")


def refuse_endpoint(advice: Iterable[str]) -> Problem:
    """What to do, of each thing that stands against it."""
    return Problem(
        status=422,
        title="Not added",
        detail="Nothing changed. Mend what `errors` names and add it again.",
        errors=[FieldError("/url", message) for message in advice],
    )


def refuse_tries(wait: timedelta) -> Problem:
    """Nothing was tried, and when it may be."""
    seconds = max(1, ceil(wait.total_seconds()))
    return Problem(
        status=429,
        title="Too many tries",
        detail="Nothing was tried. Your agency may have an endpoint tried so often in a quarter of an hour: "
        f"ask again in {seconds} s, or have the operator add it (`tocsin endpoint add`).",
        retry_after=seconds,
    )


def respond(problem: Problem) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == UNAUTHENTICATED.status else {}
    return problem_response(problem, headers={"Cache-Control": "no-store", **headers})


def describe_invalid(error: RequestValidationError) -> Problem:
    details = error.errors()
    if any(detail["type"] == "json_invalid" for detail in details):
        return Problem(status=400, title="Malformed", detail="The body is not JSON.")
    return Problem(
        status=422,
        title="Invalid",
        detail="Correct what `errors` names and send it again.",
        errors=[FieldError(_point(detail["loc"]), _say(detail)) for detail in details],
    )


def _point(location: Iterable[Any]) -> str:
    """Into the body; of another part of the request, its name comes first."""
    first, *rest = location
    return render_pointer(rest if first == "body" else [first, *rest])


def _say(detail: dict[str, Any]) -> str:
    # A library's own message may quote what was sent. What our validators say, and what we expect, does not.
    kind = detail["type"]
    if kind == _OWN_WORDS:
        return str(detail["msg"]).removeprefix("Value error, ")
    if kind in _EXPECTED:
        key, words = _EXPECTED[kind]
        return f"{words} {detail['ctx'][key]}"
    return _MESSAGES.get(kind, "not of the expected form")


def find_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def parse_alert_id(text: str) -> UUID:
    """What is no id is the id of no alert. Raises RefusedError."""
    found = find_id(text)
    if found is None:
        raise RefusedError(NO_SUCH_ALERT)
    return found
