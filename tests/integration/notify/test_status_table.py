"""One table of outcomes, held by every channel over real connections: delivered, refused, unavailable."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from services.notify.channels.mail_lines import build_mail_tls_context
from services.notify.channels.posting import build_tls_context
from services.notify.delivery import Attempt, Channel, Outcome, Trouble
from services.notify.egress import Egress
from services.notify.settings import MailTls
from tests.integration.notify.sending import HASTE, PATIENCE, mail, post_once
from tests.support.certificates import Certificates, make_certificates
from tests.support.mailbox import open_mailbox
from tests.support.peers import (
    Peer,
    greet_endlessly,
    hang_up,
    listening,
    say_http,
    say_nothing,
    say_smtp,
    talk_garbage,
)
from tests.support.ports import free_port

STATUSES: Mapping[Channel, Mapping[Outcome, tuple[int, ...]]] = {
    Channel.WEBHOOK: {
        Outcome.DELIVERED: (200, 201, 202, 204, 206, 299),
        Outcome.REFUSED: (
            300,
            301,
            302,
            303,
            304,
            307,
            308,
            400,
            401,
            403,
            404,
            405,
            409,
            410,
            413,
            422,
            451,
        ),
        Outcome.UNAVAILABLE: (408, 425, 429, 500, 501, 502, 503, 504, 507, 520, 599),
    },
    Channel.EMAIL: {
        Outcome.DELIVERED: (250,),
        Outcome.REFUSED: (500, 501, 521, 550, 551, 552, 553, 554, 571),
        # The last four are about our credentials, and not about the letter.
        Outcome.UNAVAILABLE: (421, 450, 451, 452, 454, 471, 530, 534, 535, 538),
    },
}


async def answer_over_http(code: int) -> Attempt:
    async with listening(say_http(b"HTTP/1.1 %d Said\r\ncontent-length: 0\r\n\r\n" % code)) as port:
        return await post_once(f"http://127.0.0.1:{port}/")


async def answer_over_smtp(code: int) -> Attempt:
    async with open_mailbox() as mailbox:
        mailbox.data_answer = f"{code} 0.0.0 said"
        return await mail(mailbox.port)


ANSWERS: Mapping[Channel, Callable[[int], Awaitable[Attempt]]] = {
    Channel.WEBHOOK: answer_over_http,
    Channel.EMAIL: answer_over_smtp,
}


@pytest.mark.parametrize(
    ("channel", "code", "outcome"),
    [
        (channel, code, outcome)
        for channel, outcomes in STATUSES.items()
        for outcome, codes in outcomes.items()
        for code in codes
    ],
)
async def test_a_status_says_whether_asking_again_can_help(
    channel: Channel, code: int, outcome: Outcome
) -> None:
    attempt = await ANSWERS[channel](code)
    assert attempt.outcome is outcome
    assert attempt.status_code == code


@dataclass(frozen=True)
class Site:
    """Where the other side's certificates come from."""

    good: Certificates
    expired: Certificates
    anothers: Certificates


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder: Callable[[str], Path] = tmp_path_factory.mktemp
    return Site(
        make_certificates(folder("good")),
        make_certificates(folder("expired"), is_expired=True),
        make_certificates(folder("anothers"), is_anothers=True),
    )


async def post_to(peer: Peer, *, patience: timedelta = PATIENCE) -> Attempt:
    async with listening(peer) as port:
        return await post_once(f"http://127.0.0.1:{port}/", patience=patience)


async def mail_to(peer: Peer, *, patience: timedelta = PATIENCE) -> Attempt:
    async with listening(peer) as port:
        return await mail(port, patience=patience)


async def post_to_a_tls_server_that(behaves: Peer, *, patience: timedelta = PATIENCE) -> Attempt:
    """No word of the request is sent before TLS stands."""
    async with listening(behaves) as port:
        return await post_once(f"https://localhost:{port}/", patience=patience)


async def post_over_tls(certificates: Certificates, *, authority: Path | None) -> Attempt:
    answer = say_http(b"HTTP/1.1 204 No Content\r\n\r\n")
    async with listening(answer, tls=certificates.server) as port:
        return await post_once(f"https://localhost:{port}/", tls=build_tls_context(authority))


async def mail_over_tls(
    certificates: Certificates, *, authority: Path | None, tls: MailTls = MailTls.STARTTLS
) -> Attempt:
    async with open_mailbox(tls=certificates.server, implicit=tls is MailTls.IMPLICIT) as mailbox:
        return await mail(mailbox.port, tls=tls, trusting=build_mail_tls_context(authority))


async def mail_to_a_server_without_tls(_: Site) -> Attempt:
    async with open_mailbox() as mailbox:
        return await mail(mailbox.port, tls=MailTls.STARTTLS)


async def mail_until(command: str) -> Attempt:
    """To a server that drops the connection there."""
    async with open_mailbox() as mailbox:
        mailbox.hangs_up_at = command
        return await mail(mailbox.port)


async def mail_to_a_server_that_answers_data_with(line: bytes) -> Attempt:
    """With what neither asks for the letter nor refuses it."""
    async with listening(say_smtp(b"250 ok", data=line)) as port:
        return await mail(port)


Meeting = Callable[[Site], Awaitable[Attempt]]
MEETINGS: list[tuple[str, Trouble, Meeting]] = [
    ("webhook-nobody-listens", Trouble.UNREACHED, lambda _: post_once(f"http://127.0.0.1:{free_port()}/")),
    ("email-nobody-listens", Trouble.UNREACHED, lambda _: mail(free_port())),
    ("webhook-no-such-name", Trouble.UNREACHED, lambda _: post_once("http://nobody.invalid/")),
    ("webhook-no-name", Trouble.UNUSABLE, lambda _: post_once(f"http://{'a' * 70}.example/")),
    ("webhook-no-url", Trouble.UNUSABLE, lambda _: post_once("http:///")),
    ("webhook-inside", Trouble.FORBIDDEN, lambda _: post_once("https://127.0.0.1/", egress=Egress())),
    ("webhook-in-clear", Trouble.FORBIDDEN, lambda _: post_once("http://8.8.8.8/", egress=Egress())),
    ("webhook-speaks-unasked", Trouble.UNANSWERED, lambda _: post_to(greet_endlessly)),
    ("webhook-silent", Trouble.UNANSWERED, lambda _: post_to(say_nothing, patience=HASTE)),
    (
        "webhook-silent-at-tls",
        Trouble.UNREACHED,
        lambda _: post_to_a_tls_server_that(say_nothing, patience=HASTE),
    ),
    ("webhook-hangs-up-at-tls", Trouble.UNREACHED, lambda _: post_to_a_tls_server_that(hang_up)),
    ("email-silent", Trouble.UNANSWERED, lambda _: mail_to(say_nothing, patience=HASTE)),
    ("webhook-hangs-up", Trouble.UNANSWERED, lambda _: post_to(hang_up)),
    ("email-hangs-up", Trouble.UNREACHED, lambda _: mail_to(hang_up)),
    ("webhook-garbage", Trouble.GARBLED, lambda _: post_to(say_http(b"\x00\xff garbage \r\n\r\n"))),
    ("email-garbage", Trouble.GARBLED, lambda _: mail_to(talk_garbage)),
    (
        "webhook-endless",
        Trouble.GARBLED,
        lambda _: post_to(say_http(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000)),
    ),
    ("email-endless", Trouble.GARBLED, lambda _: mail_to(greet_endlessly)),
    ("webhook-unknown-authority", Trouble.UNTRUSTED, lambda site: post_over_tls(site.good, authority=None)),
    ("email-unknown-authority", Trouble.UNTRUSTED, lambda site: mail_over_tls(site.good, authority=None)),
    (
        "webhook-expired",
        Trouble.UNTRUSTED,
        lambda site: post_over_tls(site.expired, authority=site.expired.authority),
    ),
    (
        "email-expired",
        Trouble.UNTRUSTED,
        lambda site: mail_over_tls(site.expired, authority=site.expired.authority),
    ),
    (
        "webhook-anothers-name",
        Trouble.UNTRUSTED,
        lambda site: post_over_tls(site.anothers, authority=site.anothers.authority),
    ),
    (
        "email-anothers-name",
        Trouble.UNTRUSTED,
        lambda site: mail_over_tls(site.anothers, authority=site.anothers.authority),
    ),
    (
        "email-implicit-expired",
        Trouble.UNTRUSTED,
        lambda site: mail_over_tls(site.expired, authority=site.expired.authority, tls=MailTls.IMPLICIT),
    ),
    (
        "email-implicit-anothers-name",
        Trouble.UNTRUSTED,
        lambda site: mail_over_tls(site.anothers, authority=site.anothers.authority, tls=MailTls.IMPLICIT),
    ),
    ("email-without-tls", Trouble.UNTRUSTED, mail_to_a_server_without_tls),
    ("email-hangs-up-at-mail", Trouble.UNANSWERED, lambda _: mail_until("MAIL")),
    ("email-hangs-up-at-rcpt", Trouble.UNANSWERED, lambda _: mail_until("RCPT")),
    ("email-hangs-up-after-data", Trouble.UNANSWERED, lambda _: mail_until("DATA")),
    (
        "email-takes-what-it-did-not-get",
        Trouble.GARBLED,
        lambda _: mail_to_a_server_that_answers_data_with(b"250 taken"),
    ),
]
REFUSED = {Trouble.FORBIDDEN, Trouble.UNUSABLE}


@pytest.mark.parametrize(
    ("trouble", "meet"), [pytest.param(trouble, meet, id=name) for name, trouble, meet in MEETINGS]
)
async def test_trouble_without_a_status_says_whether_asking_again_can_help(
    trouble: Trouble, meet: Meeting, site: Site
) -> None:
    attempt = await meet(site)
    expected = Outcome.REFUSED if trouble in REFUSED else Outcome.UNAVAILABLE
    assert (attempt.trouble, attempt.outcome, attempt.status_code) == (trouble, expected, None)
    assert attempt.detail


async def test_with_the_right_certificate_both_channels_deliver(site: Site) -> None:
    attempts = [
        await post_over_tls(site.good, authority=site.good.authority),
        await mail_over_tls(site.good, authority=site.good.authority),
    ]
    assert {attempt.outcome for attempt in attempts} == {Outcome.DELIVERED}


def test_every_trouble_is_met() -> None:
    assert {trouble for _, trouble, _ in MEETINGS} == set(Trouble)
