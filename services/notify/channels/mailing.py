"""The channel for e-mail, as the settings describe it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parseaddr

from services.notify.channels.email import EmailChannel, open_email_channel
from services.notify.channels.mail_lines import MailServer, build_mail_tls_context
from services.notify.letter import Sender
from services.notify.settings import NotifySettings
from services.runtime.clock import Clock
from services.runtime.logs import get_logger

log = get_logger()


@asynccontextmanager
async def open_configured_email(
    settings: NotifySettings, *, clock: Clock
) -> AsyncIterator[EmailChannel | None]:
    """None where no mail server is configured."""
    if settings.notify_smtp is None:
        log.warning("email.not_configured")
        yield None
        return
    server = read_mail_server(settings, settings.notify_smtp)
    async with open_email_channel(server, patience=settings.notify_timeout, clock=clock) as channel:
        yield channel


def read_mail_server(settings: NotifySettings, address: str) -> MailServer:
    """`address` is `host:port`."""
    host, _, port = address.rpartition(":")
    name, sender = parseaddr(settings.notify_mail_from)
    return MailServer(
        host=host.strip("[]"),
        port=int(port),
        tls=settings.notify_smtp_tls,
        sender=Sender(name=name, address=sender, bounces_to=settings.notify_mail_bounces_to or sender),
        context=build_mail_tls_context(settings.notify_smtp_ca_file),
        user=settings.notify_smtp_user,
        password=settings.notify_smtp_password,
        most_messages=settings.notify_smtp_messages,
        idle=settings.notify_smtp_idle,
    )
