"""A real SMTP server that notes which alert each mail is about, and when it came."""

import asyncio
import re
import signal
import sys
import time
from email import message_from_bytes, policy
from pathlib import Path
from typing import Final

import orjson
import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session

_LINK: Final = re.compile(r"/a/([0-9a-f-]{36})")


class Sink:
    """Keeps (alert id, recipient, instant) of each mail."""

    def __init__(self) -> None:
        self.arrivals: list[tuple[str, str, float]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take one mail."""
        del server, session
        at = time.time()
        content = envelope.content
        assert isinstance(content, bytes)
        part = message_from_bytes(content, policy=policy.default).get_body(("plain",))
        found = _LINK.search(part.get_content()) if part is not None else None
        if found is None:
            return "550 no link"
        self.arrivals.extend((found[1], recipient, at) for recipient in envelope.rcpt_tos)
        return "250 OK"


async def _serve(sink: Sink) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(sink, loop=loop), "127.0.0.1", 0)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: _print_count(sink))
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


def _print_count(sink: Sink) -> None:
    sys.stdout.write(f"{len(sink.arrivals)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _sink = Sink()
    uvloop.run(_serve(_sink))
    Path(sys.argv[2]).write_bytes(orjson.dumps({"arrivals": _sink.arrivals, "refused": 0}))
