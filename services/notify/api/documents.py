"""What the OpenAPI document says beside what FastAPI finds out by itself."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import ConfigDict, Field, StringConstraints
from pydantic.json_schema import models_json_schema

from schemas.alert import AlertData, AlertPointer, DutyNotice
from schemas.base import WireModel
from schemas.problem import Problem
from services.runtime.problems import MEDIA_TYPE

TITLE: Final = "Tocsin notify"
SUMMARY: Final = "Agencies read their alerts here and say who has taken them over."
DESCRIPTION: Final = """\
For agencies whose systems take no webhooks, and for acknowledging. Every request carries the agency's key.

`GET /v1/alerts` is a feed: ask with `after` set to the `next` of the last answer and no alert is missed,
however many were stored at once. An alert of a case whose data was destroyed is listed as its pointer only.
Another agency's alert and one that does not exist answer alike: 404.
"""

Word = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
"""What a person typed on one line."""


class AcknowledgeRequest(WireModel):
    """Who takes responsibility. Kept sealed, never logged, never forwarded."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"person": "J. Ortiz", "role": "duty supervisor"}]}
    )

    person: Word
    role: Word


class AcknowledgeResponse(WireModel):
    """The first acknowledgement of the alert. The names are null once the case's data was destroyed."""

    alert_id: UUID
    revision: int
    acknowledged_at: datetime
    person: str | None
    role: str | None


class AlertFeed(WireModel):
    """Some of the agency's alerts in the order they were stored, and where to go on."""

    alerts: list[AlertData | DutyNotice | AlertPointer]
    next: str = Field(description="Give it as `after`; the same as you gave if there is nothing new.")


AlertDocument = AlertData | DutyNotice | AlertPointer


_REF: Final = "#/components/schemas/{model}"


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
        _tell_problems(document)
        app.openapi_schema = document
    return app.openapi_schema


def _tell_problems(document: dict[str, Any]) -> None:
    """FastAPI tells of its own form of error, which is never answered here; ours takes its place."""
    for path in document["paths"].values():
        for operation in path.values():
            answers = operation["responses"]
            if "HTTPValidationError" in str(answers.get("422", "")):
                del answers["422"]
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _, ours = models_json_schema([(Problem, "serialization")], ref_template=_REF)
    schemas.update(ours["$defs"])


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=Problem.__name__)}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


_COMMON: Final = {
    401: _problem("No key, or not the key of an active agency."),
    503: _problem("PostgreSQL is away; ask again after `Retry-After`."),
}
_ONE: Final = {**_COMMON, 404: _problem("Your agency has no alert with this id.")}

LIST_ALERTS: Final[dict[str, Any]] = {
    "operation_id": "listAlerts",
    "summary": "Read on in the agency's feed",
    "response_model": AlertFeed,
    "responses": {**_COMMON, 422: _problem("`after` or `limit` is not of the expected form.")},
}
GET_ALERT: Final[dict[str, Any]] = {
    "operation_id": "getAlert",
    "summary": "Read one alert",
    "response_model": AlertDocument,
    "responses": _ONE,
}
ACKNOWLEDGE: Final[dict[str, Any]] = {
    "operation_id": "acknowledgeAlert",
    "summary": "Say who has taken the alert over",
    "description": "Ends its retries and its escalation. Repeated, it answers with the first one.",
    "response_model": AcknowledgeResponse,
    "responses": {
        **_ONE,
        400: _problem("The body is not JSON."),
        422: _problem("`person` or `role` is missing or empty; `errors` says which."),
    },
}
PAGE: Final[dict[str, Any]] = {
    "operation_id": "showNotice",
    "summary": "The page behind an e-mail's link",
    "description": "Shows urgency, id and deadline to anybody who has the link. Never acknowledges.",
    "responses": {
        200: {"description": "The page.", "content": {"text/html": {}}},
        404: {"description": "No such notice.", "content": {"text/html": {}}},
        503: _COMMON[503],
    },
}
