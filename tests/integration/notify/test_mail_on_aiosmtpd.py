"""The conformance of our mail, on aiosmtpd."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificates import Certificates
from tests.support.mail_conformance import ANSWERS, CREDENTIALS, DOMAIN, Arrived, MailConformance
from tests.support.mailbox import Mailbox, open_mailbox
from tests.support.waiting import eventually


@dataclass
class Aiosmtpd:
    """Two mailboxes, that the one may be encrypted from the first byte."""

    starttls: Mailbox
    implicit: Mailbox
    authority: Path

    @property
    def starttls_port(self) -> int:
        return self.starttls.port

    @property
    def implicit_port(self) -> int:
        return self.implicit.port

    async def count_sessions(self) -> int:
        return self.starttls.session_count + self.implicit.session_count

    async def wait_for(self, message_id: str) -> Arrived:
        async def find() -> Arrived | None:
            for mail in [*self.starttls.mails, *self.implicit.mails]:
                if message_id in str(mail.message["Message-ID"]):
                    return Arrived(mail.message, mail.sender)
            return None

        return await eventually(find, what="the letter")


@pytest.fixture
async def server(certificates: Certificates) -> AsyncIterator[Aiosmtpd]:
    async with (
        open_mailbox(tls=certificates.server) as starttls,
        open_mailbox(tls=certificates.server, implicit=True) as implicit,
    ):
        for mailbox in (starttls, implicit):
            mailbox.answers_by_recipient = ANSWERS
            mailbox.own_domain, mailbox.credentials = DOMAIN, CREDENTIALS
        yield Aiosmtpd(starttls, implicit, certificates.authority)


class TestAiosmtpd(MailConformance):
    """Each test of the suite."""
