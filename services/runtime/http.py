"""Serving an ASGI app: uvicorn on the running loop, its port bound before all else, drained at the end."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp

from services.runtime.connections import DEFAULT_LIMITS, ConnectionLimits, LimitedProtocol, Watch, allow_files
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
    app: ASGIApp,
    *,
    host: str,
    port: int,
    lifetime: Lifetime | None = None,
    limits: ConnectionLimits = DEFAULT_LIMITS,
) -> AsyncIterator[Address]:
    """Serves within the block; port 0 takes a free one. Raises OSError if the port is taken."""
    allow_files(limits)
    listener = _bind(host, port)
    watch = Watch(limits)
    server = _Server(_config(app, watch))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    sweeping = asyncio.create_task(watch.sweep_for_ever())
    if lifetime is not None:
        for task in (serving, sweeping):
            task.add_done_callback(lambda done: _report(lifetime, done))
    try:
        yield Address(host, listener.getsockname()[1])
    finally:
        server.should_exit = True
        await asyncio.wait({serving})
        sweeping.cancel()
        listener.close()


def _report(lifetime: Lifetime, serving: asyncio.Task[None]) -> None:
    error = None if serving.cancelled() else serving.exception()
    if error is not None:
        lifetime.fail(error)


def _config(app: ASGIApp, watch: Watch) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http=cast("Any", partial(LimitedProtocol, watch=watch)),
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
