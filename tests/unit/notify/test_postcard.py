"""The postcard says four things, and in the reader's own time."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.vocabulary import Urgency
from services.notify.postcard import Postcard, PostcardForm
from services.notify.templates import load_template
from tests.unit.notify.records import ALERT_ID

FORM = PostcardForm(
    load_template("postcard.txt"), load_template("postcard.html"), ZoneInfo("America/Los_Angeles")
)
LINK = f"https://notify.example/a/{ALERT_ID}"
POSTCARD = Postcard(
    alert_id=ALERT_ID,
    urgency=Urgency.IMMEDIATE,
    acknowledge_by=datetime(2026, 3, 4, 6, 55, tzinfo=UTC),
    link=LINK,
    phone="+1 661 555 0100",
)


def test_the_subject_is_urgency_id_and_deadline() -> None:
    assert FORM.render(POSTCARD).subject == "IMMEDIATE notice 1A2B3C4D - acknowledge by 22:55 PST"


def test_the_text_is_all_that_an_email_may_say() -> None:
    assert FORM.render(POSTCARD).text == (
        "IMMEDIATE notice 1A2B3C4D\n"
        "\n"
        "A notice needs your acknowledgement by 2026-03-03 22:55 PST (2026-03-04 06:55 UTC).\n"
        "\n"
        f"Sign in: {LINK}\n"
        "\n"
        "Do not reply with case details.\n"
        "If you cannot sign in, call the duty desk: +1 661 555 0100.\n"
    )


def test_the_html_says_the_same_words() -> None:
    rendered = FORM.render(POSTCARD)
    body = rendered.html.partition("<body")[2]
    words = re.sub(r"<[^>]*>", " ", body.partition(">")[2]).split()
    assert " ".join(words).replace(" .", ".") == " ".join(rendered.text.split())


def test_a_postcard_of_an_exercise_says_so_first_and_says_nothing_else_more() -> None:
    drill, real = FORM.render(replace(POSTCARD, exercise=True)), FORM.render(POSTCARD)
    assert drill.subject == f"EXERCISE - {real.subject}"
    assert drill.text == f"EXERCISE: this is a drill. Nobody is in danger.\n\n{real.text}"
    assert drill.html.replace(
        "<p><strong>EXERCISE: this is a drill. Nobody is in danger.</strong></p>\n", ""
    ) == (real.html)


def test_without_a_duty_desk_its_line_is_left_out() -> None:
    rendered = FORM.render(replace(POSTCARD, phone=None))
    assert "duty desk" not in rendered.text + rendered.html
    assert rendered.text.rstrip().endswith("Do not reply with case details.")


def test_summer_time_is_named_as_such() -> None:
    in_july = replace(POSTCARD, acknowledge_by=datetime(2026, 7, 4, 6, 55, tzinfo=UTC))
    assert FORM.render(in_july).subject.endswith("acknowledge by 23:55 PDT")


@given(link=st.text(min_size=1), phone=st.text(min_size=1))
def test_no_fact_can_become_markup(link: str, phone: str) -> None:
    plain = FORM.render(replace(POSTCARD, link="", phone="")).html
    rendered = FORM.render(replace(POSTCARD, link=link, phone=phone)).html
    assert rendered.count("<") == plain.count("<")
    assert rendered.count('"') == plain.count('"')


@pytest.mark.parametrize("urgency", list(Urgency))
def test_each_urgency_is_told_by_its_word(urgency: Urgency) -> None:
    rendered = FORM.render(replace(POSTCARD, urgency=urgency))
    assert rendered.subject.startswith(f"{urgency.value.upper()} notice ")
