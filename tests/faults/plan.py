"""What goes wrong and in which order, from a seed. Pure: the same seed gives the same plan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeAlias

SERVICES = ("intake", "routing", "notify")
SERVERS = ("kafka", "postgres")
LONGEST_LAG = 0.06
UNSENT = 1 / 4
"""The part of the kills that come between a decision and its publication."""


class Way(StrEnum):
    """How a server ends."""

    KILLED = "killed"
    CLEAN = "clean"


class Mood(StrEnum):
    """How a receiver behaves for a while."""

    FROZEN = "frozen"
    """It takes a request and does nothing at all: nothing is kept, nothing answered."""
    FAILING = "failing"
    """It answers 503 and keeps nothing, which nobody can know."""
    BUSY = "busy"
    """It answers 429 and keeps nothing."""
    SLOW = "slow"
    """It keeps and answers some of what comes at once, and some only seconds later."""
    SPEECHLESS = "speechless"
    """It keeps what comes and hangs up instead of answering."""


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL to these services, all at once."""

    names: tuple[str, ...]
    is_unsent: bool = False
    """Whether routing has just stored a decision, and the broker stands still before it could send it."""


@dataclass(frozen=True, slots=True)
class Restart:
    """A server ends, and its supervisor starts it again with what it keeps on disk."""

    name: str
    way: Way


@dataclass(frozen=True, slots=True)
class Spoil:
    """Every endpoint of an agency, or of all, is in this mood for some seconds."""

    agency: str | None
    mood: Mood
    seconds: float


@dataclass(frozen=True, slots=True)
class SpoilMail:
    """The mail server puts everybody off for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Shift:
    """Every clock jumps by so many seconds, ahead or back."""

    seconds: float


Fault: TypeAlias = Kill | Restart | Spoil | SpoilMail | Shift


@dataclass(frozen=True, slots=True)
class Size:
    """How much of each, and over how long."""

    kills: int
    restarts: int
    others: int
    """Of spoilt receivers, and as many shifts."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault, how long nothing goes wrong before it, and how long it follows an accepted event.

    What is at rest loses nothing: an event is decided, published, stored and told of within some hundredths
    of a second, and that is when it hurts.
    """

    pause: float
    lag: float
    fault: Fault


def plan_faults(seed: int, size: Size, *, agencies: Sequence[str]) -> list[Planned]:
    chance = Random(f"{seed} faults")
    faults = [
        *_plan_kills(chance, size.kills),
        *_plan_restarts(chance, size.restarts),
        *(_spoil(chance, agencies) for _ in range(size.others)),
        *(_shift(chance) for _ in range(size.others)),
    ]
    chance.shuffle(faults)
    mean = size.seconds / len(faults)
    return [
        Planned(round(mean * chance.uniform(0.2, 1.8), 1), round(chance.uniform(0, LONGEST_LAG), 3), fault)
        for fault in faults
    ]


def count_kills(plan: Sequence[Planned]) -> int:
    return sum(len(planned.fault.names) for planned in plan if isinstance(planned.fault, Kill))


def count_restarts(plan: Sequence[Planned]) -> int:
    return sum(isinstance(planned.fault, Restart) for planned in plan)


def _plan_kills(chance: Random, count: int) -> Iterator[Kill]:
    """Mostly one process at a time, each about as often as the others."""
    while count > 0:
        names = chance.sample(SERVICES, k=min(count, chance.choice((1, 1, 1, 1, 2, 3))))
        count -= len(names)
        is_unsent = chance.random() < UNSENT
        if is_unsent and "routing" not in names:
            names[0] = "routing"
        yield Kill(tuple(names), is_unsent=is_unsent)


def _plan_restarts(chance: Random, count: int) -> Iterator[Restart]:
    """Every server in every way before any comes twice."""
    kinds = [Restart(name, way) for name in SERVERS for way in Way]
    chance.shuffle(kinds)
    for number in range(count):
        yield kinds[number % len(kinds)]


def _spoil(chance: Random, agencies: Sequence[str]) -> Spoil | SpoilMail:
    seconds = round(chance.uniform(3, 20) if chance.random() < 3 / 4 else chance.uniform(40, 80), 1)
    # Each agency has a mail address, and one server for all.
    if chance.random() < 1 / 6:
        return SpoilMail(seconds)
    # As when the way out of here is down: updates and alerts of every case wait at once.
    agency = None if chance.random() < 1 / 3 else chance.choice(agencies)
    return Spoil(agency, chance.choice(list(Mood)), seconds)


def _shift(chance: Random) -> Shift:
    """Ahead by minutes, so that ladders climb; now and then back by seconds, as a clock that is set."""
    if chance.random() < 1 / 4:
        return Shift(-round(chance.uniform(1, 30), 1))
    return Shift(round(chance.uniform(30, 600), 1))
