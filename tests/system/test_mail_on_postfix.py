"""The conformance of our mail, on Postfix; and what comes back of what it cannot deliver."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.notify.delivery import Outcome
from tests.support.certificates import make_certificates
from tests.support.mail_conformance import MailConformance, describe, send, write
from tests.support.postfix import BOUNCING, Postfix, running_postfix


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postfix]:
    with running_postfix(make_certificates(tmp_path_factory.mktemp("certificates"))) as postfix:
        yield postfix


class TestPostfix(MailConformance):
    """Each test of the suite."""


async def test_what_it_took_over_and_cannot_deliver_comes_back_by_its_id_and_without_its_words(
    server: Postfix,
) -> None:
    letter = write(BOUNCING)
    attempt = await send(describe(server), letter)
    assert attempt.outcome is Outcome.DELIVERED
    report = await server.wait_for_report(letter.message_id)
    assert report.get_content_type() == "multipart/report"
    assert f"Original-Envelope-Id: {letter.message_id}" in report.as_string()
    assert letter.postcard.text.splitlines()[1] not in report.as_string()


def test_nothing_of_it_is_the_system_s(server: Postfix) -> None:
    assert (server.home / "queue" / "pid" / "master.pid").is_file()
    assert not Path("/var/spool/postfix/pid/master.pid").is_file()
