"""What changed in the duties of a rule: who owes what, and by when."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from schemas.pack import BusinessDays, DutySpec
from services.cli.authoring.change import Effect, judge_lengths, render_length

_HOLDERS: Final = {
    "emitter": "the emitter",
    "emitter_gov": "the emitter, if government, else the lead police,",
    "recipient": "the recipient",
}


@dataclass(frozen=True, slots=True)
class DutyChange:
    """One duty that is new, gone, or due at another time."""

    effect: Effect
    words: str
    before: str | None
    after: str | None


def compare_duties(old: Sequence[DutySpec], new: Sequence[DutySpec]) -> Iterator[DutyChange]:
    """Duties are the same when the same holder owes the same thing."""
    before = {(duty.holder, duty.what): duty for duty in old}
    after = {(duty.holder, duty.what): duty for duty in new}
    for key, duty in after.items():
        if key not in before:
            words = f"new duty: {_HOLDERS[duty.holder]} must {duty.what} {render_clock(duty)}"
            yield DutyChange(Effect.OTHERWISE, words, None, _describe(duty))
        elif before[key] != duty:
            yield _compare_clocks(before[key], duty)
    for key, duty in before.items():
        if key not in after:
            words = f"no longer a duty: {_HOLDERS[duty.holder]} must {duty.what}"
            yield DutyChange(Effect.OTHERWISE, words, _describe(duty), None)


def _compare_clocks(old: DutySpec, new: DutySpec) -> DutyChange:
    words = f"{_HOLDERS[new.holder]} must {new.what} {render_clock(new)}, not {render_clock(old)}"
    same_start = (old.from_, old.within_if, old.before) == (new.from_, new.within_if, new.before)
    if same_start and isinstance(old.within, timedelta) and isinstance(new.within, timedelta):
        effect = judge_lengths(old.within, new.within)
    else:
        effect = Effect.OTHERWISE
    return DutyChange(effect, words, render_clock(old), render_clock(new))


def _describe(duty: DutySpec) -> str:
    return f"{duty.holder}: {duty.what} {render_clock(duty)}"


def render_clock(duty: DutySpec) -> str:
    """When a duty is due, in words."""
    if duty.before is not None:
        return "before the appointment starts"
    if duty.within is None:
        return "(the law names no hour)"
    clock = f"within {_render_within(duty.within)} of {_START[duty.from_]}"
    if duty.within_if is None:
        return clock
    flag = duty.within_if.flag.replace("_", " ")
    return f"{clock}, {render_length(duty.within_if.within)} if {flag}"


_START: Final = {"discovered_at": "the discovery", "processed_at": "the processing"}


def _render_within(within: timedelta | BusinessDays) -> str:
    if isinstance(within, timedelta):
        return render_length(within)
    return f"{within.business_days} business days ({within.calendar})"
