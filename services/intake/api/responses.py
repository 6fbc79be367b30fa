"""From an answer to an HTTP response."""

import orjson
from starlette.responses import Response

from services.intake.ingress.answer import Answer, render_problem
from services.intake.ingress.refusals import Refusal
from services.runtime.problems import MEDIA_TYPE

CORRELATION_HEADER = "Tocsin-Correlation-Id"
UNAUTHORIZED = 401


def respond(answer: Answer, *, correlation_id: str) -> Response:
    headers = {CORRELATION_HEADER: correlation_id}
    if answer.retry_after is not None:
        headers["Retry-After"] = str(answer.retry_after)
    if answer.status == UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="tocsin"'
    media_type = MEDIA_TYPE if answer.is_problem else "application/json"
    return Response(orjson.dumps(answer.body), answer.status, headers, media_type)


def refuse(refusal: Refusal, *, correlation_id: str) -> Response:
    """A problem document alone, for what is not a submission of events."""
    answer = Answer(
        refusal.status, render_problem(refusal.problem), is_problem=True, retry_after=refusal.retry_after
    )
    return respond(answer, correlation_id=correlation_id)
