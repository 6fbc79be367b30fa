"""Adding an endpoint: by the agency itself, or by an operator for it."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Response

from schemas.base import Opt, WireModel
from schemas.credentials import WebhookSecret
from schemas.directory import AgencyRecord, EndpointLimits, Url
from schemas.vocabulary import AgencyId, EndpointContent
from services.notify.api.documents import OF_AGENCY, OPERATED
from services.notify.api.refusals import (
    BEING_ADDED,
    NO_SUCH_AGENCY,
    RefusedError,
    refuse_endpoint,
    refuse_tries,
)
from services.notify.handlers.onboarding import (
    Added,
    EndpointRefusedError,
    NewEndpoint,
    OnboardingDesk,
    ProbeFailedError,
    TooOftenError,
    UnderWayError,
)
from services.notify.onboarding import Probe, list_advice

NO_STORE: Final = {"cache-control": "no-store"}
_IN_FORCE, _ACCEPTED, _TOO_MANY = 201, 202, 429

Enter = Callable[[], OnboardingDesk]


class EndpointRequest(WireModel):
    """The system to be told. Give its receiver the secret first: it is tried at once."""

    url: Url
    secret: WebhookSecret
    content: EndpointContent = EndpointContent.POINTER
    exercises: bool = False
    limits: Opt[EndpointLimits] = None


class ProbeAnswer(WireModel):
    """What the receiver answered to one probe; the reason is the phrase beside its status."""

    probe: Probe
    status_code: int | None
    reason: str


class AddedEndpoint(WireModel):
    """It passed all probes. Not yet in force, it will be within moments: see `GET /v1/endpoints`."""

    endpoint_id: str
    in_force: bool
    probes: list[ProbeAnswer]


def add_onboarding_routes(
    app: FastAPI,
    enter: Enter,
    *,
    authenticate: Callable[..., Awaitable[AgencyRecord]],
    authenticate_operator: Callable[..., Awaitable[str]],
) -> None:
    Agency = Annotated[AgencyRecord, Depends(authenticate)]  # noqa: N806 -- a type
    Operator = Annotated[str, Depends(authenticate_operator)]  # noqa: N806 -- a type

    @app.post("/v1/endpoints", operation_id="addEndpoint", status_code=_IN_FORCE, **ADD)
    async def add_endpoint(agency: Agency, asked: EndpointRequest) -> Response:
        return await _answer(enter().add_own(agency, _read(asked)))

    @app.post(
        "/v1/operator/agencies/{agency}/endpoints",
        operation_id="addEndpointFor",
        status_code=_IN_FORCE,
        **ADD_FOR,
    )
    async def add_endpoint_for(operator: Operator, agency: AgencyId, asked: EndpointRequest) -> Response:
        found = enter().find_agency(agency)
        if found is None:
            raise RefusedError(NO_SUCH_AGENCY)
        return await _answer(enter().add(found, _read(asked), by=operator))


def _read(asked: EndpointRequest) -> NewEndpoint:
    return NewEndpoint(
        url=asked.url,
        secret=asked.secret,
        content=asked.content,
        exercises=asked.exercises,
        limits=asked.limits,
    )


async def _answer(adding: Awaitable[Added]) -> Response:
    try:
        added = await adding
    except TooOftenError as often:
        raise RefusedError(refuse_tries(often.wait)) from None
    except UnderWayError:
        raise RefusedError(BEING_ADDED) from None
    except EndpointRefusedError as refused:
        raise RefusedError(refuse_endpoint([str(refused)])) from None
    except ProbeFailedError as failed:
        raise RefusedError(refuse_endpoint(list_advice(failed.results))) from None
    document = AddedEndpoint(
        endpoint_id=added.endpoint_id,
        in_force=added.in_force,
        probes=[
            ProbeAnswer(probe=each.probe, status_code=each.status_code, reason=each.reason)
            for each in added.results
        ],
    )
    return Response(
        document.model_dump_json(),
        status_code=_IN_FORCE if added.in_force else _ACCEPTED,
        media_type="application/json",
        headers=NO_STORE,
    )


_DESCRIPTION: Final = (
    "Three probes are sent, each an `org.tocsin.test.v1`: unsigned and signed with another secret, which the "
    "receiver must refuse (4xx), and signed, which it must take (2xx). Only then is the endpoint added. The "
    "next directory file that names its address decides about it; one that does not leaves it alone."
)
ADD: Final[dict[str, Any]] = {
    "summary": "Add an endpoint of yours",
    "description": _DESCRIPTION,
    "response_model": AddedEndpoint,
    "responses": {
        **OF_AGENCY,
        202: {"description": "Added, and not yet in force.", "model": AddedEndpoint},
        400: OPERATED[422] | {"description": "The body is not JSON."},
        409: OPERATED[422] | {"description": "Another request adds this address, or has just done so."},
        422: OPERATED[422]
        | {"description": "A probe failed or the body is invalid; `errors` says what to do."},
        _TOO_MANY: OPERATED[422]
        | {"description": "Your agency tried too often; ask again after `Retry-After`."},
    },
}
ADD_FOR: Final[dict[str, Any]] = {
    **ADD,
    "summary": "Add an endpoint of an agency",
    "responses": {
        **{status: answer for status, answer in ADD["responses"].items() if status != _TOO_MANY},
        401: OPERATED[401],
        404: OPERATED[422] | {"description": "No active agency has this id."},
    },
}
