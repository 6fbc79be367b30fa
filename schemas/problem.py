"""RFC 9457 problem details, the body of every refusal over HTTP."""

from pydantic import ConfigDict

from schemas.base import WireModel


class ProblemError(WireModel):
    """One fault in the request: a JSON Pointer into it and what is expected there, never the value."""

    path: str
    message: str


class Problem(WireModel):
    """`application/problem+json`. `detail` says what to do next."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    errors: list[ProblemError] | None = None


class EventResult(WireModel):
    """What became of one event of a request; `index` is its place in the batch, 0 for a single one."""

    index: int
    id: str | None
    status: int
    problem: Problem | None = None


class IntakeResponse(WireModel):
    """The body of `POST /v1/events`; `durability` says what a 202 survives."""

    durability: str
    events: list[EventResult]
