"""The webhook channel against all kinds of trouble: whatever the other side does comes back as an outcome."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest

from services.notify.channels.connection import BODY_SECONDS
from services.notify.channels.posting import Origin, Target, open_http_client, read_target
from services.notify.channels.webhook import WebhookChannel, open_webhook_channel
from services.notify.delivery import Attempt, Outcome, Trouble
from services.notify.egress import Egress
from services.runtime.clock import SystemClock
from tests.integration.notify.sending import HASTE, LOOPBACK, PATIENCE, post
from tests.support.certificates import Certificates
from tests.support.peers import listening, say_http
from tests.support.receivers import Receivers, status
from tests.support.waiting import SECONDS, eventually


@pytest.fixture
async def webhook() -> AsyncIterator[WebhookChannel]:
    async with open_webhook_channel(LOOPBACK, patience=PATIENCE, clock=SystemClock()) as opened:
        yield opened


@pytest.fixture
async def hasty() -> AsyncIterator[WebhookChannel]:
    async with open_webhook_channel(LOOPBACK, patience=HASTE, clock=SystemClock()) as opened:
        yield opened


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", Outcome.DELIVERED, 204),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nhalf", Outcome.DELIVERED, 200),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n", Outcome.UNAVAILABLE, None),
        (
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nzzzz",
            Outcome.DELIVERED,
            200,
        ),
        (b"HTTP/1.1 503 Busy\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n", Outcome.UNAVAILABLE, 503),
        (b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\n\r\n", Outcome.REFUSED, 302),
        (b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n", Outcome.DELIVERED, 200),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", Outcome.UNAVAILABLE, None),
    ],
)
async def test_the_status_counts_whatever_the_body_does(
    answer: bytes, outcome: Outcome, code: int | None, webhook: WebhookChannel
) -> None:
    async with listening(say_http(answer)) as port:
        attempt = await post(webhook, f"http://127.0.0.1:{port}/")
    assert (attempt.outcome, attempt.status_code) == (outcome, code)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("999999999", None),
        ("-5", None),
        ("Wed, 04 Mar 2026 06:40:00 GMT", None),
        ("²", None),
    ],
)
async def test_only_plain_seconds_are_read_from_retry_after(
    header: str, seconds: int | None, webhook: WebhookChannel
) -> None:
    answer = f"HTTP/1.1 429 Slow\r\nretry-after: {header}\r\ncontent-length: 0\r\n\r\n".encode()
    async with listening(say_http(answer)) as port:
        attempt = await post(webhook, f"http://127.0.0.1:{port}/")
    assert attempt.retry_after == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_an_address_inside_is_never_dialled_however_it_is_written(
    host: str, receivers: Receivers
) -> None:
    port = receivers.base_url.rpartition(":")[2]
    outside = Egress(allow_http=True)
    async with open_webhook_channel(outside, patience=PATIENCE, clock=SystemClock()) as channel:
        attempt = await post(channel, f"http://{host}:{port}/one")
    assert (attempt.outcome, attempt.status_code) == (Outcome.REFUSED, None)
    assert attempt.detail in {"EgressRefusedError", "UrlUnusableError"}
    assert receivers["one"].arrivals == []


async def test_without_leave_only_https_is_spoken(receivers: Receivers) -> None:
    egress = Egress(LOOPBACK.allowed)
    async with open_webhook_channel(egress, patience=PATIENCE, clock=SystemClock()) as channel:
        attempt = await post(channel, receivers["one"].url)
    assert attempt == Attempt(Outcome.REFUSED, detail="https_required", trouble=Trouble.FORBIDDEN)
    assert receivers["one"].arrivals == []


async def test_a_certificate_that_nobody_vouches_for_gets_no_alert(
    webhook: WebhookChannel, certificates: Certificates
) -> None:
    seen = []

    async def read(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(1024))

    async with listening(read, tls=certificates.server) as port:
        attempt = await post(webhook, f"https://localhost:{port}/")
    assert (attempt.outcome, attempt.detail) == (
        Outcome.UNAVAILABLE,
        "ssl.SSLCertVerificationError",
    )
    assert seen == []


async def test_connections_and_no_cookies_are_kept(webhook: WebhookChannel, receivers: Receivers) -> None:
    receivers["one"].answer = status(200, **{"set-cookie": "a=b"})
    for _ in range(3):
        assert (await post(webhook, receivers["one"].url)).outcome is Outcome.DELIVERED
    assert not [arrival for arrival in receivers["one"].arrivals if "cookie" in arrival.headers]


@dataclass
class Switchboard:
    """A server that gives each request the next answer, in parts, and counts its connections."""

    answers: Sequence[Sequence[bytes]]
    connection_count: int = 0
    answered_count: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection_count += 1
        while await reader.read(65536):
            parts = self.answers[self.answered_count]
            self.answered_count += 1
            for part in parts:
                writer.write(part)
                await writer.drain()
                # The parts should not arrive as one: nothing goes wrong where they do.
                await asyncio.sleep(0.002)


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK"


@pytest.mark.parametrize(
    ("first", "connections"),
    [
        ([OK], 1),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], 1),
        ([b"HTTP/1.1 200 OK\r\ncontent-le", b"ngth: 2\r\n\r\n", b"OK"], 1),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", OK], 1),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"2\r\nOK\r\n", b"0\r\n\r\n"], 1),
        ([b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"], 2),
        ([b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"], 2),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 2048\r\n\r\n" + b"x" * 2048], 1),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 2049\r\n\r\n" + b"x" * 2049], 2),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 20, b"0\r\n\r\n"], 1),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 2049], 2),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000], 2),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", b"x" * 100_000], 2),
        ([OK + b"HTTP/1.1 500 Nobody asked\r\n"], 2),
        ([OK + b"HTTP/1.1 500 Nobody asked\r\ncontent-length: 0\r\n\r\n" + OK[:20]], 2),
    ],
)
async def test_a_connection_is_used_again_where_its_answer_has_an_end(
    first: Sequence[bytes], connections: int, webhook: WebhookChannel
) -> None:
    board = Switchboard([first, [OK]])
    async with listening(board) as port:
        attempts = [await post(webhook, f"http://127.0.0.1:{port}/") for _ in range(2)]
    assert {attempt.outcome for attempt in attempts} == {Outcome.DELIVERED}
    assert board.connection_count == connections


async def test_a_status_without_the_rest_of_its_body_counts_before_the_time_is_up() -> None:
    board = Switchboard([[b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"]])
    patience = timedelta(hours=1)
    async with (
        listening(board) as port,
        open_webhook_channel(LOOPBACK, patience=patience, clock=SystemClock()) as channel,
        asyncio.timeout(SECONDS),
    ):
        assert (await post(channel, f"http://127.0.0.1:{port}/")).outcome is Outcome.DELIVERED


async def test_a_status_counts_also_where_the_time_ends_before_its_body_is_given_up(
    hasty: WebhookChannel,
) -> None:
    """Over a new connection as over one that was used before: else the alert would be sent again."""
    assert HASTE.total_seconds() < BODY_SECONDS
    board = Switchboard([[b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"]])
    async with listening(board) as port:
        attempt = await post(hasty, f"http://127.0.0.1:{port}/")
    assert (attempt.outcome, attempt.status_code) == (Outcome.DELIVERED, 200)


@dataclass
class Mute:
    """A server that, once it is mute, begins its answers and does not end them."""

    connection_count: int = 0
    is_mute: bool = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection_count += 1
        while await reader.read(65536):
            writer.write(b"HTTP/1.1 " if self.is_mute else OK)


async def test_a_receiver_that_answered_before_gets_no_more_time_than_others(hasty: WebhookChannel) -> None:
    server = Mute()
    async with listening(server) as port:

        async def is_taken() -> bool:
            return (await post(hasty, f"http://127.0.0.1:{port}/")).outcome is Outcome.DELIVERED

        await eventually(is_taken, what="an answer in time")
        before, server.is_mute = server.connection_count, True
        attempt = await post(hasty, f"http://127.0.0.1:{port}/")
        assert (attempt.detail, server.connection_count) == ("TimeoutError", before)
        server.is_mute = False
        await eventually(is_taken, what="an answer over another connection")
    assert server.connection_count > before


async def test_what_is_asked_at_once_goes_over_connections_of_its_own(webhook: WebhookChannel) -> None:
    board = Switchboard([[OK]] * 6)
    async with listening(board) as port:
        for _ in range(2):
            await asyncio.gather(*(post(webhook, f"http://127.0.0.1:{port}/") for _ in range(3)))
    assert (board.connection_count, board.answered_count) == (3, 6)


async def test_a_connection_that_was_not_used_for_long_is_ended() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await Switchboard([[OK]])(reader, writer)
        finally:
            ended.set()

    clock = SystemClock()
    async with (
        listening(serve) as port,
        open_http_client(LOOPBACK, patience=PATIENCE, clock=clock) as client,
        asyncio.timeout(SECONDS),
    ):
        target = read_target(f"http://127.0.0.1:{port}/", "")
        await client.post(target, headers=b"", body=b"{}")
        client.close_idle(since=clock.monotonic() - 60)
        assert not ended.is_set()
        client.close_idle(since=clock.monotonic())
        await ended.wait()


@pytest.mark.parametrize(
    ("url", "origin", "first_lines"),
    [
        ("https://cw.example", Origin("cw.example", 443, is_secure=True), "/ HTTP/1.1|host: cw.example"),
        (
            "http://cw.example:8080/a b?c=ü#d",
            Origin("cw.example", 8080, is_secure=False),
            "/a%20b?c=%C3%BC HTTP/1.1|host: cw.example:8080",
        ),
        (
            "https://bücher.example/",
            Origin("xn--bcher-kva.example", 443, is_secure=True),
            "/ HTTP/1.1|host: xn--bcher-kva.example",
        ),
        (
            "https://[2001:db8::1]:444/",
            Origin("2001:db8::1", 444, is_secure=True),
            "/ HTTP/1.1|host: [2001:db8::1]:444",
        ),
    ],
)
def test_a_url_says_where_to_dial_and_what_to_ask_for(url: str, origin: Origin, first_lines: str) -> None:
    head = "POST " + "".join(f"{line}\r\n" for line in first_lines.split("|"))
    assert read_target(url, "x: y\r\n") == Target(origin, head.encode() + b"x: y\r\n")


@pytest.mark.parametrize(
    "url",
    [
        "https://cw.example:99999/",
        "https://[x/",
        "ftp://cw.example/",
        "https:///a",
        "https://user:word@cw.example/",
    ],
)
async def test_a_url_of_which_no_request_can_be_made_is_refused(url: str, webhook: WebhookChannel) -> None:
    attempt = await post(webhook, url)
    assert attempt == Attempt(Outcome.REFUSED, detail="UrlUnusableError", trouble=Trouble.UNUSABLE)
