"""What one agency is told of one event, and how two tellings differ: ids, roles, groups and lengths alone.

A duty may be due when an appointment starts, which is a value of the case: so it is said by how much a due
time moved, and never when it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from schemas.vocabulary import AgencyId, Group, Reason, Role, Urgency
from services.routing.decision import PlannedAlert, PlannedDuty, PlannedNotice

DUTY_NOTICE: Final = "duty notice"


class DutyKey(NamedTuple):
    """What tells the duties of a telling apart."""

    rule: str
    holder: AgencyId | None
    what: str


@dataclass(frozen=True, slots=True)
class Telling:
    """One row of a decision, or a duty notice, which has no role and no rules of its own."""

    kind: str
    urgency: Urgency
    acknowledge_within: timedelta
    role: Role | None = None
    rules: tuple[str, ...] = ()
    reason: Reason | None = None
    external: bool = False
    disclosed: frozenset[Group] = frozenset()
    duties: Mapping[DutyKey, PlannedDuty] = field(default_factory=dict)


def tell_alert(row: PlannedAlert, *, at: datetime) -> Telling:
    return Telling(
        kind=row.kind.value,
        urgency=row.urgency,
        acknowledge_within=row.acknowledge_by - at,
        role=row.role,
        rules=row.rules,
        reason=row.reason,
        external=row.external,
        disclosed=row.disclosed,
        duties=_by_key(row.duties),
    )


def tell_notice(notice: PlannedNotice, *, at: datetime) -> Telling:
    return Telling(
        kind=DUTY_NOTICE,
        urgency=notice.urgency,
        acknowledge_within=notice.acknowledge_by - at,
        rules=tuple(sorted({duty.rule for duty in notice.duties})),
        duties=_by_key(notice.duties),
    )


def _by_key(duties: tuple[PlannedDuty, ...]) -> Mapping[DutyKey, PlannedDuty]:
    return {DutyKey(duty.rule, duty.holder, duty.what): duty for duty in duties}


def find_differences(before: Telling, after: Telling) -> tuple[str, ...]:
    """What changes for the agency, in words. That other rules tell it the same is no difference."""
    return tuple(_differences(before, after))


def _differences(before: Telling, after: Telling) -> Iterator[str]:
    if before.kind != after.kind:
        yield f"{before.kind} -> {after.kind}"
    if before.role is not after.role:
        yield f"told as {before.role} -> {after.role}"
    if before.reason is not after.reason:
        yield f"reason {before.reason} -> {after.reason}"
    if before.urgency is not after.urgency:
        yield f"urgency {before.urgency} -> {after.urgency}"
    elif before.acknowledge_within != after.acknowledge_within:
        within = say_length(before.acknowledge_within), say_length(after.acknowledge_within)
        yield f"to acknowledge within {within[0]} -> {within[1]}"
    if more := sorted(after.disclosed - before.disclosed):
        yield f"sees also {', '.join(more)}"
    if less := sorted(before.disclosed - after.disclosed):
        yield f"sees no more {', '.join(less)}"
    yield from _duty_differences(before.duties, after.duties)


def _duty_differences(
    before: Mapping[DutyKey, PlannedDuty], after: Mapping[DutyKey, PlannedDuty]
) -> Iterator[str]:
    for key in sorted(after.keys() - before.keys(), key=str):
        yield f"duty added: {say_duty(key)}"
    for key in sorted(before.keys() - after.keys(), key=str):
        yield f"duty lost: {say_duty(key)}"
    for key, duty in before.items():
        if key in after and (moved := _say_move(duty, after[key])):
            yield f"duty {moved}: {say_duty(key)}"


def _say_move(before: PlannedDuty, after: PlannedDuty) -> str | None:
    if before.needs_review is not after.needs_review:
        return "to be reviewed" if after.needs_review else "no more to be reviewed"
    if before.due == after.due:
        return None
    if before.due is None or after.due is None:
        return "with an hour now" if before.due is None else "without an hour now"
    moved = after.due - before.due
    return f"due {say_length(abs(moved))} {'later' if moved > timedelta(0) else 'sooner'}"


def say_duty(key: DutyKey) -> str:
    return f"{key.rule} {key.holder or 'nobody'}: {key.what}"


def say_length(length: timedelta) -> str:
    """`15 min`, `4 h`, `1 d 12 h`."""
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
