"""What the templates make of values, whatever stands in them."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from schemas.vocabulary import RefusalReason, Urgency
from services.notify.api.pages import Pages, draw_qr, select_facts
from services.notify.handlers.desk import Notice, Taken
from services.notify.handlers.reading import OpenAlert
from services.notify.handlers.refusing import Declined
from services.notify.people import Person
from services.notify.totp import make_uri

PAGES = Pages(ZoneInfo("America/Los_Angeles"))
AT = datetime(2026, 3, 4, 6, 40, tzinfo=UTC)
ALERT_ID = UUID("1a2b3c4d-0000-8000-8000-00000000000a")
PERSON = Person(person_id=uuid4(), agency="ag-a", contact_id="co_1", name="<i>Jo</i>", role='"lead"')
HOSTILE = "<script>alert(1)</script>"
DATA: dict[str, object] = {
    "kind": "alert",
    "event_type": "org.tocsin.victim.recovered.v1",
    "case_ref": "case-1",
    "rules": ["K-03"],
    "escalation": 0,
    "exercise": True,
    "disclosed": {
        "name": {"full": HOSTILE, "aliases": []},
        "age": {"band": "13to15", "presumed_minor": False},
        "safety": {"indicators": ["a", HOSTILE], "risk": None},
    },
    "duties": [{"what": HOSTILE, "due": "2026-03-05T10:00:00Z", "authority": ["Cal. Penal Code 11166(a)"]}],
}


def show(
    data: dict[str, object] = DATA, *, taken: Taken | None = None, declined: Declined | None = None
) -> str:
    alert = OpenAlert(data=data, taken=taken, declined=declined, can_answer=True)
    page = PAGES.render(
        "alert.html",
        notice=PAGES.describe(Notice(ALERT_ID, Urgency.IMMEDIATE, AT, exercise=True)),
        person=PERSON,
        form_token="t",
        problem=None,
        alert=alert,
        data=alert.data,
        facts=select_facts(alert.data),
        role=PERSON.role,
        reasons=alert.reasons,
        chosen="duplicate",
        note=HOSTILE,
    )
    return bytes(page.body).decode()


def test_whatever_a_value_holds_is_text() -> None:
    page = show()
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;") == 4
    assert "<i>Jo</i>" not in page
    assert 'value="&#34;lead&#34;"' in page


def test_values_are_said_in_words() -> None:
    page = show()
    for said in (
        "Victim recovered",
        "Presumed minor",
        "no",
        "not said",
        "EXERCISE: this is a drill.",
        "2026-03-05 02:00 PST",
    ):
        assert said in page


def test_a_withdrawal_can_be_taken_note_of_and_not_refused() -> None:
    page = show({**DATA, "kind": "cancel"})
    assert "Withdrawn." in page
    assert "/acknowledge" in page
    assert "/refuse" not in page


def test_what_was_answered_says_by_whom() -> None:
    taken = Taken(alert_id=ALERT_ID, revision=1, acknowledged_at=AT, person="Jo", role="lead")
    declined = Declined(
        alert_id=ALERT_ID,
        revision=1,
        refused_at=AT,
        reason=RefusalReason.NO_CAPACITY,
        person=None,
        role=None,
        note=None,
    )
    assert "by Jo, lead" in show(taken=taken)
    refused = show(declined=declined)
    assert "Nobody is free to act. Others are being asked" in refused
    # A colleague may still say that there is a conflict of interest, and nothing else.
    assert [reason for reason in RefusalReason if f'value="{reason}"' in refused] == ["conflict_of_interest"]
    conflict = replace(declined, reason=RefusalReason.CONFLICT_OF_INTEREST)
    assert "/refuse" not in show(declined=conflict)


def test_every_reason_has_words() -> None:
    page = show()
    assert [reason for reason in RefusalReason if f'value="{reason}"' not in page] == []


def test_a_qr_code_is_drawn_within_the_page() -> None:
    drawn = str(draw_qr(make_uri("A" * 32, account="j.ortiz")))
    assert drawn.startswith('<svg role="img" ')
    for absent in ("http", "<script", "style=", "AAAA"):
        assert absent not in drawn
