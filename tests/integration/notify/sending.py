"""One attempt over a channel, with patience for half a second and leave to dial this machine."""

import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from services.notify.channels.email import EmailChannel, Letter, MailServer, open_email_channel
from services.notify.channels.webhook import WebhookChannel, open_webhook_channel
from services.notify.delivery import Attempt
from services.notify.egress import Egress
from services.notify.postcard import RenderedPostcard
from services.notify.settings import StartTls
from services.notify.signing import parse_secret
from services.runtime.clock import SystemClock

PATIENCE = timedelta(seconds=0.5)
LOOPBACK = Egress((ipaddress.ip_network("127.0.0.0/8"),), allow_http=True)
LETTER = Letter(
    to="duty@cw.example", message_id="0a", postcard=RenderedPostcard("s", "text\n", "<p>text</p>\n")
)
KEY = parse_secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")


async def post(channel: WebhookChannel, url: str) -> Attempt:
    return await channel.send(url, [KEY], webhook_id="a_1", body=b"{}")


async def post_once(url: str, *, egress: Egress = LOOPBACK, tls: ssl.SSLContext | None = None) -> Attempt:
    """Over a channel of its own."""
    async with open_webhook_channel(egress, patience=PATIENCE, clock=SystemClock(), tls=tls) as channel:
        return await post(channel, url)


async def mail(port: int, *, starttls: StartTls = StartTls.OFF, tls: ssl.SSLContext | None = None) -> Attempt:
    async with email_to(port, starttls=starttls, tls=tls) as channel:
        return await channel.send(LETTER)


@asynccontextmanager
async def email_to(
    port: int, *, starttls: StartTls = StartTls.OFF, tls: ssl.SSLContext | None = None
) -> AsyncIterator[EmailChannel]:
    server = MailServer("127.0.0.1", port, starttls, "Notices <notices@desk.example>", tls)
    async with open_email_channel(server, patience=PATIENCE, clock=SystemClock()) as channel:
        yield channel
