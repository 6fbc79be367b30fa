"""The dead-man's switch: alive only while every part of the chain comes past what was there."""

from datetime import UTC, datetime, timedelta

from services.notify.pulse import Hop, Pulse

NOW = datetime(2026, 3, 5, 6, 40, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def beat(pulse: Pulse, at: datetime, *, committed: dict[str, int], ends: dict[str, int]) -> None:
    for hop in pulse.hops:
        hop.note({0: committed[hop.name]})
        hop.set_target({0: ends[hop.name]}, at=at)


def a_pulse() -> Pulse:
    return Pulse([Hop("decided"), Hop("told")], MINUTE)


def test_what_was_never_proved_is_not_alive() -> None:
    pulse = a_pulse()
    assert not pulse.judge(NOW).is_alive
    beat(pulse, NOW, committed={"decided": 0, "told": 0}, ends={"decided": 5, "told": 5})
    assert not pulse.judge(NOW).is_alive


def test_it_is_alive_once_every_hop_has_passed_what_was_there_and_as_of_then() -> None:
    pulse = a_pulse()
    beat(pulse, NOW, committed={"decided": 0, "told": 0}, ends={"decided": 5, "told": 5})
    later = NOW + timedelta(seconds=10)
    beat(pulse, later, committed={"decided": 5, "told": 4}, ends={"decided": 6, "told": 9})
    assert not pulse.judge(later).is_alive
    beat(pulse, later, committed={"decided": 6, "told": 5}, ends={"decided": 6, "told": 9})
    state = pulse.judge(later)
    assert (state.is_alive, state.proved_at) == (True, NOW)


def test_a_hop_that_stands_still_ends_it_whatever_the_others_do() -> None:
    pulse, at = a_pulse(), NOW
    for number in range(20):
        at = NOW + timedelta(seconds=10 * number)
        beat(
            pulse, at, committed={"decided": number, "told": 1}, ends={"decided": number, "told": number + 1}
        )
    state = pulse.judge(at)
    assert not state.is_alive
    assert state.hops["told"] == NOW
    assert state.hops["decided"] is not None
    assert at - state.hops["decided"] <= timedelta(seconds=20)


def test_a_backlog_that_shrinks_slowly_is_as_old_as_its_oldest_work() -> None:
    """Work that waits longer than the patience is an alarm although something moves."""
    pulse = a_pulse()
    for number in range(0, 130, 10):
        at = NOW + timedelta(seconds=number)
        beat(pulse, at, committed={"decided": number, "told": 500}, ends={"decided": 500, "told": 500})
    assert not pulse.judge(NOW + timedelta(seconds=120)).is_alive


def test_an_empty_partition_needs_no_commit() -> None:
    hop = Hop("decided")
    hop.set_target({0: 0, 1: 3}, at=NOW)
    hop.note({1: 3})
    assert hop.proved_at == NOW
