"""What an e-mail carries beside the postcard: enough for programs, and nothing that tells of a case."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

import pytest

from services.notify.letter import Letter, Sender, compose_letter
from services.notify.postcard import RenderedPostcard

SENDER = Sender(name="Notices", address="notices@desk.example", bounces_to="bounces@desk.example")
LETTER = Letter(
    to="duty@cw.example",
    message_id="0a",
    thread_id="0b",
    postcard=RenderedPostcard("URGENT notice", "text\n", "<p>text</p>\n"),
)
AT = datetime(2026, 3, 4, 6, 40, tzinfo=UTC)


def read(letter: Letter = LETTER) -> EmailMessage:
    return message_from_bytes(compose_letter(letter, SENDER, at=AT), policy=policy.default)


def test_its_headers_are_these_and_no_others() -> None:
    assert {name: str(value) for name, value in read().items() if name != "Content-Type"} == {
        "From": "Notices <notices@desk.example>",
        "To": "duty@cw.example",
        "Subject": "URGENT notice",
        "Date": "Wed, 04 Mar 2026 06:40:00 +0000",
        "Message-ID": "<0a@desk.example>",
        "In-Reply-To": "<0b@desk.example>",
        "References": "<0b@desk.example>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "MIME-Version": "1.0",
    }


def test_it_is_one_text_in_two_forms_the_plain_one_first() -> None:
    message = read()
    assert message.get_content_type() == "multipart/alternative"
    parts = cast("list[EmailMessage]", list(message.iter_parts()))
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert not message.defects
    assert not any(part.defects for part in parts)


def test_its_lines_end_and_are_as_long_as_smtp_allows() -> None:
    link = "https://notify.example/a/" + "0" * 400
    content = compose_letter(
        replace(LETTER, postcard=RenderedPostcard("s", f"Sign in: {link}\n", f"<p>{link}</p>\n")),
        SENDER,
        at=AT,
    )
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    # Not put into pieces that a program must put together again.
    assert link.encode() in content


def test_more_than_ascii_travels_over_servers_that_know_no_more() -> None:
    letter = replace(LETTER, postcard=RenderedPostcard("Grüße", "Grüße\n", "<p>Grüße</p>\n"))
    assert compose_letter(letter, SENDER, at=AT).isascii()
    message = read(letter)
    assert message["Subject"] == "Grüße"
    plain = message.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().strip() == "Grüße"


@pytest.mark.parametrize("to", ["nobody", "a@b.example\r\nBcc: c@d.example", "a@b.example, c@d.example"])
def test_what_is_not_one_address_is_no_letter(to: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the library's texts quote the address
        read(replace(LETTER, to=to))
