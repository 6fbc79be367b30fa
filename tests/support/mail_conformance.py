"""What every mail server must make of our mail: run against each one that is at hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

import pytest
from pydantic import SecretStr

from services.notify.channels.email import EmailChannel, open_email_channel
from services.notify.channels.mail_lines import MailServer, build_mail_tls_context
from services.notify.delivery import Attempt, Outcome, Trouble
from services.notify.letter import Letter, Sender
from services.notify.postcard import RenderedPostcard
from services.notify.settings import MailTls
from services.runtime.clock import SystemClock

DOMAIN: Final = "agency.example"
KNOWN: Final = f"duty@{DOMAIN}"
UNKNOWN: Final = f"nobody@{DOMAIN}"
BUSY: Final = f"busy@{DOMAIN}"
ELSEWHERE: Final = "duty@far.example"
"""Only who signed in may have mail carried there."""
CREDENTIALS: Final = ("notify", "a right password")
SENDER: Final = Sender(name="Notices", address="notices@desk.example", bounces_to="bounces@desk.example")
ANSWERS: Final = {UNKNOWN: "550 5.1.1 no such user", BUSY: "450 4.2.2 come back later"}

_PATIENCE = timedelta(seconds=10)
_LINK = "https://notify.example/a/" + "0" * 200


@dataclass(frozen=True)
class Arrived:
    """An e-mail where its reader would find it."""

    message: EmailMessage
    envelope_sender: str


class ServerUnderTest(Protocol):
    """A mail server on loopback that knows the addresses above."""

    authority: Path

    @property
    def starttls_port(self) -> int: ...

    @property
    def implicit_port(self) -> int: ...

    async def count_sessions(self) -> int:
        """Connections that were ever made to it."""
        ...

    async def wait_for(self, message_id: str) -> Arrived: ...


def describe(server: ServerUnderTest, tls: MailTls = MailTls.STARTTLS) -> MailServer:
    port = server.implicit_port if tls is MailTls.IMPLICIT else server.starttls_port
    context = build_mail_tls_context(server.authority)
    return MailServer(host="127.0.0.1", port=port, tls=tls, sender=SENDER, context=context)


def signed_in(server: MailServer, password: str = CREDENTIALS[1]) -> MailServer:
    return replace(server, user=CREDENTIALS[0], password=SecretStr(password))


@asynccontextmanager
async def channel_to(server: MailServer) -> AsyncIterator[EmailChannel]:
    async with open_email_channel(server, patience=_PATIENCE, clock=SystemClock()) as channel:
        yield channel


async def send(server: MailServer, letter: Letter) -> Attempt:
    async with channel_to(server) as channel:
        return await channel.send(letter)


def write(to: str = KNOWN) -> Letter:
    text, html = f".\nSign in: {_LINK}\n.\n", f"<p>.</p>\n.\n<p><a href='{_LINK}'>Sign in</a></p>\n"
    return Letter(
        to=to,
        message_id=uuid4().hex,
        thread_id=uuid4().hex,
        postcard=RenderedPostcard("URGENT notice 1A2B3C4D", text, html),
    )


class MailConformance:
    """Subclass it beside a fixture `server`."""

    @pytest.mark.parametrize("tls", [MailTls.STARTTLS, MailTls.IMPLICIT])
    async def test_a_letter_arrives_whole(self, server: ServerUnderTest, tls: MailTls) -> None:
        letter = write()
        attempt = await send(describe(server, tls), letter)
        assert attempt == Attempt(Outcome.DELIVERED, status_code=250, enhanced_code="2.0.0")
        arrived = await server.wait_for(letter.message_id)
        message = arrived.message
        assert arrived.envelope_sender == SENDER.bounces_to
        assert str(message["References"]) == f"<{letter.thread_id}@{SENDER.domain}>"
        assert (str(message["Subject"]), message["Auto-Submitted"]) == (
            letter.postcard.subject,
            "auto-generated",
        )
        for kind, said in (("plain", letter.postcard.text), ("html", letter.postcard.html)):
            part = message.get_body((kind,))
            assert part is not None
            assert part.get_content().splitlines() == said.splitlines()

    async def test_several_letters_go_over_one_connection(self, server: ServerUnderTest) -> None:
        before = await server.count_sessions()
        letters = [write() for _ in range(5)]
        async with channel_to(describe(server)) as channel:
            attempts = [await channel.send(letter) for letter in letters]
        assert {attempt.outcome for attempt in attempts} == {Outcome.DELIVERED}
        for letter in letters:
            await server.wait_for(letter.message_id)
        assert await server.count_sessions() == before + 1

    @pytest.mark.parametrize(
        ("to", "outcome", "status", "enhanced"),
        [(UNKNOWN, Outcome.REFUSED, 550, "5.1.1"), (BUSY, Outcome.UNAVAILABLE, 450, "4.2.2")],
    )
    async def test_what_it_does_not_take_is_told_and_the_next_letter_goes(
        self, server: ServerUnderTest, to: str, outcome: Outcome, status: int, enhanced: str
    ) -> None:
        before, after = await server.count_sessions(), write()
        async with channel_to(describe(server)) as channel:
            attempt = await channel.send(write(to))
            assert (await channel.send(after)).outcome is Outcome.DELIVERED
        assert (attempt.outcome, attempt.status_code, attempt.enhanced_code) == (outcome, status, enhanced)
        await server.wait_for(after.message_id)
        assert await server.count_sessions() == before + 1

    @pytest.mark.parametrize("tls", [MailTls.STARTTLS, MailTls.IMPLICIT])
    async def test_who_may_be_anybody_gets_nothing(self, server: ServerUnderTest, tls: MailTls) -> None:
        stranger = replace(describe(server, tls), context=build_mail_tls_context())
        attempt = await send(stranger, write())
        assert (attempt.outcome, attempt.trouble) == (Outcome.UNAVAILABLE, Trouble.UNTRUSTED)

    async def test_who_signs_in_may_send_where_others_may_not(self, server: ServerUnderTest) -> None:
        plain, letter = describe(server), write(ELSEWHERE)
        denied = await send(plain, letter)
        assert (denied.outcome, denied.enhanced_code) == (Outcome.REFUSED, "5.7.1")
        allowed = await send(signed_in(plain), letter)
        assert allowed.outcome is Outcome.DELIVERED
        await server.wait_for(letter.message_id)

    async def test_a_wrong_password_makes_no_dead_letter(self, server: ServerUnderTest) -> None:
        attempt = await send(signed_in(describe(server), "wrong"), write())
        assert (attempt.outcome, attempt.status_code, attempt.enhanced_code) == (
            Outcome.UNAVAILABLE,
            535,
            "5.7.8",
        )
