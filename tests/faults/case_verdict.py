"""What was wrong with what agencies got about one case. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tests.faults.evidence import Evidence, Telling, name_heard
from tests.faults.load import Case
from tests.faults.stories import UNDRILLED, Row, rename_row
from tests.support.story import CHILD_WELFARE
from tests.support.task_force import POINTER

SLACK_SECONDS = 60.0
"""What takes effect at once takes as long, at most, while everything is being killed."""

SOON_SECONDS = 30.0
"""From a decision until notify has what follows from it, with the broker away and back between them."""

BACKUP, ALTERNATE, LAST = 1, 3, 12
COORDINATOR = "TF_COORDINATOR"


def judge_case(case: Case, tellings: Sequence[Telling], evidence: Evidence) -> Iterator[str]:
    yield from find_lost(case, tellings, evidence)
    yield from find_lost_notices(case, evidence)
    yield from find_needless_cancels(case, tellings, evidence)
    yield from find_late_groups(case, tellings, evidence)
    yield from find_told_in_conflict(case, tellings, evidence)
    yield from find_climbing_on(case, tellings, evidence)
    yield from find_not_climbing(case, tellings, evidence)


def find_lost(case: Case, tellings: Sequence[Telling], evidence: Evidence) -> Iterator[str]:
    """What had to come and did not, by webhook or by e-mail."""
    for row in required_rows(case, tellings):
        same = [one for one in tellings if _is_told(row, one.told)]
        ids = {one.alert_id for one in same}
        responsible = ids | {one.alert_id for one in tellings if _stands_in(row, one.row)}
        is_taken = not responsible.isdisjoint(evidence.acknowledged_alerts)
        if not same and not is_taken:
            yield f"lost: {row.agency}, {row.kind} {sorted(row.rules)} of {row.event} ({case.story.name})"
        shown = [one.told for one in same if not one.told.escalation] or [one.told for one in same]
        is_less = bool(shown) and all(replace(told, escalation=0) != row for told in shown)
        if is_less and not case.story.withdrawals:
            yield f"lost: {row.agency} saw less of {row.event} than it may ({case.story.name})"
        if is_taken or not same:
            continue  # Somebody is responsible: the other paths are ended.
        if _is_to_be_pointed(row, case, tellings, evidence) and ids.isdisjoint(evidence.pointed_to):
            yield f"lost: {POINTER} was not pointed to {row.event}"
        if row.kind != "cancel" and ids.isdisjoint(evidence.written_about):
            yield f"lost: no e-mail to {row.agency} about {row.event} ({sorted(ids)})"


def _is_to_be_pointed(row: Row, case: Case, tellings: Sequence[Telling], evidence: Evidence) -> bool:
    """A cancel goes to the pointer endpoint where that was pointed to what is cancelled."""
    if row.agency != CHILD_WELFARE or row.kind != "cancel":
        return row.agency == CHILD_WELFARE
    own = replace(row, event=_own(row.event, case))
    return any(one.alert_id in evidence.pointed_to for one in _taken_back(own, case, tellings))


def find_lost_notices(case: Case, evidence: Evidence) -> Iterator[str]:
    """Holders of a duty who hear nothing else of its event; a conflict may have come before the notice."""
    for event, agency in sorted(case.story.notices):
        told = evidence.noticed.get((f"{case.name}-{event}", agency), frozenset())
        if len(told) > 1 or (not told and agency not in case.story.conflicts):
            yield f"lost: {agency} got {len(told)} notices of {case.name}-{event} ({case.story.name})"


def required_rows(case: Case, tellings: Sequence[Telling]) -> Iterator[Row]:
    """What nothing excuses from arriving."""
    story = case.story
    # An alternate who was told is told of what follows, too: the simulator of no delay knows none.
    if any(one.row.escalation >= ALTERNATE and one.began < case.accepted[-1] for one in tellings):
        return
    for row in story.rows:
        withdrawn = [place for place in story.withdrawals if place >= story.place(row.event)]
        in_conflict = story.conflicts.get(row.agency, -1) >= story.place(row.event)
        # A consent that is taken back may stop what stood on it; whatever did not must come.
        stands = not withdrawn or any(
            row.matches(other) or other.matches(row) for other in story.without_consent
        )
        is_drill = row.agency == UNDRILLED and story.is_exercise(row.event)
        is_cancel_of_nothing = row.kind == "cancel" and not any(
            (one.row.is_climbing or one.row.escalation == BACKUP)
            and not story.is_ambiguous(_own(one.row.event, case))
            for one in _taken_back(row, case, tellings)
        )
        is_excused = in_conflict or is_drill or is_cancel_of_nothing or story.is_followed(row)
        if stands and not is_excused:
            yield rename_row(row, case.name)


def find_needless_cancels(case: Case, tellings: Sequence[Telling], evidence: Evidence) -> Iterator[str]:
    """A cancel where nothing came of what it takes back, nor of what that took the place of.

    But for what may have arrived as far as notify can know: its endpoint was in trouble, or an attempt was
    cut short.
    """
    for one in (one for one in tellings if one.row.kind == "cancel"):
        row = replace(one.row, event=_own(one.row.event, case))
        doubts = [*evidence.unsure.get(one.copies[0].endpoint, ()), *evidence.cut]
        is_unsure = any(ended >= case.accepted[0] and began <= one.began for began, ended in doubts)
        came = any(other.began < one.began for other in _taken_back(row, case, tellings))
        if not came and not is_unsure:
            yield f"{name_heard(one.copies[0])}: it takes back what never came ({case.story.name})"


def find_late_groups(case: Case, tellings: Sequence[Telling], evidence: Evidence) -> Iterator[str]:
    """After a consent was taken back, nobody who had not heard before sees what stood on it."""
    story = case.story
    for one in tellings:
        own = story.place(_own(one.row.event, case))
        places = [place for place in story.withdrawals if place > own]
        # That a consent was taken back does not stand on another one.
        if own in story.withdrawals or not places or one.row.escalation or _is_known(one, evidence):
            continue
        bare = [row for row in story.without_consent if _is_same(rename_row(row, case.name), one.row)]
        rest = frozenset[str]().union(*(row.disclosed for row in bare))
        for copy in one.copies:
            late = copy.at - evidence.find_decided(case, places[-1])
            if late > SOON_SECONDS and frozenset(copy.data["disclosed"]) - rest:
                yield f"{name_heard(copy)}: it shows what was taken back {late:.0f} s before"


def find_told_in_conflict(case: Case, tellings: Sequence[Telling], evidence: Evidence) -> Iterator[str]:
    """What an agency hears of a case that it has no access to any more."""
    for agency, place in case.story.conflicts.items():
        for one in tellings:
            for copy in one.copies:
                if one.agency == agency and copy.at > evidence.find_decided(case, place) + SOON_SECONDS:
                    yield f"{name_heard(copy)}: its agency is in conflict"


def find_climbing_on(case: Case, tellings: Sequence[Telling], evidence: Evidence) -> Iterator[str]:
    """Rungs of an alert that somebody had taken responsibility for."""
    for row in climbing_rows(case):
        at = evidence.acknowledged_at.get((row.agency, row.event))
        # Who is in conflict can take no responsibility, before it hears of that either.
        if at is None or row.agency in case.story.conflicts or not _is_alone(row, case):
            continue
        for one in tellings:
            if one.row.escalation and one.row.event == row.event and one.row.rules <= row.rules:
                late = evidence.find_real(one.copies[0].event["time"]) - at
                if late > SLACK_SECONDS:
                    yield f"{name_heard(one.copies[0])}: {late:.0f} s after {row.agency} had acknowledged"


def find_not_climbing(case: Case, tellings: Sequence[Telling], evidence: Evidence) -> Iterator[str]:
    """Immediate alerts, long after their time: nobody took responsibility, and nobody else was told."""
    responsible = {one.event for one in evidence.acknowledged}
    passed_on = {one.row.event for one in tellings if one.row.escalation}
    required = set(required_rows(case, tellings))
    for row in climbing_rows(case):
        is_due = row in required and row.urgency == "immediate" and row.event not in responsible
        if is_due and row.event not in passed_on:
            yield f"{row.event} ({case.story.name}): nobody acknowledged, and nobody else was told"


def climbing_rows(case: Case) -> Iterator[Row]:
    return (rename_row(row, case.name) for row in case.story.rows if row.is_climbing)


def _is_told(row: Row, told: Row) -> bool:
    """Whether it is this row, or was told to the same agency again because nobody acknowledged it.

    A later rung that arrived overtakes what is still tried of those before it. To coordinators others than a
    backup's say nothing of the case, and so stand for no alert.
    """
    is_again = told.escalation in {0, BACKUP} or (told.escalation > LAST and told.role != COORDINATOR)
    return told.agency == row.agency and is_again and row.matches(replace(told, escalation=0))


def _stands_in(row: Row, other: Row) -> bool:
    """Whether it was told to another agency, which may take responsibility in place of the row's."""
    is_of_it = other.event == row.event and other.kind == row.kind and other.rules <= row.rules
    return is_of_it and other.escalation == ALTERNATE


def _is_alone(row: Row, case: Case) -> bool:
    """Whether no other alert of the event has a ladder of the same rules."""
    return not any(
        other != row and other.event == row.event and other.rules & row.rules for other in climbing_rows(case)
    )


def _is_same(one: Row, other: Row) -> bool:
    """Whether both are the same telling, whatever they show."""
    return (one.event, one.agency, one.role, one.kind) == (other.event, other.agency, other.role, other.kind)


def _is_known(one: Telling, evidence: Evidence) -> bool:
    """Whether the agency is known to have it: from then on it stays as it is."""
    return one.alert_id in evidence.pointed_to or one.alert_id in evidence.acknowledged_alerts


def _taken_back(row: Row, case: Case, tellings: Sequence[Telling]) -> Iterator[Telling]:
    """What the agency has, answered for or not, of what a cancel is about."""
    earlier = case.story.earlier(row)
    for one in tellings:
        if one.agency == row.agency and one.row.kind != "cancel" and _own(one.row.event, case) in earlier:
            yield one


def _own(event: str, case: Case) -> str:
    return event.removeprefix(f"{case.name}-")
