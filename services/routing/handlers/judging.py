"""One record of a batch, judged: decided, a duplicate, or quarantined. Values in, values out."""

from collections.abc import Collection
from datetime import datetime

from schemas.case_event import FieldError
from schemas.vocabulary import Outcome
from services.routing.case_state import CaseState, EventKey
from services.routing.consents import find_root
from services.routing.decide import decide, quarantine, refuse_reused_id
from services.routing.decision import Decision
from services.routing.handlers.amending import Amender
from services.routing.handlers.case_states import UnsettledCase
from services.routing.handlers.lines import (
    alarms_of,
    line_of_decision,
    line_of_duplicate,
    line_of_refusal,
)
from services.routing.handlers.matter import Judged, Matter
from services.routing.handlers.opening import (
    OpenedEvent,
    UnreadableEvent,
    find_county,
    find_named_agencies,
)
from services.routing.handlers.quarantine import QuarantineReason
from services.routing.handlers.recording import Recorder
from services.routing.handlers.surroundings import Surroundings
from services.routing.history import remember, remember_reuse
from services.routing.refusals import find_conflicts, find_named_event, misnamed_event
from services.routing.repository.rows import EarlierDecision, Origin, QuarantineRow
from services.runtime.crypto import SealError
from services.runtime.faults import error_at, error_type

_NOT_DECIDABLE = FieldError("", "this event could not be decided; a coordinator was told")


class Judge:
    """Judges the records of one batch, one after the other."""

    def __init__(self, recorder: Recorder, around: Surroundings) -> None:
        self._recorder = recorder
        self._around = around

    def judge(self, item: OpenedEvent | UnreadableEvent) -> Judged:
        judged = self._judge_event(item) if isinstance(item, OpenedEvent) else self._refuse(item)
        self._move_on(judged)
        return judged

    def list_unsettled(self, corrected: Collection[str]) -> list[UnsettledCase]:
        """Cases in which somebody may be told less than before, once all is judged."""
        return self._around.cases.list_unsettled(corrected)

    def build_amender(self, origin: Origin) -> Amender:
        """By what the batch was judged by."""
        around = self._around
        return Amender(
            recorder=self._recorder,
            packs=around.packs,
            directory=around.directory,
            origin=origin,
            now=around.now,
        )

    @property
    def now(self) -> datetime:
        return self._around.now

    def seal_cases(self) -> dict[str, bytes]:
        """The states that changed, once all is judged."""
        return self._around.cases.seal_changes()

    def _judge_event(self, item: OpenedEvent) -> Judged:
        earlier = self._around.find_earlier((item.sealed.source, item.sealed.id))
        if earlier is None:
            return self._decide(item)
        if earlier.case_ref == item.sealed.subject and earlier.content_digest in {None, item.digest}:
            return self._repeat(item, earlier)
        return self._refuse_reuse(item, earlier)

    def _decide(self, item: OpenedEvent) -> Judged:
        try:
            return self._decide_event(item)
        except SealError as error:
            return self._refuse(_unreadable(item, QuarantineReason.CASE_NOT_OPENED, error))
        except Exception as error:  # noqa: BLE001 -- one event must not hold up the others; recorded, alarmed, and counted
            return self._refuse(_unreadable(item, QuarantineReason.DECIDE_FAILED, error))

    def _decide_event(self, item: OpenedEvent) -> Judged:
        around, event, matter = self._around, item.event, self._around.matter_of_event(item)
        case = around.cases.open(matter.case_ref, item.key)
        named = find_named_event(event)
        if named is not None:
            matter = matter._replace(root_id=find_root(event, case.find_event(named)).id)
        decision = self._refuse_misnamed(item, case, named) or decide(
            event, case, around.directory, around.packs, around.now
        )
        state = remember(case, event, decision, around.directory, now=around.now)
        judged = self._recorder.record_decision(
            matter, decision, county=event.data.county, digest=item.digest
        )
        line = line_of_decision(matter, decision, received_at=item.sealed.data.received_at)
        judged.lines = (line, *alarms_of(matter, decision))
        around.cases.keep(matter.case_ref, item.key, state)
        if decision.outcome is not Outcome.QUARANTINED:
            return judged
        refused = _unreadable(item, QuarantineReason.NOT_ACCEPTED, None)
        return _quarantined(judged, refused, matter, decision)

    def _refuse_misnamed(self, item: OpenedEvent, case: CaseState, named: EventKey | None) -> Decision | None:
        """A correction or retraction of another case's event, which only the ledger can tell."""
        around, event = self._around, item.event
        other = None if named is None else around.find_earlier(named)
        if other is None or other.case_ref == item.sealed.subject:
            return None
        return quarantine(
            county=event.data.county,
            named_agencies=find_conflicts(event, around.directory) | case.conflicts,
            directory=around.directory,
            now=around.now,
            errors=[misnamed_event(event)],
            exercise=event.data.flags.exercise,
        )

    def _repeat(self, item: OpenedEvent, earlier: EarlierDecision) -> Judged:
        matter = self._around.matter_of_event(item)
        judged = self._recorder.record_duplicate(matter, earlier)
        judged.lines = (line_of_duplicate(matter, received_at=item.sealed.data.received_at),)
        return judged

    def _refuse_reuse(self, item: OpenedEvent, earlier: EarlierDecision) -> Judged:
        matter = self._around.matter_of_event(item)
        refused = _unreadable(item, QuarantineReason.ID_REUSED, None)
        decision = refuse_reused_id(
            county=earlier.county,
            named_agencies=self._conflicted(refused) | self._conflicted_in(earlier),
            directory=self._around.directory,
            now=self._around.now,
            exercise=item.event.data.flags.exercise,
        )
        judged = self._recorder.record_reuse(matter, decision, earlier=earlier, digest=item.digest)
        self._remember_reuse(matter, earlier, decision, judged)
        self._around.earlier[matter.source, matter.event_id] = earlier._replace(
            refused_digests=earlier.refused_digests | {item.digest}
        )
        judged.lines = alarms_of(matter, decision)
        return _quarantined(judged, refused, matter, decision)

    def _conflicted_in(self, earlier: EarlierDecision) -> frozenset[str]:
        """Whom the case of the first event with the id knows as conflicted."""
        case = self._find_case(earlier)
        return frozenset() if case is None else case.conflicts

    def _remember_reuse(
        self, matter: Matter, earlier: EarlierDecision, decision: Decision, judged: Judged
    ) -> None:
        """The first event's case knows of the rows, so that they climb; unless it cannot be opened."""
        around, first = self._around, EventKey(matter.source, matter.event_id)
        case, key = self._find_case(earlier), around.keys.get(earlier.key_id)
        if case is None or key is None or earlier.county is None:
            judged.ladders = ()
        elif judged.ladders:
            state = remember_reuse(
                case, first, decision, around.directory, county=earlier.county, now=around.now
            )
            around.cases.keep(earlier.case_ref, key, state)

    def _find_case(self, earlier: EarlierDecision) -> CaseState | None:
        key = self._around.keys.get(earlier.key_id)
        try:
            return None if key is None else self._around.cases.open(earlier.case_ref, key)
        except SealError:
            return None

    def _refuse(self, item: UnreadableEvent) -> Judged:
        matter = self._around.matter_of_unreadable(item)
        county = find_county(item.data)
        decision = quarantine(
            county=county,
            named_agencies=self._conflicted(item),
            directory=self._around.directory,
            now=self._around.now,
            errors=item.errors or (_NOT_DECIDABLE,),
        )
        if matter.identified_by_place:
            judged = self._recorder.record_refused_record(matter, decision)
        else:
            judged = self._recorder.record_decision(matter, decision, county=county, digest=item.digest)
        judged.lines = alarms_of(matter, decision)
        return _quarantined(judged, item, matter, decision)

    def _conflicted(self, item: UnreadableEvent) -> frozenset[str]:
        """Who must not be told of this record: whom it names, and whom the case knows as conflicted."""
        named = find_named_agencies(item.data)
        if item.sealed is None or item.key is None:
            return named
        try:
            return named | self._around.cases.open(item.sealed.subject, item.key).conflicts
        except SealError:
            return named

    def _move_on(self, judged: Judged) -> None:
        """The next record of the batch sees what this one came to."""
        if judged.decision is not None:
            row = judged.decision
            self._around.decided[row.source, row.event_id] = row


def _unreadable(item: OpenedEvent, reason: QuarantineReason, error: Exception | None) -> UnreadableEvent:
    return UnreadableEvent(item.record, reason, item.sealed, item.key, item.digest, item.data, (), error)


def _quarantined(judged: Judged, item: UnreadableEvent, matter: Matter, decision: Decision) -> Judged:
    judged.lines = (*judged.lines, line_of_refusal(matter, item, decision))
    judged.quarantine = _quarantine_row(matter, item)
    judged.is_fault = item.reason.is_fault
    return judged


def _quarantine_row(matter: Matter, item: UnreadableEvent) -> QuarantineRow:
    record = item.record
    return QuarantineRow(
        cluster_id=matter.origin.cluster_id,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        record_key=record.key,
        record=record.value,
        source=matter.source,
        event_id=matter.event_id,
        case_ref=matter.case_ref,
        reason=item.reason.value,
        content_digest=item.digest,
        error_type=None if item.error is None else error_type(item.error),
        error_at=None if item.error is None else error_at(item.error),
        quarantined_at=matter.now,
    )
