"""The answer to a request: one status for all of its events, and a body for both kinds of reader."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from schemas.problem import Problem
from services.intake.ingress.refusals import Refusal, refuse_empty_batch, refuse_mixed

ACCEPTED: Final = int(HTTPStatus.ACCEPTED)
INVALID: Final = int(HTTPStatus.UNPROCESSABLE_ENTITY)
_HEARD_FIRST: Final = (
    ACCEPTED,
    int(HTTPStatus.SERVICE_UNAVAILABLE),
    int(HTTPStatus.TOO_MANY_REQUESTS),
)

JsonObject: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event; without a refusal it is accepted."""

    index: int
    event_id: str | None
    refusal: Refusal | None = None
    case_ref: str | None = None
    """For the log, of an event that was valid; the answer does not tell it."""

    @property
    def status(self) -> int:
        return ACCEPTED if self.refusal is None else self.refusal.status


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    body: JsonObject
    is_problem: bool
    retry_after: int | None = None


def aggregate_status(statuses: Collection[int]) -> int:
    """202 if any was accepted, else 503 if any, else 429 if any, else the common one, else 422 (DESIGN 7)."""
    for status in _HEARD_FIRST:
        if status in statuses:
            return status
    distinct = set(statuses)
    return distinct.pop() if len(distinct) == 1 else INVALID


def build_answer(outcomes: Sequence[Outcome], *, durability: str) -> Answer:
    """When nothing was accepted, the body is also the problem of the first event with the answer's status."""
    status = aggregate_status([outcome.status for outcome in outcomes])
    events = {"durability": durability, "events": [_render_outcome(outcome) for outcome in outcomes]}
    refusals = [outcome.refusal for outcome in outcomes if outcome.refusal is not None]
    retry_after = max((each.retry_after for each in refusals if each.retry_after is not None), default=None)
    if status == ACCEPTED:
        return Answer(status, events, is_problem=False, retry_after=retry_after)
    problem = render_problem(_choose_problem(refusals, status))
    return Answer(status, {**problem, **events}, is_problem=True, retry_after=retry_after)


def build_refusal(refusal: Refusal, *, durability: str) -> Answer:
    """The answer to a request whose events were not judged one by one."""
    body = {**render_problem(refusal.problem), "durability": durability, "events": []}
    return Answer(refusal.status, body, is_problem=True, retry_after=refusal.retry_after)


def render_problem(problem: Problem) -> JsonObject:
    return problem.model_dump(exclude_none=True)


def _render_outcome(outcome: Outcome) -> JsonObject:
    told = {"index": outcome.index, "id": outcome.event_id, "status": outcome.status}
    if outcome.refusal is None:
        return told
    return {**told, "problem": render_problem(outcome.refusal.problem)}


def _choose_problem(refusals: Sequence[Refusal], status: int) -> Problem:
    same = [refusal for refusal in refusals if refusal.status == status]
    if same:
        return same[0].problem
    return (refuse_mixed() if refusals else refuse_empty_batch()).problem
