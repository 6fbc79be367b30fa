"""A lean HTTP/1.1 client and server, so that load and receivers do not eat what they measure."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools


class Connection(asyncio.Protocol):
    """One keep-alive client connection with one request in flight."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._done: asyncio.Future[tuple[int, bytes]] | None = None
        self._body: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done and not self._done.done():
            self._done.set_exception(exc or ConnectionResetError())
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._done and not self._done.done():
            self._done.set_result((self._parser.get_status_code(), b"".join(self._body)))
        self._body = []
        self._parser = httptools.HttpResponseParser(self)

    async def post(self, head: bytes, body: bytes) -> tuple[int, bytes]:
        """Send one POST; return status and body of the answer."""
        if self._transport is None:
            raise ConnectionResetError
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        return await self._done


class Pool:
    """A fixed number of connections to one server, taken in turn."""

    def __init__(self, *, host: str, port: int, size: int) -> None:
        self._address = (host, port)
        self._free: deque[Connection] = deque()
        self._slots = asyncio.Semaphore(size)

    async def post(self, head: bytes, body: bytes) -> tuple[int, bytes]:
        """Post over a free connection, opening one if needed; raise OSError when the server is away."""
        async with self._slots:
            connection = self._free.popleft() if self._free else await self._open()
            answer = await connection.post(head, body)
            self._free.append(connection)
            return answer

    async def _open(self) -> Connection:
        _, protocol = await asyncio.get_running_loop().create_connection(Connection, *self._address)
        return protocol


Handler = Callable[[str, dict[str, str], bytes], int]
"""(path, lower-case headers, body) -> status."""


class ServerProtocol(asyncio.Protocol):
    """One server connection: answers each request with an empty body and the handler's status."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._reset()

    def _reset(self) -> None:
        self._path = ""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._handler(self._path, self._headers, b"".join(self._body))
        self._reset()
        if self._transport is not None:
            self._transport.write(b"HTTP/1.1 %d OK\r\nContent-Length: 0\r\n\r\n" % status)
