"""Connections to the mail server: opened as it demands, kept for the next letter, left with a farewell."""

import asyncio
import contextlib
import ssl
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, cast

import aiosmtplib
from aiosmtplib import SMTPException, SMTPRecipientRefused, SMTPResponse, SMTPSenderRefused
from aiosmtplib.errors import SMTPResponseException
from pydantic import SecretStr

from services.notify.letter import Sender
from services.notify.settings import MailTls
from services.runtime.clock import Clock

TIDY_SECONDS: Final = 1.0
FAREWELL_SECONDS: Final = 1.0
CLOSING: Final = 421


class LineLostError(Exception):
    """A kept connection was no more: the server ended it while it rested, and has nothing of the letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The server that takes our mail, and how we come to it."""

    host: str
    port: int
    tls: MailTls
    sender: Sender
    context: ssl.SSLContext
    user: str | None = None
    password: SecretStr | None = None
    most_messages: int = 100
    """Over one connection: many servers end it after so many."""
    idle: timedelta = timedelta(seconds=20)
    """How long a connection rests before we end it, sooner than the server does."""


def build_mail_tls_context(authorities: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 or newer, certificate and name checked; trusts the system's authorities and these."""
    context = ssl.create_default_context()
    if authorities is not None:
        context.load_verify_locations(authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(slots=True)
class MailLine:
    """One connection. Whoever takes it has it alone."""

    smtp: aiosmtplib.SMTP
    idle_since: float
    message_count: int = 0
    is_clean: bool = True
    """Whether the server has forgotten the envelope of the letter before."""

    @property
    def is_open(self) -> bool:
        return self.smtp.is_connected

    def cut(self) -> None:
        """Ends it without a farewell: what state it is in, nobody knows."""
        if self.smtp.transport is not None:
            cast("asyncio.Transport", self.smtp.transport).abort()
        self.smtp.close()

    async def submit(self, message: bytes, *, sender: str, to: str, message_id: str) -> SMTPResponse:
        """The answer to the letter. Raises LineLostError, SMTPException, OSError or ValueError."""
        try:
            await self._address(sender=sender, to=to, message_id=message_id, size=len(message))
        except (SMTPException, OSError) as error:
            if self.message_count and _says_nothing_of_the_letter(error):
                raise LineLostError from error
            raise
        finally:
            self.message_count += 1
        # From here on nobody knows whether the server has it, but by its answer.
        answer = await self.smtp.data(message)
        self.is_clean = True
        return answer

    async def _address(self, *, sender: str, to: str, message_id: str, size: int) -> None:
        if not self.is_clean:
            await self.smtp.rset()
        self.is_clean = False
        await self.smtp.mail(sender, options=self._mail_options(message_id, size))
        # RFC 3461: a report of what was not delivered, and nothing when all is well.
        await self.smtp.rcpt(to, options=["NOTIFY=FAILURE,DELAY"] if self._offers("dsn") else None)

    def _mail_options(self, message_id: str, size: int) -> list[str]:
        options = [f"SIZE={size}"] if self._offers("size") else []
        # Of the letter a report has the headers alone, and names it.
        return [*options, "RET=HDRS", f"ENVID={message_id}"] if self._offers("dsn") else options

    def _offers(self, extension: str) -> bool:
        return self.smtp.supports_extension(extension)


class MailLines:
    """The connections that rest. How many there are at a time is not decided here."""

    def __init__(self, server: MailServer, *, timeout: float, clock: Clock) -> None:
        self._server = server
        self._timeout = timeout
        self._clock = clock
        self._idle: deque[MailLine] = deque()
        self._spent: list[MailLine] = []

    def take(self) -> MailLine | None:
        """The one used last, so that those too many grow old; None if none rests."""
        while self._idle:
            line = self._idle.pop()
            if line.is_open and not self._is_old(line):
                return line
            self._spent.append(line)
        return None

    async def open(self) -> MailLine:
        """Greeted, encrypted and signed in as the server demands. Raises SMTPException or OSError."""
        server = self._server
        smtp = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=server.sender.domain,
            timeout=self._timeout,
            use_tls=server.tls is MailTls.IMPLICIT,
            start_tls=server.tls is MailTls.STARTTLS,
            tls_context=server.context,
        )
        await smtp.connect()
        line = MailLine(smtp, self._clock.monotonic())
        try:
            await self._introduce(smtp)
        except BaseException:
            line.cut()
            raise
        return line

    async def _introduce(self, smtp: aiosmtplib.SMTP) -> None:
        """After STARTTLS anew (RFC 3207): what the server offered before counts no more."""
        if smtp.is_ehlo_or_helo_needed:
            await smtp.ehlo()
        if self._server.user is not None and self._server.password is not None:
            await smtp.login(self._server.user, self._server.password.get_secret_value())

    def keep(self, line: MailLine) -> None:
        line.idle_since = self._clock.monotonic()
        if not line.is_open or line.message_count >= self._server.most_messages:
            self._spent.append(line)
        else:
            self._idle.append(line)

    def drop_all(self) -> None:
        """What rests has met the same end as the one that was found dead."""
        self._spent.extend(self._idle)
        self._idle.clear()

    async def tidy(self) -> None:
        """Takes leave of those that rested too long or served their time."""
        while self._idle and self._is_old(self._idle[0]):
            self._spent.append(self._idle.popleft())
        while self._spent:
            await _take_leave(self._spent.pop())

    async def tidy_for_ever(self) -> None:
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            await self.tidy()

    async def close(self) -> None:
        self.drop_all()
        await self.tidy()

    def _is_old(self, line: MailLine) -> bool:
        return self._clock.monotonic() - line.idle_since >= self._server.idle.total_seconds()


def _says_nothing_of_the_letter(error: Exception) -> bool:
    """Not an answer at all, or that the server ends the session."""
    if isinstance(error, SMTPSenderRefused | SMTPRecipientRefused | SMTPResponseException):
        return error.code == CLOSING
    return True


async def _take_leave(line: MailLine) -> None:
    with contextlib.suppress(SMTPException, OSError):
        async with asyncio.timeout(FAREWELL_SECONDS):
            if line.is_open:
                await line.smtp.quit()
    line.cut()
