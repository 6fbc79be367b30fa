"""A mail server for tests: real SMTP, keeps what came, and answers as it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.waiting import SECONDS


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
    mail_answer: str | None = None
    rcpt_answer: str | None = None
    data_answer: str | None = None
    answers_by_recipient: dict[str, str] = field(default_factory=dict)
    hangs_up_at: str | None = None
    """The command (`MAIL`, `RCPT`, `DATA`) at which it drops the connection without an answer."""
    drops_after_data: bool = False
    """Whether it hangs up instead of answering for what it got."""
    keeps_what_it_drops: bool = False
    credentials: tuple[str, str] | None = None
    """Who may send where only those may who signed in: to another's domain."""
    own_domain: str | None = None
    sessions: list[SMTP] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def begin_anew(self) -> None:
        """Holds nothing, and answers as a server does that nobody told otherwise."""
        fresh = Mailbox(port=self.port, changed=self.changed)
        vars(self).update(vars(fresh))

    @property
    def session_count(self) -> int:
        return len(self.sessions)

    def end_sessions(self) -> None:
        """As a server does with what rests for too long."""
        for session in self.sessions:
            if session.transport is not None:
                session.transport.close()

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth_data: object
    ) -> AuthResult:
        assert isinstance(auth_data, LoginPassword)
        given = (auth_data.login.decode(), auth_data.password.decode())
        # Not handled: aiosmtpd answers 535 itself.
        return AuthResult(success=given == self.credentials, handled=False)

    async def handle_MAIL(  # noqa: N802 -- aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self._hang_up_at("MAIL", server)
        if self.mail_answer is not None:
            return self.mail_answer
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802 -- likewise
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self._hang_up_at("RCPT", server)
        answer = self.rcpt_answer or self.answers_by_recipient.get(address)
        if answer is not None:
            return answer
        if self.own_domain and not address.endswith(self.own_domain) and not session.authenticated:
            return "554 5.7.1 Relay access denied"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- likewise
        if self.data_answer is not None:
            return self.data_answer
        if self.drops_after_data or self.hangs_up_at == "DATA":
            cast("asyncio.Transport", server.transport).abort()
        if not self.drops_after_data or self.keeps_what_it_drops:
            await self._keep(server, session, envelope)
        return "250 2.0.0 kept"

    def _hang_up_at(self, command: str, server: SMTP) -> None:
        if self.hangs_up_at == command:
            cast("asyncio.Transport", server.transport).abort()

    async def _keep(self, server: SMTP, session: Session, envelope: Envelope) -> None:
        transport = cast("asyncio.Transport", server.transport)
        self.mails.append(
            Mail(
                str(envelope.mail_from),
                str(envelope.rcpt_tos[0]),
                bytes(cast("bytes", envelope.original_content)),
                is_encrypted=transport.get_extra_info("sslcontext") is not None,
            )
        )
        async with self.changed:
            self.changed.notify_all()

    async def wait_for(self, count: int) -> list[Mail]:
        """Returns when so many mails came. Raises TimeoutError."""
        async with asyncio.timeout(SECONDS), self.changed:
            await self.changed.wait_for(lambda: len(self.mails) >= count)
        return list(self.mails)


@asynccontextmanager
async def open_mailbox(
    *, tls: ssl.SSLContext | None = None, implicit: bool = False
) -> AsyncIterator[Mailbox]:
    """Listens on a free loopback port while the block runs; offers STARTTLS if it has a certificate.

    `implicit` encrypts from the first byte instead.
    """
    mailbox, loop = Mailbox(), asyncio.get_running_loop()

    def meet() -> SMTP:
        session = SMTP(
            mailbox,
            loop=loop,
            hostname="mail.example",
            tls_context=None if implicit else tls,
            authenticator=mailbox.authenticate,
            # It knows of STARTTLS alone as encryption.
            auth_require_tls=not implicit,
        )
        mailbox.sessions.append(session)
        return session

    server = await loop.create_server(meet, "127.0.0.1", 0, ssl=tls if implicit else None)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
