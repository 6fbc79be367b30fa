"""When refusals are so many that the fault must be ours."""

from hypothesis import given
from hypothesis import strategies as st

from services.routing.handlers.quarantine import QuarantineReason, QuarantineWindow


def window_after(faults: list[bool]) -> QuarantineWindow:
    window = QuarantineWindow()
    for is_fault in faults:
        window = window.add(is_fault=is_fault)
    return window


def test_four_in_a_row_are_the_datas_fault_and_five_are_ours() -> None:
    assert not window_after([True] * 4).is_full
    assert window_after([True] * 5).is_full


def test_one_good_record_between_them_starts_the_row_anew() -> None:
    assert not window_after([*[True] * 4, False, *[True] * 4]).is_full


def test_nine_of_the_last_hundred_are_the_datas_fault_and_ten_are_ours() -> None:
    one_in_ten = [True, *[False] * 9]

    assert not window_after(one_in_ten * 9).is_full
    assert window_after([*one_in_ten * 9, True]).is_full


def test_what_is_more_than_a_hundred_records_ago_is_forgotten() -> None:
    eleven_apart = [True, *[False] * 10]

    assert not window_after(eleven_apart * 50).is_full


@given(st.lists(st.booleans(), max_size=300))
def test_it_agrees_with_counting_by_hand(faults: list[bool]) -> None:
    last_five, last_hundred = faults[-5:], faults[-100:]
    is_full = (len(last_five) == 5 and all(last_five)) or sum(last_hundred) >= 10

    assert window_after(faults).is_full is is_full


def test_only_what_the_data_does_not_explain_is_counted() -> None:
    assert {reason for reason in QuarantineReason if not reason.is_fault} == {
        QuarantineReason.ID_REUSED,
        QuarantineReason.NOT_ACCEPTED,
    }
