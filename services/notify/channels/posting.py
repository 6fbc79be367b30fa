"""Posting over HTTP/1.1 to receivers whose addresses are checked where they are dialled.

A client of our own, for what it must not do as much as for what it costs: no redirect, proxy, cookie or
repetition, nothing from the environment, and no address that the operator does not allow.
"""

import asyncio
import socket
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias

from aiohappyeyeballs import AddrInfoType, start_connection
from yarl import URL

from services.notify.channels.connection import Answer, Connection
from services.notify.egress import Egress, EgressRefusedError
from services.runtime.clock import Clock

KEEPALIVE_SECONDS: Final = 30.0
TIDY_SECONDS: Final = 0.25
NEXT_ADDRESS_SECONDS: Final = 0.25


class UrlUnusableError(ValueError):
    """No HTTP request can be made of this URL."""


class NotConnectedError(OSError):
    """What broke or took too long was the connection itself: nothing of the request was sent."""


_BROKEN: Final = (TimeoutError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection leads to."""

    host: str
    port: int
    is_secure: bool


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes, and its head as far as it is always the same."""

    origin: Origin
    head: bytes


@lru_cache(maxsize=1024)
def read_target(url: str, head: str) -> Target:
    """For a POST with these header lines. Raises UrlUnusableError."""
    try:
        parsed = URL(url)
        host, port = parsed.raw_host, parsed.port
    except ValueError as error:
        raise UrlUnusableError from error
    # No credentials go out: what is in a URL was never sealed.
    if parsed.scheme not in {"http", "https"} or not host or not port or parsed.user is not None:
        raise UrlUnusableError
    first = f"POST {parsed.raw_path_qs} HTTP/1.1\r\nhost: {parsed.host_port_subcomponent}\r\n"
    origin = Origin(host, port, is_secure=parsed.scheme == "https")
    return Target(origin, (first + head).encode())


def build_tls_context(authorities: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 or newer, certificate and name checked; trusts the system's authorities and these."""
    context = ssl.create_default_context()
    if authorities is not None:
        context.load_verify_locations(authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


Resolve: TypeAlias = Callable[[Origin], Awaitable[Sequence[AddrInfoType]]]


class HttpClient:
    """Keeps connections for the next request to the same origin."""

    def __init__(
        self,
        egress: Egress,
        *,
        patience: timedelta,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._guard = _Guard(egress)
        self._seconds = patience.total_seconds()
        self._clock = clock
        self._tls = tls or build_tls_context()
        self._resolve = resolve or resolve_with_system
        self._idle: defaultdict[Origin, deque[tuple[float, Connection]]] = defaultdict(deque)
        self._deadlines: dict[Connection, float] = {}
        self._lookups: dict[Origin, asyncio.Task[Sequence[AddrInfoType]]] = {}

    async def post(self, target: Target, *, headers: bytes, body: bytes) -> Answer:
        """Raises OSError or one of the errors of `Connection`.

        One of `_BROKEN` means that the request may have been read.
        """
        length = b"content-length: %d\r\n\r\n" % len(body)
        request = b"".join((target.head, headers, length, body))
        connection = self._take(target.origin)
        if connection is not None:
            answer = await self._watch(connection, request)
        else:
            connection, answer = await self._exchange_anew(target.origin, request)
        if connection.is_open:
            self._idle[target.origin].append((self._clock.monotonic(), connection))
        return answer

    async def _exchange_anew(self, origin: Origin, request: bytes) -> tuple[Connection, Answer]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._seconds
        try:
            async with asyncio.timeout_at(deadline):
                connection = await self._dial(origin)
        except _BROKEN as error:
            raise NotConnectedError from error
        # Not cancelled when the time is up: a status that has come by then counts.
        end = loop.call_at(deadline, connection.give_up, TimeoutError())
        try:
            return connection, await connection.exchange(request)
        finally:
            end.cancel()

    def tidy(self) -> None:
        """Ends exchanges that have lasted too long, and connections that were not used for long."""
        now = self._clock.monotonic()
        # All have the same patience, so the first to begin is the first to end.
        for connection, until in list(self._deadlines.items()):
            if until > now:
                break
            connection.give_up(TimeoutError())
        self.close_idle(since=now - KEEPALIVE_SECONDS)

    def close_idle(self, *, since: float) -> None:
        """Ends what was not used since this instant of the monotonic clock."""
        for origin, kept in list(self._idle.items()):
            while kept and kept[0][0] <= since:
                kept.popleft()[1].close()
            if not kept:
                del self._idle[origin]

    async def tidy_for_ever(self) -> None:
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            self.tidy()

    async def _watch(self, connection: Connection, request: bytes) -> Answer:
        """A timer for each request would cost as much as its signature: `tidy` watches over all."""
        self._deadlines[connection] = self._clock.monotonic() + self._seconds
        try:
            return await connection.exchange(request)
        finally:
            del self._deadlines[connection]

    def _take(self, origin: Origin) -> Connection | None:
        """The one used last, so that those too many grow old."""
        kept = self._idle.get(origin)
        while kept:
            _, connection = kept.pop()
            if connection.is_open:
                return connection
        return None

    async def _dial(self, origin: Origin) -> Connection:
        loop = asyncio.get_running_loop()
        connected = await start_connection(
            await self._look_up(origin),
            happy_eyeballs_delay=NEXT_ADDRESS_SECONDS,
            interleave=1,
            loop=loop,
            socket_factory=self._guard,
        )
        try:
            _, connection = await loop.create_connection(
                Connection,
                sock=connected,
                ssl=self._tls if origin.is_secure else None,
                server_hostname=origin.host.rstrip(".") if origin.is_secure else None,
            )
        except BaseException:
            connected.close()
            raise
        return connection

    async def _look_up(self, origin: Origin) -> Sequence[AddrInfoType]:
        """One question for all that wait for the same answer: a slow name must not use up the threads."""
        asked = self._lookups.get(origin)
        if asked is None:
            asked = asyncio.ensure_future(self._resolve(origin))
            self._lookups[origin] = asked
            asked.add_done_callback(lambda _: self._lookups.pop(origin))
        return await asyncio.shield(asked)


@asynccontextmanager
async def open_http_client(
    egress: Egress,
    *,
    patience: timedelta,
    clock: Clock,
    tls: ssl.SSLContext | None = None,
    resolve: Resolve | None = None,
) -> AsyncIterator[HttpClient]:
    client = HttpClient(egress, patience=patience, clock=clock, tls=tls, resolve=resolve)
    tidying = asyncio.create_task(client.tidy_for_ever())
    try:
        yield client
    finally:
        tidying.cancel()
        client.close_idle(since=clock.monotonic())


class _Guard:
    """Makes the sockets, so that the address dialled is the address checked, however it was found."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress

    def __call__(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, place = address
        if not self._egress.permits(str(place[0])):
            raise EgressRefusedError
        return socket.socket(family, kind, protocol)


async def resolve_with_system(origin: Origin) -> Sequence[AddrInfoType]:
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(
        origin.host, origin.port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
