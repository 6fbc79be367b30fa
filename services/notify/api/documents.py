"""What the OpenAPI document says beside what FastAPI finds out by itself."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import ConfigDict, Field
from pydantic.json_schema import models_json_schema

from schemas.alert import AlertData, AlertPointer, DutyNotice
from schemas.base import WireModel
from schemas.duty import CHANNELS, OTHER_CHANNEL, DutyEvidence, DutyStatus, Word
from schemas.problem import Problem
from services.notify.handlers.duties import Duty
from services.runtime.problems import MEDIA_TYPE

TITLE: Final = "Tocsin notify"
SUMMARY: Final = "Agencies read their alerts and duties here, and say who took over and what was done."
DESCRIPTION: Final = """\
For agencies whose systems take no webhooks, and for acknowledging. Every request carries the agency's key;
under `/v1/operator` it is an operator's, who sees where deliveries stand and never what they say.

`GET /v1/alerts` is a feed: ask with `after` set to the `next` of the last answer and no alert is missed,
however many were stored at once. An alert of a case whose data was destroyed is listed as its pointer only.
`GET /v1/duties` is read the same way. What is another agency's and what does not exist answer alike: 404.
"""


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


class EvidenceRequest(DutyEvidence):
    """What was done for a duty. Kept sealed, never logged, shown to nobody but your agency."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "who": "J. Ortiz",
                    "channel": "telephone",
                    "reference": "hotline 4711",
                    "at": "2026-03-04T07:10:00-08:00",
                }
            ]
        }
    )


class DutyDocument(WireModel):
    """A statutory duty of the agency. What is null besides `due` was destroyed with the data of its case."""

    duty_id: UUID
    status: DutyStatus
    rule: str | None
    what: str | None
    due: datetime | None = Field(description="Null also where the law names no hour.")
    authority: list[str] | None
    event_id: str | None
    case_ref: str
    evidence: DutyEvidence | None = Field(description="What closed it.")
    closed_at: datetime | None = Field(description="When the evidence was recorded.")


class DutyList(WireModel):
    """Some of the agency's duties in the order in which they last changed, and where to go on."""

    duties: list[DutyDocument]
    next: str = Field(description="Give it as `after`; the same as you gave if there is nothing new.")


def describe_duty(duty: Duty) -> DutyDocument:
    words = duty.words or {}
    return DutyDocument(
        duty_id=duty.duty_id,
        status=duty.status,
        rule=words.get("rule"),
        what=words.get("what"),
        due=words.get("due"),
        authority=words.get("authority"),
        event_id=duty.event_id,
        case_ref=duty.case_ref,
        evidence=duty.evidence,
        closed_at=duty.recorded_at,
    )


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
            if "requestBody" in operation:
                answers["413"] = _problem("The body is too large.")
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _, ours = models_json_schema([(Problem, "serialization")], ref_template=_REF)
    schemas.update(ours["$defs"])


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=Problem.__name__)}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


_COMMON: Final[dict[int | str, dict[str, Any]]] = {
    401: _problem("No key, or not the key of an active agency."),
    503: _problem("PostgreSQL is away; ask again after `Retry-After`."),
}
_ONE: Final = {**_COMMON, 404: _problem("Your agency has no alert with this id.")}

ONE_REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    **_ONE,
    400: _problem("The body is not JSON."),
    409: _problem("Somebody has acknowledged it, or it is the notice of a duty."),
    422: _problem("Something is missing, empty or no reason; `errors` says which."),
}
OF_AGENCY: Final[dict[int | str, dict[str, Any]]] = {**_COMMON}
ONE_ENDPOINT: Final[dict[int | str, dict[str, Any]]] = {
    **_COMMON,
    404: _problem("Your agency has no endpoint with this id."),
    422: _problem("`since` is not an instant."),
}
RECONCILED: Final[dict[int | str, dict[str, Any]]] = {**_COMMON, 422: _problem("`date` is not a day.")}
_INVALID: Final = _problem("A parameter or the body is not of the expected form; `errors` says which.")
OPERATED: Final[dict[int | str, dict[str, Any]]] = {
    401: _problem("No key, or not the key of an operator."),
    422: _INVALID,
    503: _COMMON[503],
}
OPERATED_BY_BODY: Final[dict[int | str, dict[str, Any]]] = {
    **OPERATED,
    400: _problem("The body is not JSON."),
}
INVITED: Final[dict[int | str, dict[str, Any]]] = {
    **_COMMON,
    400: _problem("The body is not JSON."),
    404: _problem("The directory has no such contact."),
    422: _INVALID,
}
INVITED_BY_OPERATOR: Final[dict[int | str, dict[str, Any]]] = {
    **OPERATED_BY_BODY,
    404: _problem("The directory has no such contact, or its agency was offboarded."),
}
ONE_PERSON: Final[dict[int | str, dict[str, Any]]] = {
    **_COMMON,
    404: _problem("Nobody of your agency has this id."),
}
ONE_PERSON_OPERATED: Final[dict[int | str, dict[str, Any]]] = {
    **OPERATED,
    404: _problem("Nobody has this id."),
}
_UNKNOWN_AGENCY: Final[dict[int | str, dict[str, Any]]] = {
    404: _problem("No agency with this id is, or ever was, in the directory.")
}
OF_SOME_AGENCY: Final[dict[int | str, dict[str, Any]]] = {**OPERATED, **_UNKNOWN_AGENCY}
OF_SOME_AGENCY_BY_BODY: Final[dict[int | str, dict[str, Any]]] = {**OPERATED_BY_BODY, **_UNKNOWN_AGENCY}
ONE_OPERATED: Final[dict[int | str, dict[str, Any]]] = {
    **OPERATED,
    404: _problem("There is no delivery with this id."),
}

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
_DUTY: Final = {**_COMMON, 404: _problem("Your agency has no duty with this id.")}

LIST_DUTIES: Final[dict[str, Any]] = {
    "operation_id": "listDuties",
    "summary": "Read the agency's duties, or what changed of them",
    "description": "Each is listed once, as it stands now; one that changes comes again behind the cursor. "
    "Open until there is evidence: acknowledging an alert closes no duty.",
    "response_model": DutyList,
    "responses": {**_COMMON, 422: _problem("`after` or `limit` is not of the expected form.")},
}
CLOSE_DUTY: Final[dict[str, Any]] = {
    "operation_id": "closeDuty",
    "summary": "Say what was done for a duty",
    "description": "Who did it, through which channel, under which reference, and when. Closes the duty. "
    "Repeated, it answers with the first evidence. Channels that whoever watches over all duties reads as "
    f"you typed them: {', '.join(sorted(CHANNELS))}; any other is `{OTHER_CHANNEL}` there.",
    "response_model": DutyDocument,
    "responses": {
        **_DUTY,
        400: _problem("The body is not JSON."),
        410: _problem("The data of this case was destroyed; nothing more can be kept of it."),
        422: _problem("Something is missing, empty, or still to come; `errors` says which."),
    },
}
PAGE: Final[dict[str, Any]] = {
    "operation_id": "showNotice",
    "summary": "The page behind an e-mail's link",
    "description": "Shows urgency, id and deadline to anybody who has the link, and the alert to a person "
    "of its agency who has signed in there. Never acknowledges: that takes a form of the page.",
    "responses": {
        200: {"description": "The page.", "content": {"text/html": {}}},
        404: {"description": "No such notice.", "content": {"text/html": {}}},
        503: {"description": "PostgreSQL is away.", "content": {"text/html": {}}},
    },
}
