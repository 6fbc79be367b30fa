"""What each request does: read, hand to the handlers, answer, and one log line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Path
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from schemas.vocabulary import EventId
from services.intake.api.hand import Hand
from services.intake.api.journal import log_received
from services.intake.api.requests import RefusedRequestError, authenticate, correlate, find_header
from services.intake.api.responses import refuse, respond
from services.intake.handlers.intake import Intake
from services.intake.handlers.receiving import Submission
from services.intake.handlers.status import EventReport
from services.intake.ingress import refusals
from services.intake.ingress.access import Access, Caller
from services.intake.ingress.answer import Answer, Outcome, build_answer, build_refusal
from services.intake.ingress.content import (
    Header,
    MalformedError,
    Mode,
    UnsupportedMediaError,
    find_mode,
    read_events,
)
from services.intake.ingress.refusals import Refusal
from services.runtime.bodies import CutBodyError, LongBodyError, find_announced, read_body
from services.runtime.clock import Clock
from services.runtime.database import TRANSIENT_ERRORS
from services.runtime.logs import get_logger

log = get_logger()

OK: Final = 200
_EVENT_ID: Final = TypeAdapter[str](EventId)


@dataclass(frozen=True, slots=True)
class Visit:
    """A request whose key and content mode are known; its body is still to be read."""

    headers: Sequence[Header]
    receive: Receive
    mode: Mode
    caller: Caller
    correlation_id: str


class IntakeApi:
    """The endpoints. Until `intake` is connected every answer is 503."""

    def __init__(self, *, durability: str, clock: Clock, new_id: Callable[[], str]) -> None:
        self.intake: Intake | None = None
        self._durability = durability
        self._clock = clock
        self._new_id = new_id
        self._hand = Hand()

    async def post_events(self, request: Request) -> Response:
        return await self.receive_events(request.scope, request.receive)

    async def receive_events(self, scope: Scope, receive: Receive) -> Response:
        started = self._clock.monotonic()
        correlation_id = self.correlate(scope)
        caller: Caller | None = None
        outcomes: Sequence[Outcome] = ()
        try:
            intake, access = self._find_intake(refusals.refuse_unavailable)
            caller = authenticate(scope["headers"], access)
            mode = _find_mode(scope["headers"])
            outcomes = await self._receive(
                intake, Visit(scope["headers"], receive, mode, caller, correlation_id)
            )
            answer = build_answer(outcomes, durability=self._durability)
        except RefusedRequestError as refused:
            answer = build_refusal(refused.refusal, durability=self._durability)
        log_received(
            outcomes,
            source=None if caller is None else caller.source,
            status=answer.status,
            duration=self._clock.monotonic() - started,
            correlation_id=correlation_id,
        )
        return respond(answer, correlation_id=correlation_id)

    async def get_event(
        self,
        request: Request,
        event_id: Annotated[str, Path(description="The event's `id`, as this source sent it.")],
    ) -> Response:
        correlation_id = self.correlate(request.scope)
        try:
            report = await self._find_report(request, event_id)
        except RefusedRequestError as refused:
            log.info("event_status.asked", status=refused.refusal.status, correlation_id=correlation_id)
            return refuse(refused.refusal, correlation_id=correlation_id)
        log.info("event_status.asked", status=OK, event_id=report.event_id, correlation_id=correlation_id)
        return respond(Answer(OK, _render_report(report), is_problem=False), correlation_id=correlation_id)

    def correlate(self, scope: Scope) -> str:
        """The request's correlation id, the same however often it is asked for."""
        known: str | None = scope.get("tocsin.correlation_id")
        if known is None:
            known = scope["tocsin.correlation_id"] = correlate(scope["headers"], self._new_id)
        return known

    def _find_intake(self, refuse_otherwise: Callable[[], Refusal]) -> tuple[Intake, Access]:
        if self.intake is None or self.intake.directory.access is None:
            raise RefusedRequestError(refuse_otherwise())
        return self.intake, self.intake.directory.access

    async def _receive(self, intake: Intake, visit: Visit) -> Sequence[Outcome]:
        try:
            announced = find_announced(visit.headers, at_most=visit.mode.max_bytes)
            with self._hand.take(announced, source=visit.caller.source) as taken:
                body = await read_body(visit.receive, visit.headers, at_most=visit.mode.max_bytes)
                taken.arrived(len(body))
                submission = Submission(visit.caller, _read_events(visit, body), visit.correlation_id)
                return await intake.receiver.receive(submission)
        except LongBodyError:
            return _refuse_long(visit.mode)
        except CutBodyError:
            raise RefusedRequestError(refusals.refuse_malformed("The request ended early.")) from None

    async def _find_report(self, request: Request, event_id: str) -> EventReport:
        intake, access = self._find_intake(refusals.refuse_unreadable_status)
        caller = authenticate(request.scope["headers"], access)
        if not caller.is_active:
            raise RefusedRequestError(refusals.refuse_offboarded())
        if not _is_event_id(event_id):
            raise RefusedRequestError(refusals.refuse_undecided())
        try:
            report = await intake.statuses.find_report(source=caller.source, event_id=event_id)
        except TRANSIENT_ERRORS:
            raise RefusedRequestError(refusals.refuse_unreadable_status()) from None
        if report is None:
            raise RefusedRequestError(refusals.refuse_undecided())
        return report


def _is_event_id(text: str) -> bool:
    try:
        _EVENT_ID.validate_python(text)
    except ValidationError:
        return False
    return True


def _find_mode(headers: Sequence[Header]) -> Mode:
    encoding = find_header(headers, b"content-encoding")
    if encoding is not None and encoding.lower() != b"identity":
        raise RefusedRequestError(refusals.refuse_media_type("Send the body without a content encoding."))
    try:
        return find_mode(headers)
    except UnsupportedMediaError as error:
        raise RefusedRequestError(refusals.refuse_media_type(str(error))) from None


def _read_events(visit: Visit, body: bytes) -> list[object]:
    try:
        return read_events(visit.mode, visit.headers, body)
    except MalformedError as error:
        raise RefusedRequestError(refusals.refuse_malformed(str(error))) from None


def _refuse_long(mode: Mode) -> Sequence[Outcome]:
    if mode is Mode.BATCH:
        raise RefusedRequestError(refusals.refuse_large_request(mode.max_bytes))
    return [Outcome(0, None, refusals.refuse_large_event(mode.max_bytes))]


def _render_report(report: EventReport) -> dict[str, object]:
    return {
        "id": report.event_id,
        "status": report.status,
        "errors": [error.model_dump() for error in report.errors],
        "duties": [duty.model_dump(mode="json") for duty in report.duties],
    }
