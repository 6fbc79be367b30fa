"""Every problem that intake answers with, in one place: what happened, and what the sender does next."""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from schemas.problem import Problem, ProblemError

TYPE_PREFIX: Final = "urn:tocsin:problem:"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem to answer with."""

    problem: Problem
    retry_after: int | None = None
    """Whole seconds; only where sending the same again can help."""

    @property
    def status(self) -> int:
        return self.problem.status


def refuse_malformed(detail: str) -> Refusal:
    return _refuse(HTTPStatus.BAD_REQUEST, "malformed", "Not a CloudEvent", detail)


def refuse_unauthenticated() -> Refusal:
    return _refuse(
        HTTPStatus.UNAUTHORIZED,
        "unauthenticated",
        "Unknown key",
        "Send `Authorization: Bearer` and the key of your source; whoever runs Tocsin gives it out.",
    )


def refuse_offboarded() -> Refusal:
    return _refuse(
        HTTPStatus.FORBIDDEN,
        "agency-not-active",
        "Agency not active",
        "The source's agency is not an active member of this task force; ask the coordinator.",
    )


def refuse_not_allowed(errors: Iterable[ProblemError]) -> Refusal:
    return _refuse(
        HTTPStatus.FORBIDDEN,
        "not-allowed",
        "Not allowed for this key",
        "The key is bound to one source and its event types; use the key of the event's own source.",
        errors,
    )


def refuse_unknown_path() -> Refusal:
    return _refuse(HTTPStatus.NOT_FOUND, "unknown-path", "No such path", "Events go to POST /v1/events.")


def refuse_method(allowed: str) -> Refusal:
    return _refuse(
        HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", f"Allowed here: {allowed}."
    )


def refuse_undecided() -> Refusal:
    return _refuse(
        HTTPStatus.NOT_FOUND,
        "not-decided",
        "No decision known",
        "The event is not decided yet, or this source never sent it; ask again after the time given.",
        retry_after=1,
    )


def refuse_large_event(max_bytes: int) -> Refusal:
    return _refuse(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "event-too-large",
        "Event too large",
        f"An event may have {max_bytes} bytes.",
    )


def refuse_large_request(max_bytes: int) -> Refusal:
    return _refuse(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "request-too-large",
        "Request too large",
        f"A batch may have {max_bytes} bytes; send it in parts.",
    )


def refuse_media_type(detail: str) -> Refusal:
    return _refuse(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type", detail
    )


def refuse_invalid(errors: Iterable[ProblemError]) -> Refusal:
    return _refuse(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-event",
        "Invalid event",
        "Correct what `errors` lists and send the event again; nothing of it was stored.",
        errors,
    )


def refuse_empty_batch() -> Refusal:
    return refuse_invalid([ProblemError(path="", message="the batch is empty")])


def refuse_mixed() -> Refusal:
    return _refuse(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "no-event-accepted",
        "No event accepted",
        "Every event was refused, for different reasons; `events` has each.",
    )


def refuse_destroyed_case() -> Refusal:
    return refuse_invalid(
        [ProblemError(path="/subject", message="this case's data was destroyed; open a new case reference")]
    )


def refuse_too_many(retry_after: int) -> Refusal:
    return _refuse(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too-many-events",
        "Too many events",
        "The source sent more events than its rate allows; send the same event again after the time given.",
        retry_after=retry_after,
    )


def refuse_unfinished(max_bytes: int) -> Refusal:
    return _refuse(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too-many-requests",
        "Too many requests at once",
        f"The source has {max_bytes} bytes of requests under way; finish those, and send it again after the "
        "time given.",
        retry_after=1,
    )


def refuse_unavailable() -> Refusal:
    return _refuse(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        "Unavailable",
        "Nothing was stored; send the same event again, with the same id, after the time given.",
        retry_after=1,
    )


def refuse_unreadable_status() -> Refusal:
    return _refuse(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        "Unavailable",
        "The status cannot be read just now; ask again after the time given.",
        retry_after=1,
    )


def refuse_overload() -> Refusal:
    return _refuse(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "overloaded",
        "Overloaded",
        "Too much waits to be stored; send the same event again, with the same id, after the time given.",
        retry_after=1,
    )


def refuse_unconfirmed() -> Refusal:
    return _refuse(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unconfirmed",
        "Not confirmed",
        "The event is perhaps stored; send it again with the same id after the time given.",
        retry_after=1,
    )


def refuse_fault() -> Refusal:
    return _refuse(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "fault",
        "Fault",
        "A fault of ours: send the same event again, with the same id, and report the correlation id.",
    )


def _refuse(
    status: HTTPStatus,
    kind: str,
    title: str,
    detail: str,
    errors: Iterable[ProblemError] = (),
    *,
    retry_after: int | None = None,
) -> Refusal:
    problem = Problem(
        type=TYPE_PREFIX + kind, title=title, status=int(status), detail=detail, errors=list(errors) or None
    )
    return Refusal(problem, retry_after)
