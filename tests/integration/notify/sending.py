"""One attempt over a channel, with leave to dial this machine."""

import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from services.notify.channels.email import EmailChannel, open_email_channel
from services.notify.channels.mail_lines import MailServer, build_mail_tls_context
from services.notify.channels.webhook import WebhookChannel, open_webhook_channel
from services.notify.delivery import Attempt
from services.notify.egress import Egress
from services.notify.letter import Letter, Sender
from services.notify.postcard import RenderedPostcard
from services.notify.settings import MailTls
from services.notify.signing import parse_secret
from services.runtime.clock import SystemClock

PATIENCE = timedelta(minutes=1)
HASTE = timedelta(seconds=0.5)
"""For whoever never answers."""
LOOPBACK = Egress((ipaddress.ip_network("127.0.0.0/8"),), allow_http=True)
LETTER = Letter(
    to="duty@cw.example",
    message_id="0a",
    thread_id="0b",
    postcard=RenderedPostcard("s", "text\n", "<p>text</p>\n"),
)
SENDER = Sender(name="Notices", address="notices@desk.example", bounces_to="bounces@desk.example")
KEY = parse_secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")


async def post(channel: WebhookChannel, url: str) -> Attempt:
    return await channel.send(url, [KEY], webhook_id="a_1", body=b"{}")


async def post_once(
    url: str,
    *,
    egress: Egress = LOOPBACK,
    tls: ssl.SSLContext | None = None,
    patience: timedelta = PATIENCE,
) -> Attempt:
    """Over a channel of its own."""
    async with open_webhook_channel(egress, patience=patience, clock=SystemClock(), tls=tls) as channel:
        return await post(channel, url)


async def mail(
    port: int,
    *,
    tls: MailTls = MailTls.OFF,
    trusting: ssl.SSLContext | None = None,
    patience: timedelta = PATIENCE,
) -> Attempt:
    async with email_to(mail_server(port, tls=tls, trusting=trusting), patience=patience) as channel:
        return await channel.send(LETTER)


def mail_server(
    port: int, *, tls: MailTls = MailTls.OFF, trusting: ssl.SSLContext | None = None
) -> MailServer:
    context = trusting or build_mail_tls_context()
    return MailServer(host="127.0.0.1", port=port, tls=tls, sender=SENDER, context=context)


@asynccontextmanager
async def email_to(server: MailServer, *, patience: timedelta = PATIENCE) -> AsyncIterator[EmailChannel]:
    async with open_email_channel(server, patience=patience, clock=SystemClock()) as channel:
        yield channel


def letter(*, to: str = LETTER.to, message_id: str = LETTER.message_id) -> Letter:
    return replace(LETTER, to=to, message_id=message_id)
