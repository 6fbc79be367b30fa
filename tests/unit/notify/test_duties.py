"""Which duties an agency has, from what its alerts and notices say in the order of its feed."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from schemas.alert import AlertForm, AlertRecord, Command
from services.notify.bodies import Content
from services.notify.duties import Carrier, DutyChange, find_duty, gather_changes
from tests.unit.notify.records import DECIDED_AT, alert_record

AGENCY, OTHER = "ag-kern-cw", "ag-bpd"
DUE = "2026-03-05T18:10:00Z"
LATER = DECIDED_AT + timedelta(hours=1)
DUTY = UUID("00000000-0000-8000-8000-0000000000d1")


def item(duty_id: UUID = DUTY, *, holder: str | None = AGENCY, due: str | None = DUE) -> dict[str, object]:
    return {"duty_id": str(duty_id), "rule": "K-03", "holder": holder, "what": "telephone", "due": due}


def alert(*duties: dict[str, object], at: datetime = DECIDED_AT) -> tuple[AlertRecord, Content]:
    record = alert_record(alert_id=uuid4(), agency=AGENCY).model_copy(update={"decided_at": at})
    return record, {"event_id": "e1", "duties": list(duties)}


def notice(duty_id: UUID) -> tuple[AlertRecord, Content]:
    record = alert_record(alert_id=uuid4(), agency=AGENCY, form=AlertForm.DUTY_NOTICE)
    own = item(duty_id)
    del own["holder"]
    return record, {"duties": [own]}


def review(*duty_ids: UUID) -> tuple[AlertRecord, Content]:
    record = alert_record(alert_id=uuid4(), agency=AGENCY).model_copy(update={"command": Command.REVIEW})
    return record, {"duty_ids": [str(duty_id) for duty_id in duty_ids]}


def carrier(read: tuple[AlertRecord, Content]) -> Carrier:
    return Carrier(read[0].alert_id, read[0].revision)


def test_an_agency_has_the_duties_it_holds_and_no_others_that_it_is_shown() -> None:
    shown = alert(item(), item(uuid4(), holder=OTHER), item(uuid4(), holder=None))
    assert gather_changes([shown]) == [
        DutyChange(DUTY, carrier(shown), is_in_doubt=False, said_at=DECIDED_AT)
    ]


def test_the_duties_of_a_notice_are_all_its_agencys() -> None:
    told = notice(DUTY)
    assert gather_changes([told]) == [DutyChange(DUTY, carrier(told), is_in_doubt=False, said_at=DECIDED_AT)]


def test_a_reminder_carries_nothing_and_a_duty_is_not_listed_again_for_it() -> None:
    told, reminder = notice(DUTY), notice(DUTY)
    reminded = (reminder[0], {**reminder[1], "reminder": "overdue"})
    assert gather_changes([told, reminded]) == [
        DutyChange(DUTY, carrier(told), is_in_doubt=False, said_at=DECIDED_AT)
    ]


def test_a_duty_on_several_alerts_is_one_carried_by_the_last() -> None:
    first, second = alert(item()), alert(item())
    assert gather_changes([first, second]) == [
        DutyChange(DUTY, carrier(second), is_in_doubt=False, said_at=DECIDED_AT)
    ]


def test_a_cancel_puts_it_in_doubt_and_the_alert_with_its_time_goes_on_carrying_it() -> None:
    told, cancelled = alert(item()), alert(item(due="needs_review"), at=LATER)
    for order in ([told, cancelled], [cancelled, told]):
        (change,) = gather_changes(order)
        assert (change.carrier, change.is_in_doubt, change.is_last_resort) == (carrier(told), True, False)


def test_a_correction_that_renews_it_ends_the_doubt_whatever_comes_first() -> None:
    told, doubted, renewed = alert(item()), review(DUTY), alert(item(), at=LATER)
    for order in ([told, doubted, renewed], [renewed, doubted, told], [doubted, renewed]):
        (change,) = gather_changes(order)
        assert (change.carrier, change.is_in_doubt, change.said_at) == (carrier(renewed), False, LATER)


def test_a_cancel_alone_carries_it() -> None:
    cancelled = alert(item(due="needs_review"))
    (change,) = gather_changes([cancelled])
    assert (change.carrier, change.is_in_doubt, change.is_last_resort) == (carrier(cancelled), True, True)


def test_a_review_puts_in_doubt_what_is_known_from_before_or_from_the_same_reading() -> None:
    known, told = uuid4(), alert(item())
    changes = {change.duty_id: change for change in gather_changes([told, review(known, DUTY)])}
    assert changes[known] == DutyChange(known, None, is_in_doubt=True, said_at=DECIDED_AT)
    assert changes[DUTY] == DutyChange(DUTY, carrier(told), is_in_doubt=True, said_at=DECIDED_AT)


def test_the_words_of_a_duty_are_found_in_what_carries_it() -> None:
    record, content = alert(item(uuid4()), item())
    found = find_duty(record, content, DUTY)
    assert found is not None
    assert (found["what"], found["due"]) == ("telephone", DUE)
    assert find_duty(record, content, uuid4()) is None
    assert find_duty(record, {}, DUTY) is None


def test_what_is_in_doubt_has_no_time() -> None:
    found = find_duty(*alert(item(due="needs_review")), DUTY)
    assert found is not None
    assert found["due"] is None
