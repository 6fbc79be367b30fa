"""That nobody takes an alert over: the agencies' route."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, FastAPI, Response
from pydantic import ConfigDict, Field

from schemas.base import Opt, WireModel
from schemas.directory import AgencyRecord
from schemas.duty import Note, Word
from schemas.vocabulary import RefusalReason
from services.notify.api.documents import ONE_REFUSED
from services.notify.api.refusals import (
    ALREADY_ACKNOWLEDGED,
    NO_SUCH_ALERT,
    NOT_REFUSABLE,
    SAY_WHY,
    RefusedError,
    parse_alert_id,
)
from services.notify.handlers.desk import AgencyDesk
from services.notify.handlers.refusing import (
    AlreadyAcknowledgedError,
    Declined,
    GivenRefusal,
    NotRefusableError,
)

NO_STORE: Final = {"cache-control": "no-store"}


class RefuseRequest(WireModel):
    """Who does not take the alert over, and why. The words are kept sealed, never logged or forwarded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"person": "J. Ortiz", "role": "duty supervisor", "reason": "no_capacity"}]
        }
    )

    person: Word
    role: Word
    reason: RefusalReason
    note: Opt[Note] = Field(default=None, description="In words; required where the reason is `other`.")


class RefuseResponse(WireModel):
    """The refusal of the alert that counts. What was typed is null once the case's data was destroyed."""

    alert_id: UUID
    revision: int
    refused_at: datetime
    reason: RefusalReason
    person: str | None
    role: str | None
    note: str | None


def add_refusal_routes(
    app: FastAPI, enter: Callable[[], AgencyDesk], authenticate: Callable[..., Awaitable[AgencyRecord]]
) -> None:
    Agency = Annotated[AgencyRecord, Depends(authenticate)]  # noqa: N806 -- a type

    @app.post("/v1/alerts/{alert_id}/refuse", **REFUSE)
    async def refuse(agency: Agency, alert_id: str, given: RefuseRequest) -> Response:
        if given.reason is RefusalReason.OTHER and given.note is None:
            raise RefusedError(SAY_WHY)
        said = GivenRefusal(person=given.person, role=given.role, reason=given.reason, note=given.note)
        try:
            declined = await enter().refuse(parse_alert_id(alert_id), agency=agency.id, given=said)
        except AlreadyAcknowledgedError:
            raise RefusedError(ALREADY_ACKNOWLEDGED) from None
        except NotRefusableError:
            raise RefusedError(NOT_REFUSABLE) from None
        if declined is None:
            raise RefusedError(NO_SUCH_ALERT)
        answer = _describe(declined).model_dump_json()
        return Response(answer, media_type="application/json", headers=NO_STORE)


def _describe(declined: Declined) -> RefuseResponse:
    return RefuseResponse(
        alert_id=declined.alert_id,
        revision=declined.revision,
        refused_at=declined.refused_at,
        reason=declined.reason,
        person=declined.person,
        role=declined.role,
        note=declined.note,
    )


REFUSE: Final[dict[str, Any]] = {
    "operation_id": "refuseAlert",
    "summary": "Say that nobody takes the alert over, and why",
    "description": "Ends its retries, and whoever comes next on the ladder is told at once. Repeated, it "
    "answers with the first one; a conflict of interest takes the place of any other reason, "
    "once. Whoever can act after all may still acknowledge: that stops the ladder.",
    "response_model": RefuseResponse,
    "responses": ONE_REFUSED,
}
