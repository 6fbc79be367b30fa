"""Where the pages are, and a page for whatever goes wrong with one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from services.notify.api.alert_pages import STALE, AlertPages
from services.notify.api.documents import PAGE
from services.notify.api.enrolment_pages import EnrolmentPages
from services.notify.api.forms import FormRefusedError
from services.notify.api.pages import Pages
from services.runtime.database import TRANSIENT_ERRORS
from services.runtime.logs import get_logger

log = get_logger()

FORBIDDEN: Final = 403
AWAY: Final = 503


@dataclass(frozen=True, slots=True)
class Reception:
    """What the pages lead to."""

    alerts: AlertPages
    enrolment: EnrolmentPages


Act: TypeAlias = Callable[[Reception, Request], Awaitable[Response]]
Serve: TypeAlias = Callable[[Request], Awaitable[Response]]


def add_page_routes(app: FastAPI, pages: Pages, enter: Callable[[], Reception | None]) -> None:
    show = _serve(pages, enter, lambda desk, request: desk.alerts.show(request, _id(request)))

    @app.get("/a/{alert_id}", response_class=HTMLResponse, **PAGE)
    async def show_notice(request: Request, alert_id: str) -> Response:  # noqa: ARG001 -- for the document
        return await show(request)

    # Forms are for browsers, and no part of the API's document.
    posts: dict[str, Act] = {
        "/a/{alert_id}/sign-in": lambda desk, request: desk.alerts.sign_in(request, _id(request)),
        "/a/{alert_id}/acknowledge": lambda desk, request: desk.alerts.acknowledge(request, _id(request)),
        "/a/{alert_id}/refuse": lambda desk, request: desk.alerts.refuse(request, _id(request)),
        "/sign-out": lambda desk, request: desk.alerts.sign_out(request),
        "/enrol": lambda desk, request: desk.enrolment.begin(request),
        "/enrol/confirm": lambda desk, request: desk.enrolment.confirm(request),
    }
    app.add_route(
        "/enrol",
        _serve(pages, enter, lambda desk, request: desk.enrolment.show(request)),
        methods=["GET"],
        include_in_schema=False,
    )
    for path, act in posts.items():
        app.add_route(path, _serve(pages, enter, act), methods=["POST"], include_in_schema=False)


def _id(request: Request) -> str:
    return str(request.path_params["alert_id"])


def _serve(pages: Pages, enter: Callable[[], Reception | None], act: Act) -> Serve:
    async def serve(request: Request) -> Response:
        desk = enter()
        if desk is None:
            return _render_away(pages)
        try:
            return await act(desk, request)
        except FormRefusedError:
            return pages.message("Not accepted", STALE, status=FORBIDDEN)
        except TRANSIENT_ERRORS as error:
            log.warning("request.postponed", exc_info=error)
            return _render_away(pages)

    return serve


def _render_away(pages: Pages) -> Response:
    text = "Nothing can be read or recorded at this moment. Try again, or call the duty desk."
    return pages.message("Not available now", text, status=AWAY, headers={"retry-after": "1"})
