"""A reminder of a duty: to its holder; to coordinators, who learn that it is overdue and not what it is."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import orjson

from schemas.alert import AlertForm, ReminderKind
from schemas.vocabulary import AlertKind, Role, Rung, Urgency
from services.routing.case_state import CaseState, EventRecord, KeptDuty, SentRow
from services.routing.decision import Directory
from services.routing.escalation import find_circumstances
from services.routing.handlers.contents import FIRST_REVISION
from services.routing.handlers.identities import Identities
from services.routing.handlers.matter import Matter
from services.routing.handlers.messages import build_alert_message
from services.routing.reminders import ReminderStep
from services.routing.repository.reminders import RemindedDuty
from services.routing.repository.rows import AlertRow, OutboxRow
from services.routing.rules import PackSet
from services.routing.rungs import Rungs
from services.routing.system_rules import SYSTEM_TIMES

Told = tuple[AlertRow, OutboxRow]

_SOON: Final = Urgency.PRIORITY
_OVERDUE: Final = Urgency.URGENT


class Standing(NamedTuple):
    """A duty as the case has it. `row` told of it where no law orders it, to its holder or another."""

    record: EventRecord
    row: SentRow | None
    duty: KeptDuty

    @property
    def is_judged_anew(self) -> bool:
        """Who emitted the event knows what it is about, and what the law orders needs nobody's consent."""
        return self.row is not None and not self.duty.mandated and self.duty.holder != self.record.emitter


def find_recipients(
    duty: RemindedDuty, step: ReminderStep, case: CaseState, directory: Directory
) -> tuple[str | None, Sequence[str]]:
    """The holder, if it may be told, and the coordinators who are.

    Nobody in conflict, or who refused for one, nobody who left, and no body outside the task force.
    """
    record = next((e for e in case.events if e.source == duty.source and duty.event_id in e.ids), None)
    conflicts = case.conflicts if record is None else case.conflicts | record.declined
    member = None if duty.holder is None else directory.find_member(duty.holder)
    may_tell = (
        member is not None and not (member.external or member.offboarded) and duty.holder not in conflicts
    )
    if step is not ReminderStep.OVERDUE:
        return (duty.holder if may_tell else None), ()
    county = None if record is None else record.county
    told = directory.coordinators(county, excluding=conflicts | {duty.holder or ""})
    return (duty.holder if may_tell else None), [coordinator.id for coordinator in told]


def compose_reminders(
    matter: Matter,
    duty: RemindedDuty,
    step: ReminderStep,
    *,
    identities: Identities,
    case: CaseState,
    directory: Directory,
    packs: PackSet,
) -> Iterator[Told]:
    """The same for each step and each due instant, however often; nothing of what binds nobody any more."""
    holder, coordinators = find_recipients(duty, step, case, directory)
    standing = find_standing(duty, case)
    if standing is None:
        return
    if standing.is_judged_anew and not _may_still_hear(standing, case, directory, packs, now=matter.now):
        holder = None
    cause = f"reminder/{duty.duty_id}/{step.value}/{duty.due}"
    for agency in ([] if holder is None else [holder]) + list(coordinators):
        notice_id = identities.alert_id(
            source=matter.source, event_id=matter.event_id, agency=agency, cause=cause
        )
        is_holder = agency == holder
        row = _row(matter, duty, step, notice_id=notice_id, agency=agency, is_holder=is_holder)
        said = _say_duty(duty, standing.duty) if is_holder else _say_overdue(duty)
        content = {
            "notice_id": notice_id,
            "event_id": matter.event_id,
            "case_ref": matter.case_ref,
            "agency": agency,
            **_say_step(step),
            **said,
        }
        document = orjson.dumps(content, option=orjson.OPT_UTC_Z)
        mandated = not (is_holder and standing.is_judged_anew)
        yield row, build_alert_message(matter, row, document, mandated=mandated)


def _may_still_hear(
    standing: Standing, case: CaseState, directory: Directory, packs: PackSet, *, now: datetime
) -> bool:
    """Whether what told of the duty might be told now: its alert may have been stopped before it arrived."""
    record, row, duty = standing
    member = None if duty.holder is None else directory.find_member(duty.holder)
    if row is None or member is None or not member.has_agreement_at(now):
        return False
    around = find_circumstances(record, case, directory, now)
    told = Rungs(record, row, around, packs).restate(row.escalation)
    return told is not None and duty.rule in told.row.rules


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


def find_standing(duty: RemindedDuty, case: CaseState) -> Standing | None:
    """The duty as the case has it; None for one of a rule by agreement whose rows stand no more."""
    for record in case.events:
        if record.source != duty.source or duty.event_id not in record.ids:
            continue
        ordered = [Standing(record, None, kept) for kept in record.duties]
        told = [Standing(record, row, kept) for row in record.rows for kept in row.duties]
        for one in (*ordered, *told):
            if (one.duty.rule, one.duty.holder, one.duty.what) == (duty.rule, duty.holder, duty.what):
                return one
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
