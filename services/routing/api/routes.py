"""The app: its routes, and a problem document for whatever goes wrong."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from services.routing.api import documents
from services.routing.api.endpoints import RefusedRequestError, RoutingApi, refuse
from services.routing.api.protocols import ProtocolApi
from services.routing.handlers.operators import Operators
from services.runtime.database import UnstorableTextError
from services.runtime.logs import get_logger
from services.runtime.problems import UNSTORABLE, Problem, problem_response

log = get_logger()


def build_app(api: RoutingApi, *, routes: Sequence[BaseRoute] = ()) -> FastAPI:
    """The app of these endpoints and of other routes, such as those of health. Connects to nothing."""
    app = FastAPI(
        title=documents.TITLE,
        version=documents.VERSION,
        summary=documents.SUMMARY,
        description=documents.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        routes=list(routes),
    )
    app.add_api_route("/v1/directory", api.put_directory, methods=["PUT"], **documents.PUT_DIRECTORY)
    app.add_api_route("/v1/directory", api.get_directory, methods=["GET"], **documents.GET_DIRECTORY)
    app.add_api_route(
        "/v1/agencies/{agency}/endpoints/{endpoint_id}/rotate",
        api.rotate_endpoint,
        methods=["POST"],
        **documents.ROTATE_ENDPOINT,
    )
    app.add_api_route(
        "/v1/agencies/{agency}/endpoints/{endpoint_id}",
        api.remove_endpoint,
        methods=["DELETE"],
        **documents.REMOVE_ENDPOINT,
    )
    app.add_api_route(
        "/v1/decisions/{event_id}", api.get_decisions, methods=["GET"], **documents.GET_DECISIONS
    )
    protocols = ProtocolApi(api)
    app.add_api_route("/v1/protocols", protocols.list_packs, methods=["GET"], **documents.LIST_PACKS)
    app.add_api_route("/v1/protocols/{pack}", protocols.put_pack, methods=["PUT"], **documents.PUT_PACK)
    app.add_api_route("/v1/protocols/{pack}", protocols.get_pack, methods=["GET"], **documents.GET_PACK)
    app.add_api_route(
        "/v1/protocols/{pack}/approval", protocols.approve_pack, methods=["POST"], **documents.APPROVE_PACK
    )
    app.add_api_route("/v1/duties", api.get_duties, methods=["GET"], **documents.GET_DUTIES)
    app.openapi = lambda: documents.build_openapi(app)  # type: ignore[method-assign] # FastAPI's way to extend it
    _handle_errors(app)
    return app


def build_document() -> dict[str, Any]:
    """The OpenAPI document, of an app that is connected to nothing."""
    return build_app(RoutingApi(Operators(()))).openapi()


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(RefusedRequestError)
    async def on_refusal(_: Request, error: RefusedRequestError) -> Response:
        return refuse(error)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_: Request, __: RequestValidationError) -> Response:
        return problem_response(Problem(status=422, detail="A parameter is not what the API describes."))

    @app.exception_handler(UnstorableTextError)
    async def on_unstorable(_: Request, __: Exception) -> Response:
        return problem_response(UNSTORABLE)

    @app.exception_handler(HTTPException)
    async def on_http_error(_: Request, error: HTTPException) -> Response:
        return problem_response(Problem(status=error.status_code), headers=error.headers)

    @app.exception_handler(Exception)
    async def on_fault(_: Request, error: Exception) -> Response:
        log.error("request.failed", exc_info=error)
        return problem_response(Problem(status=500, detail="A fault of ours; it is logged."))
