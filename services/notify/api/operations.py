"""The operators' routes: deliveries without their content, and trying again."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Self, TypeAlias
from uuid import UUID

from fastapi import Depends, FastAPI, Query, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import Field, StringConstraints, model_validator

from schemas.base import Instant, Opt, WireModel
from schemas.vocabulary import AgencyId
from services.notify.api.documents import OF_SOME_AGENCY, OF_SOME_AGENCY_BY_BODY, ONE_OPERATED
from services.notify.api.refusals import NO_OPERATOR, NO_SUCH_DELIVERY, RefusedError
from services.notify.handlers.operations import MOST_REDRIVEN, OperatorDesk
from services.notify.inspection import AttemptEntry, Criteria, DeliveryEntry, Standing
from services.runtime.logs import get_logger

log = get_logger()

MOST_LISTED: Final = 500
MOST_SHOWN: Final = 100
PATH: Final = "/v1/operator/deliveries"
NO_STORE: Final = {"cache-control": "no-store"}

EndpointId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]

_bearer = HTTPBearer(
    auto_error=False, scheme_name="operatorKey", description="The key of an operator, `tco_…`."
)


class DeliveryList(WireModel):
    """The newest first. `next` is given as `before` for those that are older; null after the last."""

    deliveries: list[DeliveryEntry]
    total: int = Field(description="How many there are, on all pages.")
    next: UUID | None


class DeliveryDetail(WireModel):
    """One delivery and every attempt at it."""

    delivery: DeliveryEntry
    attempts: list[AttemptEntry]


class RedriveRequest(WireModel):
    """Which dead letters to try again; what is given must all hold. A dry run changes nothing."""

    delivery_ids: Opt[Annotated[list[UUID], Field(min_length=1, max_length=MOST_REDRIVEN)]] = None
    agency: Opt[AgencyId] = None
    endpoint_id: Opt[EndpointId] = None
    since: Opt[Instant] = None
    until: Opt[Instant] = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _say_which(self) -> Self:
        if not (self.model_fields_set - {"dry_run"}):
            raise ValueError("say which: delivery_ids, agency, endpoint_id, since or until")
        return self


class RedriveResponse(WireModel):
    """How many are due again, or would be, and the first hundred of them."""

    count: int
    delivery_ids: list[UUID]
    dry_run: bool
    is_whole: bool = Field(description="False: there are more than one request takes. Ask again.")


Enter: TypeAlias = Callable[[], OperatorDesk]
Authenticate: TypeAlias = Callable[..., Awaitable[str]]


def add_operator_routes(app: FastAPI, enter: Enter) -> Authenticate:
    """How operators are known, for routes of others."""
    authenticate = _build_authenticate(enter)
    _add_reading(app, enter, authenticate)
    _add_redriving(app, enter, authenticate)
    return authenticate


def _build_authenticate(enter: Enter) -> Authenticate:
    async def authenticate(
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> str:
        operator = None if credentials is None else enter().find_operator(credentials.credentials)
        if operator is None:
            log.warning("operator.refused")
            raise RefusedError(NO_OPERATOR)
        return operator

    return authenticate


def _add_reading(app: FastAPI, enter: Enter, authenticate: Authenticate) -> None:
    Operator = Annotated[str, Depends(authenticate)]  # noqa: N806 -- a type

    @app.get(PATH, operation_id="listDeliveries", summary="List dead or pending deliveries", **LIST)
    async def list_deliveries(
        operator: Operator,
        criteria: Annotated[Criteria, Depends(_read_criteria)],
        standing: Standing = Standing.DEAD,
        before: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = MOST_SHOWN,
    ) -> Response:
        found = await enter().list_deliveries(
            standing, criteria, before=before, limit=limit, operator=operator
        )
        entries = list(found.entries)
        last = entries[-1].delivery_id if len(entries) == limit else None
        return _json(DeliveryList(deliveries=entries, total=found.total, next=last))

    @app.get(f"{PATH}/{{delivery_id}}", operation_id="getDelivery", summary="Read one delivery", **GET)
    async def get_delivery(operator: Operator, delivery_id: UUID) -> Response:
        found = await enter().find_delivery(delivery_id, operator=operator)
        if found is None:
            raise RefusedError(NO_SUCH_DELIVERY)
        return _json(DeliveryDetail(delivery=found[0], attempts=found[1]))


def _add_redriving(app: FastAPI, enter: Enter, authenticate: Authenticate) -> None:
    Operator = Annotated[str, Depends(authenticate)]  # noqa: N806 -- a type

    @app.post(
        f"{PATH}/redrive", operation_id="redriveDeliveries", summary="Try dead letters again", **REDRIVE
    )
    async def redrive(operator: Operator, asked: RedriveRequest) -> Response:
        criteria = Criteria(
            agency=asked.agency, endpoint_id=asked.endpoint_id, since=asked.since, until=asked.until
        )
        redriven = await enter().redrive(
            criteria, delivery_ids=asked.delivery_ids, is_dry=asked.dry_run, operator=operator
        )
        return _json(
            RedriveResponse(
                count=len(redriven.delivery_ids),
                delivery_ids=list(redriven.delivery_ids[:MOST_SHOWN]),
                dry_run=asked.dry_run,
                is_whole=redriven.is_whole,
            )
        )


async def _read_criteria(
    agency: AgencyId | None = None,
    endpoint_id: EndpointId | None = None,
    since: Instant | None = None,
    until: Instant | None = None,
) -> Criteria:
    return Criteria(agency=agency, endpoint_id=endpoint_id, since=since, until=until)


def _json(model: WireModel) -> Response:
    return Response(model.model_dump_json(), media_type="application/json", headers=NO_STORE)


LIST: Final[dict[str, Any]] = {"response_model": DeliveryList, "responses": OF_SOME_AGENCY}
GET: Final[dict[str, Any]] = {"response_model": DeliveryDetail, "responses": ONE_OPERATED}
REDRIVE: Final[dict[str, Any]] = {
    "response_model": RedriveResponse,
    "responses": OF_SOME_AGENCY_BY_BODY,
    "description": "Those that nobody acknowledged and no later revision replaced. Schedules begin anew.",
}
