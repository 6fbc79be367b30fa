"""The OpenAPI document: what the routes take and answer, with examples. Generated from the wire models."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas.alert import NoticeDuty
from schemas.base import WireModel
from schemas.case_event import CaseEvent, EventData
from schemas.problem import EventResult, IntakeResponse, Problem
from schemas.receipt import EventError, EventStatus
from services.intake.ingress.content import ATTRIBUTES, BATCH_TYPE, BINARY_TYPE, STRUCTURED_TYPE
from services.runtime.problems import MEDIA_TYPE as PROBLEM_TYPE

TITLE: Final = "Tocsin intake"
VERSION: Final = "1"
SUMMARY: Final = "Member systems report case events here."
DESCRIPTION: Final = """\
A case event is a [CloudEvent 1.0](https://cloudevents.io), sent in structured, batched or binary mode. An
event of a batch is judged by itself. **202 means stored**: every in-sync replica of the log has the event.
**503 means perhaps stored**: send the same event again, with the same `id`; a second copy changes nothing.

Problems are RFC 9457 documents. `errors` names every fault by JSON Pointer into the event, never by value.
"""

_REF: Final = "#/components/schemas/{model}"


class RefusedSubmission(Problem):
    """The problem of the first event that has the answer's status, and what became of each."""

    durability: str
    events: list[EventResult]


class EventReport(WireModel):
    """What became of an event, for its source; never how many others were told."""

    id: str
    status: EventStatus
    errors: list[EventError]
    duties: list[NoticeDuty]


_MODELS: Final[tuple[type[BaseModel], ...]] = (
    CaseEvent,
    EventData,
    EventReport,
    IntakeResponse,
    Problem,
    RefusedSubmission,
)

_EXAMPLE: Final[dict[str, Any]] = {
    "specversion": "1.0",
    "id": "cad-2026-0001",
    "source": "urn:tocsin:agency:ag-bpd:cad",
    "type": "org.tocsin.victim.recovered.v1",
    "subject": "01JNF0Z6W3",
    "time": "2026-03-03T22:40:00-08:00",
    "data": {
        "county": "06029",
        "age": {"band": "13to15"},
        "exploitation": {"types": ["SexualExploitation"]},
        "needs": ["shelter"],
    },
}
_ATTRIBUTE_EXAMPLES: Final = {name: _EXAMPLE[name] for name in ATTRIBUTES}


def build_openapi(app: FastAPI) -> dict[str, Any]:
    """The document, cached on the app as FastAPI does."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
        )
        components = document.setdefault("components", {})
        components["schemas"] = _schemas()
        components["securitySchemes"] = {
            "sourceKey": {"type": "http", "scheme": "bearer", "description": "The key of a source (`tcs_…`)."}
        }
        app.openapi_schema = document
    return app.openapi_schema


def _schemas() -> dict[str, Any]:
    _, document = models_json_schema([(model, "validation") for model in _MODELS], ref_template=_REF)
    schemas: dict[str, Any] = document["$defs"]
    return schemas


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _REF.format(model=model.__name__)}


def _problem(
    description: str, model: type[BaseModel] = RefusedSubmission, *, headers: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {**_CORRELATED, **(headers or {})},
        "content": {PROBLEM_TYPE: {"schema": _schema(model)}},
    }


def _header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


_CORRELATED: Final = {
    "Tocsin-Correlation-Id": _header(
        "The trace id of `traceparent`, else a new id; every log line on the event's way carries it."
    )
}
_RETRY: Final = {"Retry-After": _header("Whole seconds until the same may be sent again.", "integer")}
_CHALLENGE: Final = {"WWW-Authenticate": _header("`Bearer`")}

_ACCEPTED: Final = {
    "durability": "replicated",
    "events": [{"index": 0, "id": "cad-2026-0001", "status": 202}],
}

POST_EVENTS: Final[dict[str, Any]] = {
    "operation_id": "postEvents",
    "summary": "Report case events",
    "description": "Takes one event (structured or binary mode, 64 KiB) or a batch (1 MiB, 64 KiB an event). "
    "The answer is 202 if any event was accepted; `events` tells of each.",
    "status_code": 202,
    "response_description": "Stored: at least one event is on every in-sync replica of the log.",
    "responses": {
        202: {
            "headers": _CORRELATED,
            "content": {"application/json": {"schema": _schema(IntakeResponse), "example": _ACCEPTED}},
        },
        400: _problem("Malformed: no JSON, or no CloudEvent."),
        401: _problem("The key is missing or unknown.", headers=_CHALLENGE),
        403: _problem("The key is for another source, other event types, or an agency that is not active."),
        413: _problem("The event, or the whole request, is too large."),
        415: _problem("The content type is none of the three."),
        422: _problem("Invalid: `errors` lists every fault at once; or a batch refused for several reasons."),
        429: _problem(
            "The source sent more events than its rate allows, or has too much under way.", headers=_RETRY
        ),
        503: _problem("Perhaps stored: send the same event again, with the same id.", headers=_RETRY),
    },
    "openapi_extra": {
        "security": [{"sourceKey": []}],
        "parameters": [
            {
                "name": f"ce-{name}",
                "in": "header",
                "required": False,
                "description": f"Binary mode: the event's `{name}`, percent-encoded where HTTP needs it.",
                "schema": {"type": "string"},
                "example": example,
            }
            for name, example in _ATTRIBUTE_EXAMPLES.items()
        ]
        + [
            {
                "name": "traceparent",
                "in": "header",
                "required": False,
                "description": "W3C Trace Context; its trace id becomes the correlation id.",
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                STRUCTURED_TYPE: {"schema": _schema(CaseEvent), "example": _EXAMPLE},
                BATCH_TYPE: {"schema": {"type": "array", "items": _schema(CaseEvent)}, "example": [_EXAMPLE]},
                BINARY_TYPE: {"schema": _schema(EventData), "example": _EXAMPLE["data"]},
            },
        },
    },
}

GET_EVENT: Final[dict[str, Any]] = {
    "operation_id": "getEvent",
    "summary": "Ask what became of an event",
    "description": "For the source that sent it. Another source's event is unknown here.",
    "response_description": "Routing decided the event.",
    "responses": {
        200: {
            "headers": _CORRELATED,
            "content": {
                "application/json": {
                    "schema": _schema(EventReport),
                    "example": {"id": "cad-2026-0001", "status": "decided", "errors": [], "duties": []},
                }
            },
        },
        401: _problem("The key is missing or unknown.", Problem, headers=_CHALLENGE),
        403: _problem("The source's agency is not active.", Problem),
        404: _problem("Not decided yet, or not an event of this source.", Problem, headers=_RETRY),
        503: _problem("The status cannot be read just now.", Problem, headers=_RETRY),
        "default": _problem("A fault of ours.", Problem),
    },
    "openapi_extra": {"security": [{"sourceKey": []}]},
}
