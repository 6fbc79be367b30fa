"""The e-mail channel: connections kept and given up, and what a mail server's answers come to."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from services.notify.channels.email import EmailChannel
from services.notify.delivery import Attempt, Outcome, Trouble
from services.notify.settings import MailTls
from tests.integration.notify.sending import LETTER, email_to, letter, mail, mail_server
from tests.support.certificates import Certificates
from tests.support.mailbox import Mailbox, open_mailbox
from tests.support.peers import listening, say_smtp
from tests.support.waiting import eventually


async def test_several_letters_go_over_one_connection(mailbox: Mailbox) -> None:
    async with email_to(mail_server(mailbox.port)) as channel:
        for _ in range(5):
            assert (await channel.send(LETTER)).outcome is Outcome.DELIVERED
    assert (len(mailbox.mails), mailbox.session_count) == (5, 1)


async def test_letters_of_one_moment_go_over_connections_of_their_own(mailbox: Mailbox) -> None:
    async with email_to(mail_server(mailbox.port)) as channel:
        for _ in range(2):
            attempts = await asyncio.gather(*(channel.send(LETTER) for _ in range(3)))
            assert {attempt.outcome for attempt in attempts} == {Outcome.DELIVERED}
    assert (len(mailbox.mails), mailbox.session_count) == (6, 3)


async def test_a_connection_carries_so_many_letters_and_no_more(mailbox: Mailbox) -> None:
    async with email_to(replace(mail_server(mailbox.port), most_messages=2)) as channel:
        for _ in range(5):
            assert (await channel.send(LETTER)).outcome is Outcome.DELIVERED
    assert (len(mailbox.mails), mailbox.session_count) == (5, 3)


async def test_a_connection_that_rests_too_long_is_left_with_a_farewell() -> None:
    said = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example\r\n")
        while line := await reader.readline():
            said.extend(line)
            writer.write(b"354 go on\r\n" if line == b"DATA\r\n" else b"250 ok\r\n")

    async def has_quit() -> bool:
        await channel.lines.tidy()
        return said.endswith(b"QUIT\r\n")

    async with listening(listen) as port:
        server = replace(mail_server(port), idle=timedelta(seconds=0.05))
        async with email_to(server) as channel:
            assert (await channel.send(LETTER)).outcome is Outcome.DELIVERED
            await eventually(has_quit, what="a farewell")


async def leave_by(mailbox: Mailbox, channel: EmailChannel) -> None:
    """The server ends what rests."""
    (line,) = channel.lines._idle
    mailbox.end_sessions()

    async def is_over() -> bool:
        return not line.is_open

    await eventually(is_over, what="the server's end of the connection")


async def test_a_server_that_ends_what_rests_costs_no_attempt() -> None:
    async with open_mailbox() as mailbox, email_to(mail_server(mailbox.port)) as channel:
        assert (await channel.send(LETTER)).outcome is Outcome.DELIVERED
        await leave_by(mailbox, channel)
        assert (await channel.send(LETTER)).outcome is Outcome.DELIVERED
    assert (len(mailbox.mails), mailbox.session_count) == (2, 2)


@pytest.mark.parametrize("farewell", [b"421 4.4.2 idle too long\r\n", b""])
async def test_a_session_that_ends_before_it_hears_of_the_next_letter_costs_no_attempt(
    farewell: bytes,
) -> None:
    """Noticed only when the next letter is begun: by 421, or by no answer at all."""
    sessions = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sessions
        sessions += 1
        writer.write(b"220 mail.example\r\n")
        for _ in ("EHLO", "MAIL", "RCPT"):
            await reader.readline()
            writer.write(b"250 ok\r\n")
        await reader.readline()
        writer.write(b"354 go on\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 taken\r\n")
        await reader.readline()
        writer.write(farewell)

    async with listening(serve) as port, email_to(mail_server(port)) as channel:
        attempts = [await channel.send(LETTER) for _ in range(3)]
    assert {attempt.outcome for attempt in attempts} == {Outcome.DELIVERED}
    assert sessions == 3


async def test_a_server_that_ends_every_session_is_asked_once_an_attempt() -> None:
    """A fresh connection that is ended is trouble to report, and no reason to go on asking."""
    sessions = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sessions
        sessions += 1
        await say_smtp(b"250 ok", mail=b"421 4.3.2 going down")(reader, writer)

    async with listening(serve) as port:
        attempt = await mail(port)
    assert (attempt.outcome, attempt.status_code, attempt.enhanced_code) == (
        Outcome.UNAVAILABLE,
        421,
        "4.3.2",
    )
    assert sessions == 1


async def test_a_letter_whose_end_nobody_answered_for_is_not_sent_again_at_once(mailbox: Mailbox) -> None:
    async with email_to(mail_server(mailbox.port)) as channel:
        await channel.send(LETTER)
        mailbox.drops_after_data = mailbox.keeps_what_it_drops = True
        attempt = await channel.send(LETTER)
    assert (attempt.outcome, attempt.trouble) == (Outcome.UNAVAILABLE, Trouble.UNANSWERED)
    assert len(mailbox.mails) == 2


async def test_a_refused_letter_does_not_cost_the_connection(mailbox: Mailbox) -> None:
    async with email_to(mail_server(mailbox.port)) as channel:
        mailbox.rcpt_answer = "550 5.1.1 No such user"
        refused = await channel.send(LETTER)
        mailbox.rcpt_answer = None
        delivered = await channel.send(LETTER)
    assert (refused.outcome, refused.status_code, refused.enhanced_code) == (Outcome.REFUSED, 550, "5.1.1")
    assert (delivered.outcome, mailbox.session_count) == (Outcome.DELIVERED, 1)


@pytest.mark.parametrize("phase", ["mail_answer", "rcpt_answer", "data_answer"])
@pytest.mark.parametrize(
    ("answer", "outcome", "status", "enhanced"),
    [
        ("450 4.2.0 Busy", Outcome.UNAVAILABLE, 450, "4.2.0"),
        ("451 4.7.1 Greylisted", Outcome.UNAVAILABLE, 451, "4.7.1"),
        ("452 4.3.1 Full", Outcome.UNAVAILABLE, 452, "4.3.1"),
        ("421 4.3.2 Going down", Outcome.UNAVAILABLE, 421, "4.3.2"),
        ("530 5.7.0 Sign in first", Outcome.UNAVAILABLE, 530, "5.7.0"),
        ("550 5.7.1 Not here", Outcome.REFUSED, 550, "5.7.1"),
        ("554 4.7.1 Which?", Outcome.REFUSED, 554, None),
        ("554 no code", Outcome.REFUSED, 554, None),
    ],
)
async def test_the_answer_to_a_letter_decides_wherever_it_comes(
    phase: str, answer: str, outcome: Outcome, status: int, enhanced: str | None, mailbox: Mailbox
) -> None:
    setattr(mailbox, phase, answer)
    attempt = await mail(mailbox.port)
    assert (attempt.outcome, attempt.status_code, attempt.enhanced_code) == (outcome, status, enhanced)
    assert mailbox.mails == []


@pytest.mark.parametrize("greeting", [b"554 5.3.2 no service", b"421 4.3.2 too busy", b"521 no mail"])
async def test_a_server_that_serves_nobody_says_nothing_of_the_letter(greeting: bytes) -> None:
    async with listening(say_smtp(b"250 ok", greeting=greeting)) as port:
        attempt = await mail(port)
    assert (attempt.outcome, attempt.status_code) == (Outcome.UNAVAILABLE, int(greeting[:3]))


async def test_what_is_delivered_keeps_the_server_s_codes(mailbox: Mailbox) -> None:
    assert await mail(mailbox.port) == Attempt(Outcome.DELIVERED, status_code=250, enhanced_code="2.0.0")


async def test_mail_is_not_sent_in_the_clear_where_encryption_is_required(mailbox: Mailbox) -> None:
    attempt = await mail(mailbox.port, tls=MailTls.STARTTLS)
    assert (attempt.outcome, mailbox.mails) == (Outcome.UNAVAILABLE, [])


@pytest.mark.parametrize("tls", [MailTls.STARTTLS, MailTls.IMPLICIT])
async def test_mail_goes_encrypted_to_a_server_whose_certificate_is_good(
    tls: MailTls, certificates: Certificates
) -> None:
    implicit = tls is MailTls.IMPLICIT
    async with open_mailbox(tls=certificates.server, implicit=implicit) as mailbox:
        trusted = await mail(mailbox.port, tls=tls, trusting=certificates.client)
        not_trusted = await mail(mailbox.port, tls=tls)
    assert (trusted.outcome, not_trusted.outcome) == (Outcome.DELIVERED, Outcome.UNAVAILABLE)
    assert [mail.is_encrypted for mail in mailbox.mails] == [True]


async def test_a_server_that_offers_no_sign_in_gets_no_mail_of_one_who_would_sign_in(
    mailbox: Mailbox,
) -> None:
    server = replace(mail_server(mailbox.port), user="notify", password=SecretStr("right"))
    async with email_to(server) as channel:
        attempt = await channel.send(LETTER)
    assert (attempt.outcome, mailbox.mails) == (Outcome.UNAVAILABLE, [])


async def test_an_address_that_is_none_is_refused_without_asking(mailbox: Mailbox) -> None:
    async with email_to(mail_server(mailbox.port)) as channel:
        attempt = await channel.send(letter(to="nobody at all"))
    assert (attempt.outcome, attempt.trouble) == (Outcome.REFUSED, Trouble.UNUSABLE)
    assert mailbox.session_count == 0
