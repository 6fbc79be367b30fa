"""An e-mail as it goes over the wire: a postcard, and the headers that mail programs and servers go by."""

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import Final

from services.notify.postcard import RenderedPostcard

# RFC 3834: no out-of-office assistant should answer. The second says so to those that never read the RFC.
_UNANSWERED: Final = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Whom our mail is from, and where it goes back to when it cannot be delivered."""

    name: str
    address: str
    bounces_to: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2] or "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One e-mail. Both ids are opaque; `message_id` is the same for every try, `thread_id` for the case."""

    to: str
    message_id: str
    thread_id: str
    postcard: RenderedPostcard


def compose_letter(letter: Letter, sender: Sender, *, at: datetime) -> bytes:
    """Raises ValueError for what is no address.

    A thread hangs on a message that was never sent: all of a case reply to it, whichever of them is lost.
    """
    thread = f"<{letter.thread_id}@{sender.domain}>"
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = Address(sender.name, addr_spec=sender.address)
    message["To"] = Address(addr_spec=letter.to)
    message["Subject"] = letter.postcard.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{letter.message_id}@{sender.domain}>"
    message["In-Reply-To"] = thread
    message["References"] = thread
    for name, value in _UNANSWERED.items():
        message[name] = value
    message.set_content(letter.postcard.text, cte=_encoding(letter.postcard.text))
    message.add_alternative(letter.postcard.html, subtype="html", cte=_encoding(letter.postcard.html))
    for part in message.iter_parts():
        del part["MIME-Version"]  # RFC 2045: it belongs to the whole message.
    return message.as_bytes()


def _encoding(text: str) -> str:
    """As it is, so that links stay whole; what is more than ASCII as every server carries it."""
    return "7bit" if text.isascii() else "quoted-printable"
