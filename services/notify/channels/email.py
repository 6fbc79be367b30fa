"""E-mail over SMTP: one try over a kept connection. Only postcards are sent."""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from typing import Final

import aiosmtplib
from aiosmtplib.errors import (
    SMTPConnectError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)

from services.notify.delivery import Attempt, Channel, Outcome, Trouble, judge_status, judge_trouble
from services.notify.postcard import RenderedPostcard
from services.notify.settings import StartTls
from services.runtime.clock import Clock
from services.runtime.faults import error_type

MOST_MESSAGES: Final = 100
IDLE_SECONDS: Final = 20.0
DELIVERED_CODE: Final = 250


@dataclass(frozen=True, slots=True)
class MailServer:
    """The server that takes our mail, and whom it is from."""

    host: str
    port: int
    starttls: StartTls
    sender: str
    """`Name <address>`, or the address alone; neutral."""
    tls_context: ssl.SSLContext | None = None
    """None trusts what the system trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One e-mail. `message_id` is opaque and the same for every try."""

    to: str
    message_id: str
    postcard: RenderedPostcard


@dataclass(slots=True)
class _Line:
    """A connection and how it has been used."""

    smtp: aiosmtplib.SMTP
    idle_since: float
    message_count: int = 0


class EmailChannel:
    """Hands letters to the mail server. Whatever it does comes back as an Attempt."""

    def __init__(self, server: MailServer, *, patience: timedelta, clock: Clock) -> None:
        self._server = server
        self._timeout = patience.total_seconds()
        self._clock = clock
        self._sender = parseaddr(server.sender)
        self._idle: deque[_Line] = deque()

    async def send(self, letter: Letter) -> Attempt:
        try:
            async with asyncio.timeout(self._timeout), self._borrow() as line:
                message = self._compose(letter)
                await line.sendmail(self._sender[1], [letter.to], message)
        except SMTPRecipientsRefused as error:
            return _judge(error.recipients[0])
        except (SMTPSenderRefused, SMTPDataError) as error:
            return _judge(error)
        except (SMTPException, OSError, ValueError) as error:
            return _judge_session(error)
        return Attempt(Outcome.DELIVERED, status_code=DELIVERED_CODE)

    async def close(self) -> None:
        while self._idle:
            await _hang_up(self._idle.pop())

    @asynccontextmanager
    async def _borrow(self) -> AsyncIterator[aiosmtplib.SMTP]:
        line = await self._find_idle() or await self._connect()
        try:
            yield line.smtp
        except BaseException as error:
            if not isinstance(error, SMTPRecipientsRefused | SMTPSenderRefused | SMTPDataError):
                # What state it is in, nobody knows.
                line.smtp.close()
                raise
            self._keep(line)
            raise
        self._keep(line)

    def _keep(self, line: _Line) -> None:
        line.message_count += 1
        line.idle_since = self._clock.monotonic()
        if line.message_count >= MOST_MESSAGES or not line.smtp.is_connected:
            line.smtp.close()
        else:
            self._idle.append(line)

    async def _find_idle(self) -> _Line | None:
        """The connection used last; those that rested too long are closed, before the server does it."""
        now = self._clock.monotonic()
        while self._idle:
            line = self._idle.pop()
            if line.smtp.is_connected and now - line.idle_since < IDLE_SECONDS:
                return line
            line.smtp.close()
        return None

    async def _connect(self) -> _Line:
        smtp = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            local_hostname=_domain(self._sender[1]),
            timeout=self._timeout,
            start_tls=self._server.starttls is StartTls.REQUIRED,
            validate_certs=True,
            tls_context=self._server.tls_context,
        )
        await smtp.connect()
        return _Line(smtp, self._clock.monotonic())

    def _compose(self, letter: Letter) -> bytes:
        message = EmailMessage(policy=SMTP_POLICY)
        message["From"] = Address(self._sender[0], addr_spec=self._sender[1])
        message["To"] = Address(addr_spec=letter.to)
        message["Subject"] = letter.postcard.subject
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = f"<{letter.message_id}@{_domain(self._sender[1])}>"
        # Nobody's out-of-office assistant should answer, and no list should carry it on.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.postcard.text, cte="7bit")
        message.add_alternative(letter.postcard.html, subtype="html", cte="7bit")
        for part in message.iter_parts():
            del part["MIME-Version"]  # RFC 2045: it belongs to the whole message.
        return message.as_bytes()


@asynccontextmanager
async def open_email_channel(
    server: MailServer, *, patience: timedelta, clock: Clock
) -> AsyncIterator[EmailChannel]:
    channel = EmailChannel(server, patience=patience, clock=clock)
    try:
        yield channel
    finally:
        await channel.close()


def _judge(error: SMTPResponseException) -> Attempt:
    return Attempt(judge_status(Channel.EMAIL, error.code), status_code=error.code, detail=error_type(error))


def _judge_session(error: Exception) -> Attempt:
    """What the server says before it hears of a letter is about itself, and may pass."""
    if isinstance(error, SMTPResponseException) and error.code > 0:
        return Attempt(Outcome.UNAVAILABLE, status_code=error.code, detail=error_type(error))
    return judge_trouble(_classify(error), error_type(error))


def _classify(error: Exception) -> Trouble:
    match error:
        case SMTPResponseException():
            return Trouble.GARBLED
        case ssl.SSLError():
            return Trouble.UNTRUSTED
        case SMTPServerDisconnected() | TimeoutError() | ConnectionResetError() | BrokenPipeError():
            return Trouble.UNANSWERED
        case SMTPConnectError() | OSError():
            return Trouble.UNREACHED
        case SMTPException():
            # Of the errors without a code, the one that is left: STARTTLS is required and not offered.
            return Trouble.UNTRUSTED
        case _:
            return Trouble.UNUSABLE


def _domain(address: str) -> str:
    return address.rpartition("@")[2] or "localhost"


async def _hang_up(line: _Line) -> None:
    with contextlib.suppress(SMTPException, OSError):
        async with asyncio.timeout(1):
            await line.smtp.quit()
    line.smtp.close()
