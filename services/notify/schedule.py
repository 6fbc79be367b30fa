"""When to try again: the waits between attempts, for each urgency, as configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

from pydantic import TypeAdapter, ValidationError

from schemas.vocabulary import Urgency

JITTER: Final = 0.1
"""The most that chance adds, as part of a delay: what failed together must not return together."""

ENDLESS: Final = "..."
NEVER_GIVEN_UP: Final = frozenset({Urgency.IMMEDIATE, Urgency.URGENT})
"""A schedule of these that ends is refused: here a failing endpoint is a reason to try harder."""


class ScheduleError(ValueError):
    """Not a schedule; the text says what one looks like and not what was given."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The wait before each attempt after the first; `repeat` goes on for ever, None gives up."""

    delays: tuple[timedelta, ...]
    repeat: timedelta | None
    jitter: float = JITTER

    def find_delay(self, attempt: int) -> timedelta | None:
        """The wait after this attempt (from 1), None when it was the last."""
        return self.delays[attempt - 1] if attempt <= len(self.delays) else self.repeat


Schedules: TypeAlias = Mapping[Urgency, Schedule]

# All but routine alerts are tried until they arrive, are acknowledged or overtaken; the waits are small
# against their time to acknowledge (15 min, 1 h, 4 h). Routine follows the table of the Standard Webhooks
# specification: ten attempts within some 75 hours.
DEFAULTS: Final[Mapping[Urgency, str]] = {
    Urgency.IMMEDIATE: "PT5S PT15S PT30S PT1M PT2M ...",
    Urgency.URGENT: "PT5S PT15S PT30S PT1M PT2M PT5M ...",
    Urgency.PRIORITY: "PT5S PT30S PT2M PT5M PT15M PT30M ...",
    Urgency.ROUTINE: "PT5S PT5M PT30M PT2H PT5H PT10H PT14H PT20H PT24H",
}

_DELAYS: Final = TypeAdapter(tuple[timedelta, ...])


def parse_schedule(text: str, *, jitter: float = JITTER) -> Schedule:
    """ISO 8601 durations with spaces between; `...` at the end repeats the last. Raises ScheduleError."""
    words = text.split()
    is_endless = words[-1:] == [ENDLESS]
    try:
        delays = _DELAYS.validate_python(words[:-1] if is_endless else words)
    except ValidationError:
        delays = ()
    if not delays or min(delays) <= timedelta(0):
        raise ScheduleError("it must be waits such as `PT5S PT1M PT2M`, with ` ...` to repeat the last")
    if not is_endless:
        return Schedule(delays, repeat=None, jitter=jitter)
    return Schedule(delays[:-1], repeat=delays[-1], jitter=jitter)


SCHEDULES: Final[Schedules] = {urgency: parse_schedule(text) for urgency, text in DEFAULTS.items()}
