"""Agencies' systems for tests: real HTTP, verified by the public library, recording and misbehaving."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from services.runtime.crypto import new_webhook_secret
from tests.support.waiting import SECONDS

Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Arrival:
    """One request: whether the public library verified it, and what it said."""

    webhook_id: str
    headers: Mapping[str, str]
    body: bytes
    is_verified: bool

    @property
    def event(self) -> dict[str, Any]:
        document: dict[str, Any] = orjson.loads(self.body)
        return document

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.event["data"]
        return data


@dataclass
class Receiver:
    """One endpoint. `answer` may be replaced at any time; by default it accepts what verifies."""

    url: str
    secret: str = field(default_factory=new_webhook_secret)
    arrivals: list[Arrival] = field(default_factory=list)
    answer: Answer | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        arrival = await self._read(request)
        self.arrivals.append(arrival)
        async with self.changed:
            self.changed.notify_all()
        if self.answer is not None:
            return await self.answer(request)
        return web.Response(status=204 if arrival.is_verified else 401)

    async def wait_for(self, count: int) -> list[Arrival]:
        """Returns when so many requests came. Raises TimeoutError."""
        async with asyncio.timeout(SECONDS), self.changed:
            await self.changed.wait_for(lambda: len(self.arrivals) >= count)
        return list(self.arrivals)

    async def _read(self, request: web.Request) -> Arrival:
        body, headers = await request.read(), {name.lower(): text for name, text in request.headers.items()}
        try:
            Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError:
            is_verified = False
        else:
            is_verified = True
        return Arrival(headers.get("webhook-id", ""), headers, body, is_verified)


def status(code: int, **headers: str) -> Answer:
    """Answers with this status; a header `retry_after` is `Retry-After`."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


async def hang_up(request: web.Request) -> web.StreamResponse:
    """No answer, but the end of the connection."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=204)


class Gate:
    """Answers 204 once it is opened."""

    def __init__(self) -> None:
        self._open = asyncio.Event()

    def open(self) -> None:
        self._open.set()

    async def answer(self, _: web.Request) -> web.StreamResponse:
        await self._open.wait()
        return web.Response(status=204)


class Receivers:
    """A server; each name is an endpoint of its own with a secret of its own."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._by_name: dict[str, Receiver] = {}

    def __getitem__(self, name: str) -> Receiver:
        return self._by_name.setdefault(name, Receiver(f"{self.base_url}/{name}"))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        return await self[request.match_info["name"]].handle(request)


@asynccontextmanager
async def open_receivers() -> AsyncIterator[Receivers]:
    """Listens on a free loopback port while the block runs."""
    app = web.Application()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    receivers = Receivers("")
    app.router.add_post("/{name}", receivers.handle)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receivers.base_url = "http://{}:{}".format(*runner.addresses[0][:2])
    try:
        yield receivers
    finally:
        await runner.cleanup()
