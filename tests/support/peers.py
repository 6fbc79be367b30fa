"""Peers that listen on loopback and do what they are told: the other side of a channel."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(peer: Peer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A raw server that does what it is told; its port.

    Nothing of it is left after the block: the collector would complain of an open connection in another test.
    """
    met: list[tuple[asyncio.Task[None] | None, asyncio.StreamWriter]] = []

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append((asyncio.current_task(), writer))
        try:
            await peer(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*(_leave(task, writer) for task, writer in met))


async def _leave(task: "asyncio.Task[None] | None", writer: asyncio.StreamWriter) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait({task})
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(1024):
        pass


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def talk_garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\xff garbage \r\n\r\n" * 100)
    await writer.drain()
    await reader.read(1024)


async def greet_endlessly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


def say_http(answer: bytes) -> Peer:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(answer)
        await writer.drain()

    return peer


def say_smtp(answer: bytes, *, greeting: bytes = b"220 mail.example", **by_command: bytes) -> Peer:
    """A mail server of few words: one answer for every command, another for those that are named."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting + b"\r\n")
        while line := await reader.readline():
            command = line.split()[0].lower().decode() if line.strip() else ""
            writer.write(by_command.get(command, answer) + b"\r\n")
            await writer.drain()

    return peer
