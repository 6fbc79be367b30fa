"""What agencies' systems and mail servers do on a bad day, each with what becomes of the alert."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.notify.settings import MailTls
from tests.integration.notify.rig import ONE_ATTEMPT, Rig, running_notify
from tests.support.certificates import make_certificates
from tests.support.mailbox import Mailbox, open_mailbox
from tests.support.peers import Peer, listening, say_http, say_nothing, talk_garbage
from tests.support.receivers import Receiver

AGENCY = "ag-kern-cw"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
WORSE = b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"
GIGABYTES = 10
PATIENT, HASTY = "PT15S", "PT0.3S"
NEVER_DONE = {"trickles", "never"}
ATTEMPT = "SELECT outcome, status_code, enhanced_code, detail FROM notify.attempt ORDER BY number"
STATE = "SELECT state, attempts FROM notify.delivery"


async def answer_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65536)
    for byte in OK:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.002)  # Slow is what this receiver is.


async def answer_a_byte_at_a_time_for_ever(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await reader.read(65536)
    writer.write(b"HTTP/1.1 200")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)  # Likewise.


@dataclass
class Flood:
    """Says that it was well received, and then sends ten gigabytes."""

    sent_bytes: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        size = GIGABYTES * 1024**3
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while self.sent_bytes < size:
            writer.write(b"x" * 65536)
            await writer.drain()
            self.sent_bytes += 65536


@dataclass
class Turns:
    """Gives each request the next answer, and the last for ever."""

    answers: list[bytes]
    count: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(self.answers[min(self.count, len(self.answers) - 1)])
            self.count += 1
            await writer.drain()


@pytest.mark.parametrize(
    ("peer", "outcome", "status", "detail", "state"),
    [
        pytest.param(answer_slowly, "delivered", 200, None, "delivered", id="slowly"),
        pytest.param(
            answer_a_byte_at_a_time_for_ever, "unavailable", None, "TimeoutError", "pending", id="trickles"
        ),
        pytest.param(say_nothing, "unavailable", None, "TimeoutError", "pending", id="never"),
        pytest.param(
            say_http(b"\x00\xff\x13 garbage\r\n\r\n"),
            "unavailable",
            None,
            "AnswerUnreadableError",
            "pending",
            id="garbage",
        ),
        pytest.param(
            say_http(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/\r\n\r\n"),
            "refused",
            302,
            None,
            "refused",
            id="redirect to metadata",
        ),
        pytest.param(
            say_http(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf"),
            "delivered",
            200,
            None,
            "delivered",
            id="closes mid-body",
        ),
        pytest.param(
            say_http(b"HTTP/1.1 200 OK\r\ncontent-le"),
            "unavailable",
            None,
            "ConnectionResetError",
            "pending",
            id="closes mid-head",
        ),
        pytest.param(say_http(OK), "unavailable", None, "ssl.SSLError", "pending", id="no TLS"),
    ],
)
async def test_one_attempt_at_a_bad_receiver(
    peer: Peer,
    outcome: str,
    status: int | None,
    detail: str | None,
    state: str,
    rig: Rig,
    request: pytest.FixtureRequest,
) -> None:
    case = request.node.callspec.id
    scheme = "https" if case == "no TLS" else "http"
    async with listening(peer) as port:
        await rig.add_agency(AGENCY, Receiver(f"{scheme}://127.0.0.1:{port}/"))
        settings = rig.settings(notify_timeout=HASTY if case in NEVER_DONE else PATIENT)
        async with running_notify(rig, settings, schedules=ONE_ATTEMPT):
            await rig.send_alert()
            row = await rig.wait_for_row(ATTEMPT)
    found = (row["outcome"], row["status_code"], (row["detail"] or "").removeprefix("services.") or None)
    assert found == (outcome, status, detail)
    (delivery,) = await rig.query(STATE)
    assert delivery["state"] == state
    # What waits for so long that it could not be made in time is claimed once more.
    assert delivery["attempts"] == 1 or case in NEVER_DONE


async def test_ten_gigabytes_are_not_read(rig: Rig) -> None:
    flood = Flood()
    async with listening(flood) as port:
        await rig.add_agency(AGENCY, Receiver(f"http://127.0.0.1:{port}/"))
        async with running_notify(rig, rig.settings()):
            await rig.send_alert()
            await rig.wait_for_receipts("delivered")
    # What the sockets of both sides took in before the connection was cut.
    assert flood.sent_bytes < 32 * 1024**2


async def test_a_receiver_that_flips_is_asked_until_it_says_yes_and_not_once_more(rig: Rig) -> None:
    turns = Turns([WORSE, WORSE, OK, WORSE, OK, WORSE])
    async with listening(turns) as port:
        await rig.add_agency(AGENCY, Receiver(f"http://127.0.0.1:{port}/"))
        async with running_notify(rig, rig.settings()):
            for alerts in (1, 2):
                await rig.send_alert()
                await rig.wait_for_receipts(*["delivered"] * alerts)
    assert turns.count == 5
    assert sorted(row["attempts"] for row in await rig.query(STATE)) == [2, 3]


async def test_an_expired_certificate_gets_nothing_until_it_is_renewed(rig: Rig, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("old", "new")}
    for folder in folders.values():
        folder.mkdir()
    expired = make_certificates(folders["old"], is_expired=True)
    renewed = make_certificates(folders["new"])
    both = tmp_path / "authorities.pem"
    both.write_bytes(expired.authority.read_bytes() + renewed.authority.read_bytes())
    turns = Turns([OK])
    settings = rig.settings(notify_ca_file=both, notify_allow_http=False)
    async with listening(turns, tls=expired.server) as port:
        await rig.add_agency(AGENCY, Receiver(f"https://localhost:{port}/"))
        async with running_notify(rig, settings):
            await rig.send_alert()
            row = await rig.wait_for_row(ATTEMPT)
            assert (row["outcome"], row["detail"]) == ("unavailable", "ssl.SSLCertVerificationError")
            assert turns.count == 0
            expired.server.load_cert_chain(renewed.chain)
            await rig.wait_for_receipts("delivered")
    assert turns.count == 1


Trouble = Callable[[Mailbox], None]


def greylist(mailbox: Mailbox) -> None:
    mailbox.rcpt_answer = "450 4.7.1 Greylisted, come back later"


def drop_after_data(mailbox: Mailbox) -> None:
    mailbox.drops_after_data = True


def hang_up(mailbox: Mailbox) -> None:
    mailbox.hangs_up_at = "RCPT"


def close_down(mailbox: Mailbox) -> None:
    mailbox.data_answer = "421 4.3.2 System not accepting messages"


def want_credentials(mailbox: Mailbox) -> None:
    mailbox.mail_answer = "530 5.7.0 Authentication required"


def be_well(mailbox: Mailbox) -> None:
    mailbox.mail_answer = mailbox.rcpt_answer = mailbox.data_answer = mailbox.hangs_up_at = None
    mailbox.drops_after_data = False


@pytest.mark.parametrize(
    ("begin", "status", "enhanced"),
    [
        pytest.param(greylist, 450, "4.7.1", id="greylists"),
        pytest.param(drop_after_data, None, None, id="drops after DATA"),
        pytest.param(hang_up, None, None, id="drops in the middle"),
        pytest.param(close_down, 421, "4.3.2", id="accepts and closes down"),
        pytest.param(want_credentials, 530, "5.7.0", id="wants credentials"),
    ],
)
async def test_a_mail_server_that_puts_us_off_gets_the_mail_later(
    begin: Trouble, status: int | None, enhanced: str | None, rig: Rig, mailbox: Mailbox
) -> None:
    await rig.add_agency(AGENCY, email="duty@cw.example")
    begin(mailbox)
    async with running_notify(rig, rig.settings(mailbox=mailbox)):
        await rig.send_alert()
        row = await rig.wait_for_row(ATTEMPT)
        assert (row["outcome"], row["status_code"], row["enhanced_code"]) == ("unavailable", status, enhanced)
        be_well(mailbox)
        await rig.wait_for_receipts("delivered")
    assert len(mailbox.mails) == 1


async def test_a_mail_server_that_answers_550_makes_a_dead_letter(rig: Rig, mailbox: Mailbox) -> None:
    await rig.add_agency(AGENCY, email="duty@cw.example")
    mailbox.rcpt_answer = "550 5.1.1 No such user"
    async with running_notify(rig, rig.settings(mailbox=mailbox)):
        await rig.send_alert()
        await rig.wait_for_receipts("failed")
    assert await rig.query(STATE) == [{"state": "refused", "attempts": 1}]
    (attempt,) = await rig.query(ATTEMPT)
    assert (attempt["status_code"], attempt["enhanced_code"]) == (550, "5.1.1")
    assert mailbox.mails == []


@pytest.mark.parametrize(
    ("peer", "trouble", "patience"),
    [
        pytest.param(say_nothing, "TimeoutError", HASTY, id="never answers"),
        pytest.param(talk_garbage, "SMTPResponseException", PATIENT, id="garbage for a greeting"),
    ],
)
async def test_a_mail_server_that_cannot_be_talked_to_is_tried_again(
    peer: Peer, trouble: str, patience: str, rig: Rig
) -> None:
    await rig.add_agency(AGENCY, email="duty@cw.example")
    async with listening(peer) as port:
        settings = rig.settings(notify_smtp=f"127.0.0.1:{port}", notify_timeout=patience)
        async with running_notify(rig, settings):
            await rig.send_alert()
            row = await rig.wait_for_row(f"{ATTEMPT} OFFSET 1")
    assert (row["outcome"], row["status_code"]) == ("unavailable", None)
    assert row["detail"].rpartition(".")[2] == trouble


async def test_a_mail_server_that_was_down_suspends_nobody_and_costs_nobody_an_alert(
    rig: Rig, mailbox: Mailbox
) -> None:
    """Long enough that an endpoint would be spared: a mail server is everybody's, and no contact's fault."""
    mailbox.mail_answer = "451 4.3.0 down"
    for name in (AGENCY, "ag-kern-da"):
        await rig.add_agency(name, email=f"duty@{name}.example")
    async with running_notify(rig, rig.settings(mailbox=mailbox, notify_suspend_attempts=3)) as notify:
        for mandated in (True, False):
            for name in (AGENCY, "ag-kern-da"):
                await rig.send_alert(agency=name, mandated=mandated)
        await rig.wait_for_row("SELECT FROM notify.delivery HAVING min(attempts) > 4")
        assert (await notify.ask("GET", "/readyz")).body["suspended_endpoints"] == []
        be_well(mailbox)
        told = await rig.wait_for_receipts(*["delivered"] * 4)
    # Nobody waited for whom no e-mail reached, and the alerts came nevertheless.
    assert [receipt.kind.value for receipt in told].count("unreachable") == 4
    assert await rig.query("SELECT FROM notify.suspension") == []
    assert len(mailbox.mails) == 4


async def test_several_tries_of_one_mail_are_one_mail_to_its_reader(rig: Rig, mailbox: Mailbox) -> None:
    """A server may have kept what it did not answer for: the same Message-ID lets the reader's see it."""
    await rig.add_agency(AGENCY, email="duty@cw.example")
    mailbox.drops_after_data = mailbox.keeps_what_it_drops = True
    async with running_notify(rig, rig.settings(mailbox=mailbox)):
        await rig.send_alert()
        await mailbox.wait_for(1)
        mailbox.drops_after_data = False
        await rig.wait_for_receipts("delivered")
    ids = [str(mail.message["Message-ID"]) for mail in mailbox.mails]
    assert len(ids) > 1
    assert len(set(ids)) == 1


async def test_a_mail_server_of_another_s_name_gets_nothing_until_it_is_ours_again(
    rig: Rig, tmp_path: Path
) -> None:
    folders = {name: tmp_path / name for name in ("anothers", "ours")}
    for folder in folders.values():
        folder.mkdir()
    anothers = make_certificates(folders["anothers"], is_anothers=True)
    ours = make_certificates(folders["ours"])
    both = tmp_path / "authorities.pem"
    both.write_bytes(anothers.authority.read_bytes() + ours.authority.read_bytes())
    await rig.add_agency(AGENCY, email="duty@cw.example")
    async with open_mailbox(tls=anothers.server) as mailbox:
        settings = rig.settings(mailbox=mailbox, notify_smtp_tls=MailTls.STARTTLS, notify_smtp_ca_file=both)
        async with running_notify(rig, settings):
            await rig.send_alert()
            row = await rig.wait_for_row(ATTEMPT)
            assert (row["outcome"], row["detail"]) == ("unavailable", "ssl.SSLCertVerificationError")
            assert mailbox.mails == []
            anothers.server.load_cert_chain(ours.chain)
            await rig.wait_for_receipts("delivered")
    assert [mail.is_encrypted for mail in mailbox.mails] == [True]


async def test_mails_of_one_case_are_one_thread_at_one_agency(rig: Rig, mailbox: Mailbox) -> None:
    """The name of the thread is opaque, and another agency's is another."""
    for name in (AGENCY, "ag-kern-da"):
        await rig.add_agency(name, email=f"duty@{name}.example")
    async with running_notify(rig, rig.settings(mailbox=mailbox)):
        alerts = [await rig.send_alert(agency=name) for name in (AGENCY, AGENCY, "ag-kern-da")]
        await mailbox.wait_for(3)
    threads = {str(mail.message["References"]): mail.recipient for mail in mailbox.mails}
    assert sorted(threads.values()) == ["duty@ag-kern-cw.example", "duty@ag-kern-da.example"]
    assert {str(mail.message["In-Reply-To"]) for mail in mailbox.mails} == set(threads)
    said = " ".join(mail.content.decode() for mail in mailbox.mails)
    assert not [alert.case_ref for alert in alerts if alert.case_ref in said]
