"""Serving an ASGI app: uvicorn on the running loop, its port bound before all else, drained at the end."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from services.runtime.lifecycle import Lifetime

GRACEFUL_SECONDS: Final = 10
BACKLOG: Final = 2048


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class _Server(uvicorn.Server):
    """Leaves the signals to the lifecycle."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(app: ASGIApp, *, host: str, port: int, lifetime: Lifetime) -> None:
    """Serves until the lifetime ends, then finishes the requests in hand."""
    async with open_server(app, host=host, port=port, lifetime=lifetime):
        await lifetime.wait()


@asynccontextmanager
async def open_server(
    app: ASGIApp, *, host: str, port: int, lifetime: Lifetime | None = None
) -> AsyncIterator[Address]:
    """Serves within the block; port 0 takes a free one. Raises OSError if the port is taken."""
    listener = _bind(host, port)
    server = _Server(_config(app))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    if lifetime is not None:
        serving.add_done_callback(lambda task: _report(lifetime, task))
    try:
        yield Address(host, listener.getsockname()[1])
    finally:
        server.should_exit = True
        await asyncio.wait({serving})
        listener.close()


def _report(lifetime: Lifetime, serving: asyncio.Task[None]) -> None:
    error = None if serving.cancelled() else serving.exception()
    if error is not None:
        lifetime.fail(error)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listener.settimeout(0)
    return listener
