"""The agencies' systems: HTTP receivers that verify with the public `standardwebhooks` library."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import orjson
from aiohttp import web
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from services.cli.demonstration.claims import Webhook

_SIGNED: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Receivers:
    """One server with a path per agency; keeps what verified and what each request was."""

    def __init__(self, agencies: Sequence[str]) -> None:
        self.secrets = {agency: _new_secret() for agency in agencies}
        self.webhooks: list[Webhook] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.arrived = asyncio.Condition()
        self.base_url = ""

    @property
    def endpoints(self) -> Mapping[str, tuple[str, str]]:
        """Agency id -> url and secret, for the directory."""
        return {agency: (f"{self.base_url}/{agency}", secret) for agency, secret in self.secrets.items()}

    async def handle(self, request: web.Request) -> web.Response:
        """Verify, then keep; 401 for what does not verify."""
        agency, body = request.match_info["agency"], await request.read()
        headers = {name: request.headers.get(name, "") for name in _SIGNED}
        try:
            Verifier(self.secrets[agency]).verify(body, headers)
        except WebhookVerificationError:
            return web.Response(status=401)
        if "demo-probe" not in request.headers:
            self.requests.append((agency, headers, body))
            self.webhooks.append(Webhook(agency, headers["webhook-id"], True, orjson.loads(body)))  # noqa: FBT003 - a record
            async with self.arrived:
                self.arrived.notify_all()
        return web.Response(status=204)

    async def wait_for(self, count: int, *, event_id: str, seconds: float) -> bool:
        """Wait until so many webhooks of an event arrived; False if they did not in time."""

        def arrived() -> bool:
            return sum(hook.event_id == event_id for hook in self.webhooks) >= count

        try:
            async with asyncio.timeout(seconds), self.arrived:
                await self.arrived.wait_for(arrived)
        except TimeoutError:
            return False
        return True

    async def probe(self, *, change: tuple[bytes, bytes]) -> tuple[int, int]:
        """Send a kept request again, changed and untouched; return both statuses."""
        old, new = change
        agency, headers, body = next(each for each in self.requests if old in each[2])
        url = f"{self.base_url}/{agency}"
        async with aiohttp.ClientSession(headers=headers | {"demo-probe": "1"}) as session:
            async with session.post(url, data=body.replace(old, new, 1)) as changed:
                pass
            async with session.post(url, data=body) as untouched:
                pass
        return changed.status, untouched.status


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


@asynccontextmanager
async def open_receivers(agencies: Sequence[str]) -> AsyncIterator[Receivers]:
    """Listen on a free loopback port while the block runs."""
    receivers = Receivers(agencies)
    app = web.Application()
    app.router.add_post("/{agency}", receivers.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receivers.base_url = "http://{}:{}".format(*runner.addresses[0][:2])
    try:
        yield receivers
    finally:
        await runner.cleanup()
