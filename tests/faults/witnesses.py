"""What agencies got: their systems over HTTP, which may misbehave, and their mailboxes over SMTP."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from random import Random
from typing import Any

import orjson
from aiohttp import web
from standardwebhooks import Webhook

from services.runtime.crypto import new_webhook_secret
from tests.faults.plan import Mood
from tests.support.mailbox import Mail, Mailbox

SLOWEST_SECONDS = 4.0
"""Below the time-out of the run: who waits so long has given nothing up."""

PUT_OFF = "451 4.7.1 Come again later"

_LINK = re.compile(r"/a/([0-9a-f-]{36})")


@dataclass(frozen=True)
class Heard:
    """One webhook that an endpoint kept; `at` is of the monotonic clock, which no test moves."""

    endpoint: str
    agency: str
    at: float
    webhook_id: str
    body: bytes
    is_sound: bool

    @cached_property
    def event(self) -> dict[str, Any]:
        document: dict[str, Any] = orjson.loads(self.body)
        return document

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.event["data"]
        return data

    @property
    def alert_id(self) -> str:
        return self.webhook_id.partition("_")[0]

    @property
    def is_alert(self) -> bool:
        return bool(self.event["type"] == "org.tocsin.alert.v1")

    @property
    def is_notice(self) -> bool:
        """A duty that is told for the first time: a reminder is none."""
        return bool(self.event["type"] == "org.tocsin.duty.v1") and not self.data.get("reminder")

    @property
    def is_whole(self) -> bool:
        """An alert that is not only pointed to."""
        return self.is_alert and "event_id" in self.data


@dataclass(frozen=True)
class Letter:
    """One e-mail that the server took."""

    recipient: str
    message_id: str
    alert_id: str | None


@dataclass
class Endpoint:
    """One system of an agency. It keeps what it answers for, and says so to whoever listens."""

    name: str
    agency: str
    url: str
    heard: list[Heard]
    listen: Callable[[Heard], None]
    secret: str = field(default_factory=new_webhook_secret)
    mood: Mood | None = None
    thawed: asyncio.Event = field(default_factory=asyncio.Event)
    unsure: list[tuple[float, float]] = field(default_factory=list)
    """From when until when no answer said what it has; the last end is open while it lasts."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if self.mood is Mood.FROZEN:
            await self.thawed.wait()
            return _hang_up(request)
        if self.mood is Mood.FAILING:
            return web.Response(status=503)
        if self.mood is Mood.BUSY:
            return web.Response(status=429)
        if self.mood is Mood.SLOW:
            await asyncio.sleep(Random(body).choice((0, SLOWEST_SECONDS)))
            if request.transport is None or request.transport.is_closing():
                return _hang_up(request)
        heard = self._read(request, body)
        self.heard.append(heard)
        self.listen(heard)
        return _hang_up(request) if self.mood is Mood.SPEECHLESS else web.Response(status=204)

    def spoil(self, mood: Mood) -> None:
        self.mend()
        self.mood = mood
        self.thawed.clear()
        if mood is not Mood.BUSY:
            self.unsure.append((time.monotonic(), float("inf")))

    def mend(self) -> None:
        if self.mood not in {None, Mood.BUSY}:
            self.unsure[-1] = self.unsure[-1][0], time.monotonic()
        self.mood = None
        self.thawed.set()

    def _read(self, request: web.Request, body: bytes) -> Heard:
        """The public library's signature for the instant that the sender named: its clock may be any."""
        webhook_id = request.headers.get("webhook-id", "")
        told = datetime.fromtimestamp(int(request.headers.get("webhook-timestamp", "0")), UTC)
        signature = Webhook(self.secret).sign(webhook_id, told, body.decode())
        is_sound = signature in request.headers.get("webhook-signature", "").split(" ")
        return Heard(self.name, self.agency, time.monotonic(), webhook_id, body, is_sound)


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


@dataclass
class Endpoints:
    """A server with one endpoint for each name."""

    base_url: str = ""
    heard: list[Heard] = field(default_factory=list)
    listen: Callable[[Heard], None] = lambda _: None
    by_name: dict[str, Endpoint] = field(default_factory=dict)

    def add(self, name: str, *, agency: str) -> Endpoint:
        made = Endpoint(name, agency, f"{self.base_url}/{name}", self.heard, self._tell)
        self.by_name[name] = made
        return made

    def of(self, agency: str | None) -> list[Endpoint]:
        """Those of an agency, or all."""
        return [endpoint for endpoint in self.by_name.values() if agency in {None, endpoint.agency}]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        return await self.by_name[request.match_info["name"]].handle(request)

    def _tell(self, heard: Heard) -> None:
        self.listen(heard)


@asynccontextmanager
async def open_endpoints() -> AsyncIterator[Endpoints]:
    """Listens on a free loopback port while the block runs."""
    app, endpoints = web.Application(), Endpoints()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    app.router.add_post("/{name}", endpoints.handle)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoints.base_url = "http://{}:{}".format(*runner.addresses[0][:2])
    try:
        yield endpoints
    finally:
        for endpoint in endpoints.by_name.values():
            endpoint.mend()
        await runner.cleanup()


def read_letters(mailbox: Mailbox) -> list[Letter]:
    return [_read_letter(mail) for mail in mailbox.mails]


def _read_letter(mail: Mail) -> Letter:
    found = _LINK.search(mail.part("plain"))
    return Letter(mail.recipient, str(mail.message["Message-ID"]), found and found.group(1))
