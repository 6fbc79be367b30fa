"""An update never overtakes its alert, and a cancel is silent where its alert never arrived."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.vocabulary import AlertKind
from services.notify.delivery import DeliveryState
from services.notify.succession import Turn, find_replaced, judge_turn
from tests.unit.notify.records import ALERT_ID

DELIVERED, PENDING, SUPERSEDED = DeliveryState.DELIVERED, DeliveryState.PENDING, DeliveryState.SUPERSEDED

states = st.lists(st.sampled_from(DeliveryState), max_size=4)
kinds = st.sampled_from(AlertKind)


@pytest.mark.parametrize(
    ("kind", "earlier", "turn"),
    [
        (AlertKind.UPDATE, [DELIVERED], Turn.GO),
        (AlertKind.UPDATE, [SUPERSEDED], Turn.GO),
        (AlertKind.UPDATE, [], Turn.GO),
        (AlertKind.UPDATE, [DELIVERED, PENDING], Turn.WAIT),
        (AlertKind.CANCEL, [DELIVERED], Turn.GO),
        (AlertKind.CANCEL, [SUPERSEDED, DELIVERED], Turn.GO),
        (AlertKind.CANCEL, [SUPERSEDED], Turn.SILENCE),
        (AlertKind.CANCEL, [DeliveryState.REFUSED, DeliveryState.EXHAUSTED], Turn.SILENCE),
        (AlertKind.CANCEL, [DeliveryState.ACKNOWLEDGED], Turn.SILENCE),
        (AlertKind.CANCEL, [], Turn.SILENCE),
        (AlertKind.CANCEL, [PENDING], Turn.WAIT),
    ],
)
def test_a_turn_follows_from_what_became_of_the_alert(
    kind: AlertKind, earlier: list[DeliveryState], turn: Turn
) -> None:
    assert judge_turn({"kind": kind.value}, earlier) is turn


@given(kind=kinds, earlier=states)
def test_nothing_goes_while_its_alert_is_under_way(kind: AlertKind, earlier: list[DeliveryState]) -> None:
    assert (judge_turn({"kind": kind.value}, earlier) is Turn.WAIT) is (PENDING in earlier)


@given(earlier=states)
def test_an_update_is_never_silent(earlier: list[DeliveryState]) -> None:
    assert judge_turn({"kind": "update"}, earlier) is not Turn.SILENCE


def test_what_replaces_nothing_says_so_by_null_or_by_nothing() -> None:
    assert find_replaced({"replaces": str(ALERT_ID)}) == ALERT_ID
    assert find_replaced({"replaces": None}) is None
    assert find_replaced({}) is None
