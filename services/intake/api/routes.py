"""The app: its routes, and a problem document for whatever goes wrong."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from services.intake.api import documents
from services.intake.api.endpoints import IntakeApi
from services.intake.api.responses import refuse
from services.intake.ingress.refusals import refuse_fault, refuse_method, refuse_unknown_path
from services.runtime.clock import SystemClock, new_correlation_id
from services.runtime.logs import get_logger

log = get_logger()

METHOD_NOT_ALLOWED = 405
EVENTS_PATH = "/v1/events"


class _PlainRoute(APIRoute):
    """A documented route whose endpoint reads the request itself."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


def build_app(api: IntakeApi, *, routes: Sequence[BaseRoute] = ()) -> FastAPI:
    """The app of these endpoints and of other routes, such as those of health. Connects to nothing."""
    app = FastAPI(
        title=documents.TITLE,
        version=documents.VERSION,
        summary=documents.SUMMARY,
        description=documents.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        routes=list(routes),
    )
    app.router.add_api_route(
        EVENTS_PATH,
        api.post_events,
        methods=["POST"],
        route_class_override=_PlainRoute,
        **documents.POST_EVENTS,
    )
    app.add_api_route(f"{EVENTS_PATH}/{{event_id}}", api.get_event, methods=["GET"], **documents.GET_EVENT)
    app.openapi = lambda: documents.build_openapi(app)  # type: ignore[method-assign] # FastAPI's way to extend it
    _handle_errors(app, api)
    return app


class Front:
    """What the server calls: the hot route goes straight to its endpoint, all else through the framework."""

    def __init__(self, api: IntakeApi, app: ASGIApp) -> None:
        self._api = api
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != EVENTS_PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            response = await self._api.receive_events(scope, receive)
        except Exception as error:  # noqa: BLE001 -- the edge: recorded, and the sender is told
            response = refuse_with_fault(self._api, scope, error)
        await response(scope, receive, send)


def refuse_with_fault(api: IntakeApi, scope: Scope, error: Exception) -> Response:
    correlation_id = api.correlate(scope)
    log.error("request.failed", correlation_id=correlation_id, exc_info=error)
    return refuse(refuse_fault(), correlation_id=correlation_id)


def build_document() -> dict[str, Any]:
    """The OpenAPI document, of an app that is connected to nothing."""
    api = IntakeApi(durability="memory", clock=SystemClock(), new_id=new_correlation_id)
    return build_app(api).openapi()


def _handle_errors(app: FastAPI, api: IntakeApi) -> None:
    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        allowed = dict(error.headers or {}).get("Allow", "")
        is_method = error.status_code == METHOD_NOT_ALLOWED
        refusal = refuse_method(allowed) if is_method else refuse_unknown_path()
        response = refuse(refusal, correlation_id=api.correlate(request.scope))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def on_fault(request: Request, error: Exception) -> Response:
        return refuse_with_fault(api, request.scope, error)
