"""One thing that differs between two packs, and what it means for those who are told."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Effect(StrEnum):
    """What a change means for those it concerns. `wording` changes nothing that anybody is told."""

    MORE = "more"
    LESS = "less"
    FASTER = "faster"
    SLOWER = "slower"
    OTHERWISE = "otherwise"
    WORDING = "wording"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What changed (`before` is None for what is new, `after` for what is gone), whom it concerns, in words.

    `rule` is None for a change of the pack as a whole; without `roles` it concerns everybody.
    """

    rule: str | None
    what: str
    before: str | None
    after: str | None
    effect: Effect
    roles: tuple[str, ...]
    words: str


def judge_lengths(before: timedelta, after: timedelta) -> Effect:
    """A shorter time is faster."""
    if before == after:
        return Effect.OTHERWISE
    return Effect.FASTER if after < before else Effect.SLOWER


def render_length(length: timedelta) -> str:
    """`15 min`, `4 h`, `3 d`; days only from three on, since laws speak of 24 and 48 hours."""
    if length.days > 2 and not length.seconds:  # noqa: PLR2004 - as said above
        return f"{length.days} d"
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (seconds, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def sort_out(before: Iterable[str], after: Iterable[str]) -> tuple[list[str], list[str]]:
    """What is gone and what is new, each in its own order."""
    old, new = list(dict.fromkeys(before)), list(dict.fromkeys(after))
    return [item for item in old if item not in new], [item for item in new if item not in old]


def join(words: Sequence[str]) -> str:
    """Words for a sentence."""
    return ", ".join(words)
