"""Webhooks over HTTP: one try, no redirect, and no address that the operator does not allow."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import aiohttp
from aiohappyeyeballs import AddrInfoType

from services.notify.bodies import CONTENT_TYPE
from services.notify.delivery import Attempt, Channel, Outcome, judge_status
from services.notify.egress import Egress, EgressRefusedError
from services.notify.signing import sign
from services.runtime.clock import Clock
from services.runtime.faults import error_type

MOST_BODY_BYTES: Final = 2048
BODY_SECONDS: Final = 1.0
KEEPALIVE_SECONDS: Final = 30
LONGEST_RETRY_AFTER: Final = timedelta(days=1)

_HEADERS: Final = {
    "content-type": CONTENT_TYPE,
    "user-agent": "Tocsin",
    "accept": "*/*",
    "accept-encoding": "identity",
}


class WebhookChannel:
    """Signs a body and posts it. Whatever the receiver does comes back as an Attempt."""

    def __init__(self, session: aiohttp.ClientSession, egress: Egress, *, clock: Clock) -> None:
        self._session = session
        self._egress = egress
        self._clock = clock

    async def send(self, url: str, keys: Sequence[bytes], *, webhook_id: str, body: bytes) -> Attempt:
        if not self._egress.permits_scheme(url):
            return Attempt(Outcome.REFUSED, detail="https_required")
        headers = _HEADERS | sign(keys, webhook_id=webhook_id, at=self._clock.now(), body=body)
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                await _drain(response)
                return _judge(response)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: a URL or an answer that no parser can make sense of.
            return _judge_error(error)


@asynccontextmanager
async def open_webhook_channel(
    egress: Egress, *, patience: timedelta, connections: int, clock: Clock
) -> AsyncIterator[WebhookChannel]:
    """One session: connections are kept, cookies, proxies and the environment are ignored."""
    connector = aiohttp.TCPConnector(
        limit=connections, keepalive_timeout=KEEPALIVE_SECONDS, socket_factory=_guard(egress)
    )
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=patience.total_seconds()),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        max_line_size=8190,
        read_bufsize=4096,
    )
    async with session:
        yield WebhookChannel(session, egress, clock=clock)


class _Guard:
    """Makes the sockets, so that the address dialled is the address checked, however it was found."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress

    def __call__(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, place = address
        if not self._egress.permits(str(place[0])):
            raise EgressRefusedError
        return socket.socket(family, kind, protocol)


def _guard(egress: Egress) -> _Guard:
    return _Guard(egress)


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Reads a short body, so that the connection can be used again; of any other, the connection is closed.

    The status has been received and counts, whatever becomes of the body.
    """
    content = response.content
    if content.at_eof():
        return
    with contextlib.suppress(aiohttp.ClientError, OSError, ValueError):
        async with asyncio.timeout(BODY_SECONDS):
            read = 0
            while read <= MOST_BODY_BYTES and (chunk := await content.readany()):
                read += len(chunk)
    if not content.at_eof():
        response.close()


def _judge(response: aiohttp.ClientResponse) -> Attempt:
    outcome = judge_status(Channel.WEBHOOK, response.status)
    retry_after = _parse_retry_after(response.headers.get("retry-after"))
    return Attempt(outcome, status_code=response.status, retry_after=retry_after)


def _judge_error(error: Exception) -> Attempt:
    if _is_refusal(error):
        return Attempt(Outcome.REFUSED, detail=EgressRefusedError.__name__)
    if isinstance(error, aiohttp.InvalidURL):
        return Attempt(Outcome.REFUSED, detail=error_type(error))
    return Attempt(Outcome.UNAVAILABLE, detail=error_type(error))


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, EgressRefusedError)


def _parse_retry_after(value: str | None) -> timedelta | None:
    """The seconds of a Retry-After; a date in it is passed over, for the receiver's clock may be any."""
    if value is None or not value.isascii() or not value.isdigit() or len(value) > len("86400000"):
        return None
    return min(timedelta(seconds=int(value)), LONGEST_RETRY_AFTER)
