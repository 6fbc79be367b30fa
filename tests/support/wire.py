"""A TCP wire to a server that goes dead towards the client at a chosen moment: what was asked is done, and
the client never learns it. So a process can be killed between its commit and whatever it does next."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.support.waiting import SECONDS

_CHUNK_BYTES = 65536


@dataclass
class Wire:
    """The first connection on which a client says all the last words, in order, gets no answer any more."""

    target: tuple[str, int]
    last_words: Sequence[bytes]
    port: int = 0
    _dead: asyncio.Event = field(default_factory=asyncio.Event)
    _dead_end: asyncio.StreamWriter | None = None

    async def wait_dead(self) -> None:
        """Returns when some client has said its last words and they are on their way."""
        async with asyncio.timeout(SECONDS):
            await self._dead.wait()

    def cut(self) -> None:
        """Ends the connection that went dead."""
        assert self._dead_end is not None
        self._dead_end.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        there, back = await asyncio.open_connection(*self.target)
        is_dead = asyncio.Event()
        try:
            await asyncio.gather(
                self._ask(reader, back, writer, is_dead), self._answer(there, writer, is_dead)
            )
        finally:
            back.close()
            writer.close()

    async def _ask(
        self,
        client: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
        is_dead: asyncio.Event,
    ) -> None:
        words, heard = list(self.last_words), b""
        while chunk := await client.read(_CHUNK_BYTES):
            heard += chunk
            while words and words[0] in heard:
                heard = heard.partition(words.pop(0))[2]
            is_last = not words and self._dead_end is None
            if is_last:
                self._dead_end = back
                is_dead.set()
            server.write(chunk)
            await server.drain()
            if is_last:
                self._dead.set()
        server.write_eof()

    async def _answer(
        self, server: asyncio.StreamReader, client: asyncio.StreamWriter, is_dead: asyncio.Event
    ) -> None:
        while chunk := await server.read(_CHUNK_BYTES):
            if not is_dead.is_set():
                client.write(chunk)
                await client.drain()


@asynccontextmanager
async def open_wire(host: str, port: int, *, last_words: Sequence[bytes]) -> AsyncIterator[Wire]:
    """Listens on a free loopback port within the block."""
    wire = Wire((host, port), last_words)
    connections: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        with suppress(ConnectionError):
            await wire.carry(reader, writer)

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
