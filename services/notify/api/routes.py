"""The routes of notify, and a problem document for whatever goes wrong."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias
from zoneinfo import ZoneInfo

import orjson
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from schemas.directory import AgencyRecord
from services.notify.api import documents
from services.notify.api.documents import (
    AcknowledgeRequest,
    AcknowledgeResponse,
    DutyList,
    EvidenceRequest,
)
from services.notify.api.guarding import GuardedRoute
from services.notify.api.onboarding import add_onboarding_routes
from services.notify.api.operations import add_operator_routes
from services.notify.api.page_routes import Reception, add_page_routes
from services.notify.api.pages import Pages
from services.notify.api.people import add_operated_people_routes, add_people_routes
from services.notify.api.pulse import NOTHING_KNOWN, add_pulse_route
from services.notify.api.recovery import add_recovery_routes
from services.notify.api.refusals import (
    AWAY,
    FAULT,
    NO_SUCH_ALERT,
    NO_SUCH_DUTY,
    NOT_YET,
    SHREDDED,
    UNAUTHENTICATED,
    UNKNOWN_AGENCY,
    RefusedError,
    describe_invalid,
    find_id,
    parse_alert_id,
    respond,
)
from services.notify.api.refusing import add_refusal_routes
from services.notify.handlers.desk import AgencyDesk
from services.notify.handlers.duties import FutureEvidenceError, ShreddedEvidenceError
from services.notify.handlers.enrolment import EnrolmentDesk
from services.notify.handlers.onboarding import OnboardingDesk
from services.notify.handlers.operations import OperatorDesk, UnknownAgencyError
from services.notify.handlers.recovery import RecoveryDesk
from services.notify.pulse import PulseState
from services.runtime.database import TRANSIENT_ERRORS, UnstorableTextError
from services.runtime.logs import get_logger
from services.runtime.problems import UNSTORABLE, Problem

log = get_logger()

MOST_ALERTS: Final = 500
NO_STORE: Final = {"cache-control": "no-store"}

_bearer = HTTPBearer(auto_error=False, description="The agency's key, `tca_…`.")

Authenticate: TypeAlias = Callable[[HTTPAuthorizationCredentials | None], Awaitable[AgencyRecord]]

Position = Annotated[str, Query(pattern=r"^[0-9]{1,18}$", description="`next` of the last answer.")]
Limit = Annotated[int, Query(ge=1, le=MOST_ALERTS)]


@dataclass(slots=True)
class Door:
    """What the routes lead to; nobody is in before PostgreSQL and Kafka answered."""

    pages: Pages
    desk: AgencyDesk | None = None
    operators: OperatorDesk | None = None
    recovery: RecoveryDesk | None = None
    onboarding: OnboardingDesk | None = None
    judge_pulse: Callable[[], PulseState] | None = None

    def judge(self) -> PulseState:
        return NOTHING_KNOWN if self.judge_pulse is None else self.judge_pulse()

    reception: Reception | None = None

    def enter_to_enrol(self) -> EnrolmentDesk:
        if self.reception is None:
            raise RefusedError(AWAY)
        return self.reception.enrolment.enrolment

    def name_enrolment_link(self) -> str:
        if self.reception is None:
            raise RefusedError(AWAY)
        return f"{self.reception.enrolment.browser.base_url}/enrol"

    def enter_as_operator(self) -> OperatorDesk:
        if self.operators is None:
            raise RefusedError(AWAY)
        return self.operators

    def enter_to_add(self) -> OnboardingDesk:
        if self.onboarding is None:
            raise RefusedError(AWAY)
        return self.onboarding

    def enter_to_recover(self) -> RecoveryDesk:
        if self.recovery is None:
            raise RefusedError(AWAY)
        return self.recovery

    def enter(self) -> AgencyDesk:
        if self.desk is None:
            raise RefusedError(AWAY)
        return self.desk


def build_app(door: Door, *, routes: Sequence[BaseRoute] = ()) -> FastAPI:
    """The app of these routes and others, such as those of health. Connects to nothing."""
    app = FastAPI(
        title=documents.TITLE,
        version="1",
        summary=documents.SUMMARY,
        description=documents.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        routes=list(routes),
    )
    app.router.route_class = GuardedRoute
    authenticate = _build_authenticate(door)
    _add_alert_routes(app, door, authenticate)
    add_refusal_routes(app, door.enter, authenticate)
    _add_duty_routes(app, door, authenticate)
    add_recovery_routes(app, door.enter_to_recover, authenticate)
    authenticate_operator = add_operator_routes(app, door.enter_as_operator)
    add_onboarding_routes(
        app,
        door.enter_to_add,
        authenticate=authenticate,
        authenticate_operator=authenticate_operator,
    )
    add_pulse_route(app, door.judge)
    add_people_routes(app, door.enter_to_enrol, authenticate, link=door.name_enrolment_link)
    add_operated_people_routes(
        app,
        door.enter_to_enrol,
        authenticate_operator,
        operators=door.enter_as_operator,
        link=door.name_enrolment_link,
    )
    add_page_routes(app, door.pages, lambda: door.reception)
    _handle_errors(app)
    app.openapi = lambda: documents.build_openapi(app)  # type: ignore[method-assign] # FastAPI's way to extend it
    return app


def build_document() -> dict[str, Any]:
    """The OpenAPI document, of an app that is connected to nothing."""
    return build_app(Door(Pages(ZoneInfo("UTC")))).openapi()


def _build_authenticate(door: Door) -> Authenticate:
    async def authenticate(
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> AgencyRecord:
        agency = None if credentials is None else door.enter().authenticate(credentials.credentials)
        if agency is None:
            raise RefusedError(UNAUTHENTICATED)
        return agency

    return authenticate


def _add_alert_routes(app: FastAPI, door: Door, authenticate: Authenticate) -> None:
    Agency = Annotated[AgencyRecord, Depends(authenticate)]  # noqa: N806 -- a type

    @app.get("/v1/alerts", **documents.LIST_ALERTS)
    async def list_alerts(agency: Agency, after: Position = "0", limit: Limit = 100) -> Response:
        page = await door.enter().list_alerts(agency=agency.id, after=int(after), limit=limit)
        return _json({"alerts": page.alerts, "next": str(page.next_position)})

    @app.get("/v1/alerts/{alert_id}", **documents.GET_ALERT)
    async def get_alert(agency: Agency, alert_id: str) -> Response:
        alert = await door.enter().find_alert(parse_alert_id(alert_id), agency=agency.id)
        if alert is None:
            raise RefusedError(NO_SUCH_ALERT)
        return _json(alert)

    @app.post("/v1/alerts/{alert_id}/acknowledge", **documents.ACKNOWLEDGE)
    async def acknowledge(agency: Agency, alert_id: str, given: AcknowledgeRequest) -> Response:
        taken = await door.enter().acknowledge(
            parse_alert_id(alert_id), agency=agency.id, person=given.person, role=given.role
        )
        if taken is None:
            raise RefusedError(NO_SUCH_ALERT)
        answer = AcknowledgeResponse(
            alert_id=taken.alert_id,
            revision=taken.revision,
            acknowledged_at=taken.acknowledged_at,
            person=taken.person,
            role=taken.role,
        )
        return _render(answer)


def _add_duty_routes(app: FastAPI, door: Door, authenticate: Authenticate) -> None:
    Agency = Annotated[AgencyRecord, Depends(authenticate)]  # noqa: N806 -- a type

    @app.get("/v1/duties", **documents.LIST_DUTIES)
    async def list_duties(agency: Agency, after: Position = "0", limit: Limit = 100) -> Response:
        page = await door.enter().duties.list_duties(agency=agency.id, after=int(after), limit=limit)
        duties = [documents.describe_duty(duty) for duty in page.duties]
        return _render(DutyList(duties=duties, next=str(page.next_position)))

    @app.post("/v1/duties/{duty_id}/evidence", **documents.CLOSE_DUTY)
    async def close_duty(agency: Agency, duty_id: str, given: EvidenceRequest) -> Response:
        found = find_id(duty_id)
        try:
            duty = found and await door.enter().duties.close(found, agency=agency.id, evidence=given)
        except FutureEvidenceError:
            raise RefusedError(NOT_YET) from None
        except ShreddedEvidenceError:
            raise RefusedError(SHREDDED) from None
        if not duty:
            raise RefusedError(NO_SUCH_DUTY)
        return _render(documents.describe_duty(duty))


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(RefusedError)
    async def on_refusal(_: Request, error: RefusedError) -> Response:
        return respond(error.problem)

    @app.exception_handler(UnknownAgencyError)
    async def on_unknown_agency(_: Request, __: UnknownAgencyError) -> Response:
        return respond(UNKNOWN_AGENCY)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_: Request, error: RequestValidationError) -> Response:
        return respond(describe_invalid(error))

    @app.exception_handler(UnstorableTextError)
    async def on_unstorable(_: Request, __: Exception) -> Response:
        return respond(UNSTORABLE)

    @app.exception_handler(HTTPException)
    async def on_http_error(_: Request, error: HTTPException) -> Response:
        response = respond(Problem(status=error.status_code))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def on_fault(_: Request, error: Exception) -> Response:
        log.error("request.failed", exc_info=error)
        return respond(FAULT)

    for trouble in TRANSIENT_ERRORS:
        app.add_exception_handler(trouble, _on_trouble)


async def _on_trouble(_: Request, error: Exception) -> Response:
    log.warning("request.postponed", exc_info=error)
    return respond(AWAY)


def _render(model: BaseModel) -> Response:
    return Response(model.model_dump_json(), media_type="application/json", headers=NO_STORE)


def _json(document: object) -> Response:
    body = orjson.dumps(document, option=orjson.OPT_UTC_Z)
    return Response(body, media_type="application/json", headers=NO_STORE)
