"""Names that lead inside: a resolver says what an attacker wants, and the socket is never made."""

import ipaddress
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohappyeyeballs import AddrInfoType

from services.notify.channels.posting import HttpClient, Origin, build_tls_context, open_http_client
from services.notify.channels.webhook import WebhookChannel
from services.notify.delivery import Attempt, Outcome, Trouble
from services.notify.egress import Egress
from services.runtime.clock import SystemClock
from tests.integration.notify.sending import LOOPBACK, PATIENCE, post, post_once
from tests.support.certificates import Certificates
from tests.support.peers import listening, say_http
from tests.support.receivers import Receivers, status


@dataclass
class ResolverStub:
    """Answers each question with the next of these lists of addresses, and the last for ever."""

    answers: Sequence[Sequence[str]]
    questions: list[Origin] = field(default_factory=list)

    async def __call__(self, origin: Origin) -> Sequence[AddrInfoType]:
        addresses = self.answers[min(len(self.questions), len(self.answers) - 1)]
        self.questions.append(origin)
        return [_as_found(address, origin.port) for address in addresses]


def _as_found(address: str, port: int) -> AddrInfoType:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))


@dataclass
class Sender:
    """A channel whose names the stub resolves."""

    channel: WebhookChannel
    client: HttpClient

    async def post(self, port: int | str) -> Attempt:
        return await post(self.channel, f"http://receiver.example:{port}/one")


@asynccontextmanager
async def sending(stub: ResolverStub, *, egress: Egress = LOOPBACK) -> AsyncIterator[Sender]:
    clock = SystemClock()
    async with open_http_client(egress, patience=PATIENCE, clock=clock, resolve=stub) as client:
        yield Sender(WebhookChannel(client, egress, clock=clock), client)


@pytest.fixture
def port(receivers: Receivers) -> str:
    return receivers.base_url.rpartition(":")[2]


async def test_a_name_that_leads_to_an_allowed_address_is_dialled_there(
    port: str, receivers: Receivers
) -> None:
    async with sending(ResolverStub([["127.0.0.1"]])) as sender:
        assert (await sender.post(port)).trouble is None
    assert receivers["one"].arrivals[0].headers["host"] == f"receiver.example:{port}"


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "10.0.0.1",
        "::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::1",
        "2001:4860::5efe:127.0.0.1",
        "0.0.0.0",  # noqa: S104 -- an address to refuse
        "100.100.100.200",
        "224.0.0.1",
    ],
)
async def test_a_name_that_leads_inside_is_refused(address: str, port: str, receivers: Receivers) -> None:
    async with sending(ResolverStub([[address]])) as sender:
        attempt = await sender.post(port)
    assert (attempt.outcome, attempt.trouble) == (Outcome.REFUSED, Trouble.FORBIDDEN)
    assert receivers["one"].arrivals == []


async def test_of_several_addresses_only_those_that_are_allowed_are_dialled(
    port: str, receivers: Receivers
) -> None:
    async with sending(ResolverStub([["10.0.0.1", "::1", "127.0.0.1"]])) as sender:
        assert (await sender.post(port)).trouble is None
    assert len(receivers["one"].arrivals) == 1


async def test_a_name_that_leads_elsewhere_the_second_time_is_checked_the_second_time(
    port: str, receivers: Receivers
) -> None:
    stub = ResolverStub([["127.0.0.1"], ["169.254.169.254"]])
    async with sending(stub) as sender:
        first = await sender.post(port)
        sender.client.close_idle(since=SystemClock().monotonic() + 1)
        second = await sender.post(port)
    assert (first.trouble, second.trouble) == (None, Trouble.FORBIDDEN)
    assert (len(stub.questions), len(receivers["one"].arrivals)) == (2, 1)


async def test_what_is_dialled_is_what_was_checked_and_is_asked_for_once(port: str) -> None:
    # A second question would be answered with the metadata address.
    stub = ResolverStub([["127.0.0.1"], ["169.254.169.254"]])
    async with sending(stub) as sender:
        attempt = await sender.post(port)
    assert (attempt.trouble, len(stub.questions)) == (None, 1)


async def test_a_redirect_to_the_metadata_address_is_not_even_looked_up(
    port: str, receivers: Receivers
) -> None:
    receivers["one"].answer = status(307, location="http://metadata.example/latest/meta-data/")
    stub = ResolverStub([["127.0.0.1"]])
    async with sending(stub) as sender:
        attempt = await sender.post(port)
    assert (attempt.outcome, attempt.status_code) == (Outcome.REFUSED, 307)
    assert [question.host for question in stub.questions] == ["receiver.example"]


async def test_a_network_that_is_allowed_does_not_allow_what_its_translator_leads_to(port: str) -> None:
    nat64 = Egress((ipaddress.ip_network("64:ff9b::/96"),), allow_http=True)
    async with sending(ResolverStub([["64:ff9b::a9fe:a9fe"]]), egress=nat64) as sender:
        assert (await sender.post(port)).trouble is Trouble.FORBIDDEN


def lower(context: ssl.SSLContext, *, most: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """As TLS was spoken long ago."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        if most is not None:
            context.maximum_version = most
    return context


async def test_nothing_older_than_tls_1_2_is_spoken(certificates: Certificates) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificates.chain)
    lower(server, most=ssl.TLSVersion.TLSv1_1)
    ours, careless = (build_tls_context(certificates.authority) for _ in range(2))
    ours.set_ciphers("ALL:@SECLEVEL=0")
    async with listening(say_http(b"HTTP/1.1 204 No Content\r\n\r\n"), tls=server) as port:
        url = f"https://localhost:{port}/"
        # The second shows that it is the version alone that is in the way.
        attempts = [await post_once(url, tls=ours), await post_once(url, tls=lower(careless))]
    assert [attempt.outcome for attempt in attempts] == [Outcome.UNAVAILABLE, Outcome.DELIVERED]


async def test_a_certificate_for_another_name_gets_no_alert(certificates: Certificates) -> None:
    client = build_tls_context(certificates.authority)
    async with listening(say_http(b"HTTP/1.1 204 No Content\r\n\r\n"), tls=certificates.server) as port:
        stub = ResolverStub([["127.0.0.1"]])
        clock = SystemClock()
        async with open_http_client(
            LOOPBACK, patience=PATIENCE, clock=clock, tls=client, resolve=stub
        ) as http:
            channel = WebhookChannel(http, LOOPBACK, clock=clock)
            attempt = await post(channel, f"https://receiver.example:{port}/")
    assert (attempt.outcome, attempt.trouble) == (Outcome.UNAVAILABLE, Trouble.UNTRUSTED)
