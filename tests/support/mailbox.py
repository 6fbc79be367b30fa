"""A mail server for tests: real SMTP, keeps what came, and answers as it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

from aiosmtpd.smtp import SMTP, Envelope, Session

_SECONDS = 20.0


@dataclass(frozen=True)
class Mail:
    """One e-mail as it came in."""

    sender: str
    recipient: str
    content: bytes
    is_encrypted: bool

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)

    def part(self, kind: str) -> str:
        """The text of the `plain` or `html` part."""
        body = self.message.get_body((kind,))
        assert body is not None
        return cast("str", body.get_content())


@dataclass
class Mailbox:
    """What `aiosmtpd` asks. An answer that is set is given instead of `250`."""

    port: int = 0
    mails: list[Mail] = field(default_factory=list)
    rcpt_answer: str | None = None
    data_answer: str | None = None
    drops_after_data: bool = False
    """Whether it hangs up instead of answering for what it got."""
    keeps_what_it_drops: bool = False
    session_count: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt_answer is not None:
            return self.rcpt_answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- likewise
        if self.data_answer is not None:
            return self.data_answer
        if self.drops_after_data:
            cast("asyncio.Transport", server.transport).abort()
        if not self.drops_after_data or self.keeps_what_it_drops:
            await self._keep(session, envelope)
        return "250 kept"

    async def _keep(self, session: Session, envelope: Envelope) -> None:
        self.mails.append(
            Mail(
                str(envelope.mail_from),
                str(envelope.rcpt_tos[0]),
                bytes(cast("bytes", envelope.original_content)),
                is_encrypted=session.ssl is not None,
            )
        )
        async with self.changed:
            self.changed.notify_all()

    async def wait_for(self, count: int) -> list[Mail]:
        """Returns when so many mails came. Raises TimeoutError."""
        async with asyncio.timeout(_SECONDS), self.changed:
            await self.changed.wait_for(lambda: len(self.mails) >= count)
        return list(self.mails)


@asynccontextmanager
async def open_mailbox(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[Mailbox]:
    """Listens on a free loopback port while the block runs; offers STARTTLS if it has a certificate."""
    mailbox, loop = Mailbox(), asyncio.get_running_loop()

    def meet() -> SMTP:
        mailbox.session_count += 1
        return SMTP(mailbox, loop=loop, hostname="mail.example", tls_context=tls)

    server = await loop.create_server(meet, "127.0.0.1", 0)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
