"""A reminder of a duty: to its holder; to coordinators, who learn that it is overdue and not what it is."""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

import orjson

from schemas.alert import AlertForm, ReminderKind
from schemas.vocabulary import AlertKind, Role, Rung, Urgency
from services.routing.case_state import CaseState, KeptDuty
from services.routing.decision import Directory
from services.routing.handlers.contents import FIRST_REVISION
from services.routing.handlers.identities import Identities
from services.routing.handlers.matter import Matter
from services.routing.handlers.messages import build_alert_message
from services.routing.reminders import ReminderStep
from services.routing.repository.reminders import RemindedDuty
from services.routing.repository.rows import AlertRow, OutboxRow
from services.routing.system_rules import SYSTEM_TIMES

Told = tuple[AlertRow, OutboxRow]

_SOON: Final = Urgency.PRIORITY
_OVERDUE: Final = Urgency.URGENT


def find_recipients(
    duty: RemindedDuty, step: ReminderStep, case: CaseState, directory: Directory
) -> tuple[str | None, Sequence[str]]:
    """The holder, if it may be told, and the coordinators who are.

    Nobody in conflict, nobody who left, and no body outside the task force.
    """
    member = None if duty.holder is None else directory.find_member(duty.holder)
    may_tell = (
        member is not None
        and not (member.external or member.offboarded)
        and duty.holder not in case.conflicts
    )
    if step is not ReminderStep.OVERDUE:
        return (duty.holder if may_tell else None), ()
    county = next((e.county for e in case.events if e.source == duty.source and duty.event_id in e.ids), None)
    told = directory.coordinators(county, excluding=case.conflicts | {duty.holder or ""})
    return (duty.holder if may_tell else None), [coordinator.id for coordinator in told]


def compose_reminders(
    matter: Matter,
    duty: RemindedDuty,
    step: ReminderStep,
    *,
    identities: Identities,
    case: CaseState,
    directory: Directory,
) -> Iterator[Told]:
    """The same for each step and each due instant, however often; nothing of what binds nobody any more."""
    holder, coordinators = find_recipients(duty, step, case, directory)
    standing = find_standing(duty, case)
    if standing is None:
        return
    cause = f"reminder/{duty.duty_id}/{step.value}/{duty.due}"
    for agency in ([] if holder is None else [holder]) + list(coordinators):
        notice_id = identities.alert_id(
            source=matter.source, event_id=matter.event_id, agency=agency, cause=cause
        )
        is_holder = agency == holder
        row = _row(matter, duty, step, notice_id=notice_id, agency=agency, is_holder=is_holder)
        said = _say_duty(duty, standing) if is_holder else _say_overdue(duty)
        content = {
            "notice_id": notice_id,
            "event_id": matter.event_id,
            "case_ref": matter.case_ref,
            "agency": agency,
            **_say_step(step),
            **said,
        }
        yield row, build_alert_message(matter, row, orjson.dumps(content, option=orjson.OPT_UTC_Z))


def _say_step(step: ReminderStep) -> dict[str, object]:
    if step is ReminderStep.OVERDUE:
        return {"reminder": ReminderKind.OVERDUE}
    return {"reminder": ReminderKind.DUE_SOON, "percent_left": int(step.value)}


def _say_duty(duty: RemindedDuty, standing: KeptDuty) -> dict[str, object]:
    item = {
        "duty_id": duty.duty_id,
        "rule": duty.rule,
        "what": duty.what,
        "due": duty.due,
        "authority": standing.authority,
    }
    return {"duties": [item]}


def _say_overdue(duty: RemindedDuty) -> dict[str, object]:
    """What a duty asks for, and by which rule, may tell what the case is about: not said."""
    return {
        "duties": [],
        "overdue": [{"duty_id": duty.duty_id, "holder": duty.holder, "due": duty.due}],
    }


def find_standing(duty: RemindedDuty, case: CaseState) -> KeptDuty | None:
    """The duty as the case has it; None for one of a rule by agreement whose rows stand no more."""
    for record in case.events:
        if record.source != duty.source or duty.event_id not in record.ids:
            continue
        for kept in (*record.duties, *(own for row in record.rows for own in row.duties)):
            if (kept.rule, kept.holder, kept.what) == (duty.rule, duty.holder, duty.what):
                return kept
    return None


def _row(
    matter: Matter, duty: RemindedDuty, step: ReminderStep, *, notice_id: UUID, agency: str, is_holder: bool
) -> AlertRow:
    urgency = _OVERDUE if step is ReminderStep.OVERDUE else _SOON
    is_soon = step is not ReminderStep.OVERDUE and duty.due is not None
    return AlertRow(
        alert_id=notice_id,
        revision=FIRST_REVISION,
        source=matter.source,
        event_id=matter.event_id,
        case_ref=matter.case_ref,
        form=AlertForm.DUTY_NOTICE,
        kind=AlertKind.ALERT,
        agency=agency,
        role=None if is_holder else Role.TF_COORDINATOR,
        contact=Rung.PRIMARY,
        rules=duty.rule,
        urgency=urgency,
        acknowledge_by=duty.due
        if is_soon and duty.due is not None
        else matter.now + SYSTEM_TIMES.time_for(urgency),
        escalation=0,
        reason=None,
        exercise=False,
        decided_at=matter.now,
    )
