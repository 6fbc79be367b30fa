"""How many bytes of bodies may be in memory."""

import pytest

from services.intake.api.hand import MAX_BYTES_ARRIVING, MAX_BYTES_IN_HAND, Hand
from services.intake.api.requests import RefusedRequestError

HALF = MAX_BYTES_ARRIVING // 2


def refused(hand: Hand, size: int, source: str) -> int:
    with pytest.raises(RefusedRequestError) as error:
        hand.take(size, source=source)
    assert error.value.refusal.retry_after == 1
    return error.value.refusal.status


def test_a_source_has_a_share_of_what_arrives() -> None:
    hand = Hand()
    with hand.take(HALF, source="one"), hand.take(HALF, source="one"):
        assert refused(hand, 1, "one") == 429
        with hand.take(HALF, source="two"):
            pass
    with hand.take(HALF, source="one"):
        pass
    assert (hand.total_bytes, hand.arriving) == (0, {"one": 0, "two": 0})


def test_what_has_arrived_counts_as_long_as_it_is_and_no_longer_for_its_source() -> None:
    hand = Hand()
    with hand.take(MAX_BYTES_ARRIVING, source="one") as first:
        first.arrived(10)
        assert hand.total_bytes == 10
        with hand.take(MAX_BYTES_ARRIVING, source="one"):
            pass
    assert hand.total_bytes == 0


def test_all_sources_together_have_a_limit_from_when_bodies_are_announced() -> None:
    hand = Hand()
    taken = [hand.take(MAX_BYTES_ARRIVING, source=str(n)) for n in range(4)]
    for each in taken:
        each.__enter__()
    assert MAX_BYTES_IN_HAND == 4 * MAX_BYTES_ARRIVING
    assert refused(hand, 1, "last") == 503
    taken[0].__exit__()
    with hand.take(1, source="last"):
        pass


def test_a_fault_while_it_is_in_hand_gives_it_back() -> None:
    hand = Hand()
    with pytest.raises(ValueError, match="fault"), hand.take(HALF, source="one"):
        raise ValueError("fault")
    assert (hand.total_bytes, hand.arriving["one"]) == (0, 0)
