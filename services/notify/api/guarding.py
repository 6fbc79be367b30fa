"""Who sends a body is known before it is read, and it is read no further than its route takes."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.types import Message, Receive

from services.notify.api.refusals import CUT_SHORT, RefusedError, refuse_long_body
from services.runtime.bodies import CutBodyError, LongBodyError, read_body

MOST_BYTES: Final = 32 * 1024
"""What people type, with each of its characters escaped."""
MOST_BYTES_OF_IDS: Final = 512 * 1024
REDRIVE_PATH: Final = "/v1/operator/deliveries/redrive"

Handle = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """FastAPI reads and judges a body before it asks for the key; a stranger could fill our memory."""

    def get_route_handler(self) -> Handle:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle
        return self._guard(handle, at_most=MOST_BYTES_OF_IDS if self.path == REDRIVE_PATH else MOST_BYTES)

    def _guard(self, handle: Handle, *, at_most: int) -> Handle:
        guards = [
            (dependency.call, bearer.call)
            for dependency in self.dependant.dependencies
            for bearer in dependency.dependencies
            if dependency.call is not None and isinstance(bearer.call, HTTPBearer)
        ]
        if not guards:
            raise TypeError(f"{self.path} takes a body and asks for no key")

        async def handle_known(request: Request) -> Response:
            for authenticate, bearer in guards:
                await authenticate(await bearer(request))
            try:
                body = await read_body(request.receive, request.scope["headers"], at_most=at_most)
            except LongBodyError:
                raise RefusedError(refuse_long_body(at_most)) from None
            except CutBodyError:
                raise RefusedError(CUT_SHORT) from None
            return await handle(Request(request.scope, _replay(body)))

        return handle_known


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
