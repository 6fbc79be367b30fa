"""Ready means that every check answered well, lately and in time."""

import asyncio
from datetime import UTC, datetime

import pytest

from services.runtime.health import NotReadyError, Probes
from services.runtime.logs import capture_logs


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def probes(clock: HandClock) -> Probes:
    return Probes(clock=clock)


async def fine() -> None:
    """All is well."""


async def not_yet() -> None:
    raise NotReadyError("no directory yet")


async def broken() -> None:
    raise ConnectionRefusedError("postgresql://user:secret@host")


async def hanging() -> None:
    await asyncio.Event().wait()


async def test_without_a_failing_check_the_process_is_ready(probes: Probes) -> None:
    probes.add_check("database", fine)
    probes.add_fact("directory_version", lambda: 3)
    readiness = await probes.ask()
    assert (readiness.ready, readiness.checks, readiness.facts) == (
        True,
        {"database": "ok"},
        {"directory_version": 3},
    )


async def test_one_failing_check_is_enough_and_says_why(probes: Probes) -> None:
    probes.add_check("database", fine)
    probes.add_check("directory", not_yet)
    readiness = await probes.ask()
    assert not readiness.ready
    assert readiness.failing == ["directory"]
    assert readiness.checks["directory"] == "no directory yet"


async def test_an_unforeseen_error_is_told_by_its_type_alone(probes: Probes) -> None:
    probes.add_check("database", broken)
    assert (await probes.ask()).checks == {"database": "ConnectionRefusedError"}


async def test_a_check_that_hangs_is_cut_off(clock: HandClock) -> None:
    probes = Probes(clock=clock, check_seconds=0.01)
    probes.add_check("kafka", hanging)
    probes.add_check("database", fine)
    assert (await probes.ask()).checks == {"kafka": "no answer in time", "database": "ok"}


async def test_an_answer_is_kept_for_a_fifth_of_a_second(probes: Probes, clock: HandClock) -> None:
    asked: list[float] = []

    async def count() -> None:
        asked.append(clock.seconds)

    probes.add_check("database", count)
    await asyncio.gather(*(probes.ask() for _ in range(10)))
    clock.seconds = 0.19
    await probes.ask()
    assert asked == [0.0]
    clock.seconds = 0.21
    await probes.ask()
    assert asked == [0.0, 0.21]


async def test_only_a_change_of_readiness_is_logged(probes: Probes, clock: HandClock) -> None:
    answers = iter([NotReadyError("no"), NotReadyError("no"), None])

    async def check() -> None:
        if (error := next(answers)) is not None:
            raise error

    probes.add_check("directory", check)
    with capture_logs({}) as lines:
        for second in (0, 1, 2):
            clock.seconds = second
            await probes.ask()
    assert [(line["ready"], line["failing"]) for line in lines] == [(False, ["directory"]), (True, [])]


async def test_a_check_that_is_added_while_others_answer_is_asked_the_next_time(
    clock: HandClock, probes: Probes
) -> None:
    async def adding() -> None:
        probes.add_check("late", not_yet)

    probes.add_check("early", adding)
    assert (await probes.ask()).checks == {"early": "ok"}
    clock.seconds += 1
    assert (await probes.ask()).checks == {"early": "ok", "late": "no directory yet"}
