"""Serving an ASGI app: uvicorn on the running loop, its port bound before all else, drained at the end."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

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


class _WholeAnswers:
    """A transport that sends head and body of an answer together: one packet and one system call for both."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        held, self._held = self._held, []
        if held:
            self._transport.write(b"".join(held))


class _Protocol(HttpToolsProtocol):
    """uvicorn writes an answer's head and body apart."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(cast("asyncio.Transport", _WholeAnswers(transport, self.loop)))


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
        http=_Protocol,
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
