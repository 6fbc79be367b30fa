"""An agency's own endpoints: what there is, what they missed, and what there should be of a day."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Query, Response
from pydantic import Field

from schemas.base import Instant, WireModel
from schemas.directory import AgencyRecord
from services.notify.api.documents import OF_AGENCY, ONE_ENDPOINT, RECONCILED
from services.notify.api.refusals import NO_SUCH_ENDPOINT, RefusedError
from services.notify.handlers.recovery import RecoveryDesk
from services.notify.inspection import OwnEndpoint, ReconciledAlert

NO_STORE: Final = {"cache-control": "no-store"}
EARLIEST: Final = date(1970, 1, 1)
LATEST: Final = date(2199, 12, 31)


class EndpointList(WireModel):
    """The endpoints of your agency."""

    endpoints: list[OwnEndpoint]


class Recovered(WireModel):
    """How many deliveries are tried again, from now on."""

    count: int = Field(description="10,000 at most; ask again until it is 0.")


class Reconciliation(WireModel):
    """Every alert and notice that was stored for your agency on this day, in the order of the feed."""

    date: date
    alerts: list[ReconciledAlert]


def add_recovery_routes(
    app: FastAPI,
    enter: Callable[[], RecoveryDesk],
    authenticate: Callable[..., Awaitable[AgencyRecord]],
) -> None:
    Agency = Annotated[AgencyRecord, Depends(authenticate)]  # noqa: N806 -- a type

    @app.get("/v1/endpoints", operation_id="listEndpoints", summary="List your endpoints", **LIST)
    async def list_endpoints(agency: Agency) -> Response:
        return _json(EndpointList(endpoints=enter().list_endpoints(agency)))

    @app.post(
        "/v1/endpoints/{endpoint_id}/recover",
        operation_id="recoverEndpoint",
        summary="Have what failed sent again",
        **RECOVER,
    )
    async def recover(
        agency: Agency,
        endpoint_id: str,
        since: Annotated[Instant, Query(description="Only what was decided since.")],
    ) -> Response:
        count = await enter().recover(agency, endpoint_id, since=since)
        if count is None:
            raise RefusedError(NO_SUCH_ENDPOINT)
        return _json(Recovered(count=count))

    @app.get(
        "/v1/reconciliation", operation_id="reconcile", summary="What you should have of a day", **RECONCILE
    )
    async def reconcile(
        agency: Agency,
        day: Annotated[
            date,
            Query(alias="date", ge=EARLIEST, le=LATEST, description="A day in the task force's zone."),
        ],
    ) -> Response:
        return _json(Reconciliation(date=day, alerts=list(await enter().reconcile(agency, day))))


def _json(model: WireModel) -> Response:
    return Response(model.model_dump_json(), media_type="application/json", headers=NO_STORE)


LIST: Final[dict[str, Any]] = {"response_model": EndpointList, "responses": OF_AGENCY}
RECOVER: Final[dict[str, Any]] = {
    "response_model": Recovered,
    "responses": ONE_ENDPOINT,
    "description": "Webhooks that were refused or out of attempts, under the ids they had. What was "
    "acknowledged or replaced meanwhile is not sent.",
}
RECONCILE: Final[dict[str, Any]] = {"response_model": Reconciliation, "responses": RECONCILED}
