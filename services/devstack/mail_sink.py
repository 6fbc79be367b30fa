"""`python -m services.devstack.mail_sink PORT FOLDER`: an SMTP server that keeps every mail as a file."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from services.devstack.logbook import configure_logs
from services.devstack.ports import LOOPBACK
from services.runtime.clock import new_id
from services.runtime.logs import get_logger

log = get_logger()


class FolderHandler:
    """Writes each mail to a file of its own: `<id>.eml`, whole or not at all."""

    def __init__(self, folder: Path, new_name: Callable[[], str]) -> None:
        self._folder = folder
        self._new_name = new_name

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's name
        del server, session
        content = envelope.original_content or b""
        name = self._new_name()
        unfinished = self._folder / f".{name}"
        unfinished.write_bytes(content)
        unfinished.rename(self._folder / f"{name}.eml")
        return "250 kept"


async def serve(port: int, folder: Path) -> None:
    """Until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    handler = FolderHandler(folder, new_name=lambda: str(new_id()))
    server = await loop.create_server(lambda: SMTP(handler, loop=loop), LOOPBACK, port)
    log.info("mail.sink_started", address=f"{LOOPBACK}:{port}", folder=str(folder))
    async with server:
        await stopping.wait()


def main() -> None:
    configure_logs(service="mail")
    folder = Path(sys.argv[2])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    asyncio.run(serve(int(sys.argv[1]), folder))


if __name__ == "__main__":
    main()
