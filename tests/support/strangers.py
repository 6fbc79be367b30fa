"""Somebody who sends bytes to a server, and sees how many it took and what it answered."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support.waiting import SECONDS

MEGABYTE = 1024 * 1024
TAKEN_AT_MOST = 24 * MEGABYTE
"""What a server takes before it ends a connection that it does not read: mostly the system's own buffers."""


@dataclass(frozen=True)
class Ending:
    """What came back until the server closed; `sent_bytes` went out before."""

    received: bytes
    sent_bytes: int = 0

    @property
    def status(self) -> int | None:
        """None: it closed without a word."""
        return int(self.received.split(b" ", 2)[1]) if self.received else None

    @property
    def head(self) -> str:
        return self.received.partition(b"\r\n\r\n")[0].decode().lower()

    @property
    def problem(self) -> Any:  # noqa: ANN401 -- JSON
        assert "content-type: application/problem+json" in self.head
        return json.loads(self.received.partition(b"\r\n\r\n")[2])


@dataclass(frozen=True)
class Stranger:
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> bytes:
        """The next bytes."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.read(65536)

    async def wait_closed(self) -> Ending:
        """Returns when the server has closed."""
        received = b""
        async with asyncio.timeout(SECONDS):
            with suppress(ConnectionError):
                while part := await self.reader.read(65536):
                    received += part
        return Ending(received)

    async def pour(self, start: bytes, *, fill: bytes, most: int = 100 * MEGABYTE) -> Ending:
        """Sends `fill` over and over until the server has closed, or took it all and still did not."""
        sent = 0
        ending = asyncio.create_task(self.wait_closed())
        with suppress(ConnectionError):
            await self.send(start)
            while sent < most and not ending.done():
                await self.send(fill)
                sent += len(fill)
        return Ending((await ending).received, sent)


@asynccontextmanager
async def connected(url: str, *, count: int = 1) -> AsyncIterator[Sequence[Stranger]]:
    """So many connections; they close after the block."""
    parts = urlsplit(url)
    strangers = [Stranger(*await asyncio.open_connection(parts.hostname, parts.port)) for _ in range(count)]
    try:
        yield strangers
    finally:
        for stranger in strangers:
            stranger.writer.close()


@asynccontextmanager
async def stranger_at(url: str) -> AsyncIterator[Stranger]:
    async with connected(url) as (stranger,):
        yield stranger
