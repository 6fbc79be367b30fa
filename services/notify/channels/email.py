"""E-mail over SMTP: one try over a kept connection. Only postcards are sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from aiosmtplib.errors import (
    SMTPConnectError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)

from services.notify.channels.mail_lines import LineLostError, MailLine, MailLines, MailServer
from services.notify.delivery import (
    Attempt,
    Channel,
    Outcome,
    Trouble,
    find_enhanced_code,
    judge_status,
    judge_trouble,
)
from services.notify.letter import Letter, compose_letter
from services.runtime.clock import Clock
from services.runtime.faults import error_type

_ANSWERS: Final = (SMTPSenderRefused, SMTPRecipientRefused, SMTPDataError)
"""What a server says of a letter; all else is about itself."""
_ACCEPTED: Final = range(200, 300)


class EmailChannel:
    """Hands letters to the mail server. Whatever it does comes back as an Attempt."""

    def __init__(self, server: MailServer, *, patience: timedelta, clock: Clock) -> None:
        self._sender = server.sender
        self._timeout = patience.total_seconds()
        self._clock = clock
        self.lines = MailLines(server, timeout=self._timeout, clock=clock)

    async def send(self, letter: Letter) -> Attempt:
        try:
            message = compose_letter(letter, self._sender, at=self._clock.now())
            async with asyncio.timeout(self._timeout):
                return await self._hand_over(letter, message)
        except (SMTPException, OSError, ValueError) as error:
            return _judge_session(error)

    async def _hand_over(self, letter: Letter, message: bytes) -> Attempt:
        kept = self.lines.take()
        if kept is not None:
            try:
                return await self._submit(kept, letter, message)
            except LineLostError:
                # No fault of the server's: it may end what rests when it likes, and has the letter not.
                self.lines.drop_all()
        return await self._submit(await self.lines.open(), letter, message)

    async def _submit(self, line: MailLine, letter: Letter, message: bytes) -> Attempt:
        try:
            answer = await line.submit(
                message, sender=self._sender.bounces_to, to=letter.to, message_id=letter.message_id
            )
        except _ANSWERS as error:
            self.lines.keep(line)
            return _judge(error)
        except BaseException:
            line.cut()
            raise
        self.lines.keep(line)
        code = find_enhanced_code(answer.code, answer.message)
        return Attempt(Outcome.DELIVERED, status_code=answer.code, enhanced_code=code)


@asynccontextmanager
async def open_email_channel(
    server: MailServer, *, patience: timedelta, clock: Clock
) -> AsyncIterator[EmailChannel]:
    channel = EmailChannel(server, patience=patience, clock=clock)
    tidying = asyncio.create_task(channel.lines.tidy_for_ever())
    try:
        yield channel
    finally:
        tidying.cancel()
        await channel.lines.close()


def _judge(error: SMTPResponseException) -> Attempt:
    if isinstance(error, SMTPDataError) and error.code in _ACCEPTED:
        # Only 354 asks for the letter, and only 250 takes it over (RFC 5321, 4.3.2).
        return judge_trouble(Trouble.GARBLED, error_type(error))
    return _record(error, judge_status(Channel.EMAIL, error.code))


def _judge_session(error: Exception) -> Attempt:
    """What the server says before it hears of a letter is about itself, and may pass."""
    if isinstance(error, SMTPResponseException) and error.code > 0:
        return _record(error, Outcome.UNAVAILABLE)
    return judge_trouble(_classify(error), error_type(error))


def _record(error: SMTPResponseException, outcome: Outcome) -> Attempt:
    return Attempt(
        outcome,
        status_code=error.code,
        enhanced_code=find_enhanced_code(error.code, error.message),
        detail=error_type(error),
    )


def _classify(error: Exception) -> Trouble:
    match error:
        case SMTPResponseException():
            return Trouble.GARBLED
        case ssl.SSLError() | SMTPConnectError(__cause__=ssl.SSLError()):
            return Trouble.UNTRUSTED
        case SMTPServerDisconnected() | TimeoutError() | ConnectionResetError() | BrokenPipeError():
            return Trouble.UNANSWERED
        case SMTPConnectError() | OSError():
            return Trouble.UNREACHED
        case SMTPException():
            # Of the errors without a code, those that are left: STARTTLS or AUTH is required and not offered.
            return Trouble.UNTRUSTED
        case _:
            return Trouble.UNUSABLE
