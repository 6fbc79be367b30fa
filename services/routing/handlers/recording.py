"""From a decision to what the ledger records of it and what is published because of it."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.routing.decision import Decision, PlannedAlert, PlannedDuty, PlannedNotice
from services.routing.handlers.composing import Composer
from services.routing.handlers.detail import AlertDetail, DecisionDetail, seal_detail
from services.routing.handlers.identities import Identities
from services.routing.handlers.matter import Judged, Matter
from services.routing.handlers.messages import build_receipt_message
from services.routing.handlers.status import (
    build_decided,
    build_reused,
    hide_groups,
    render_errors,
    seal_duties,
)
from services.routing.repository.rows import AlertRow, DecisionRow, EarlierDecision, OutboxRow

REUSE_DIGITS: Final = 32
"""How much of the other content's digest tells one reuse of an id from another."""


@dataclass(frozen=True, slots=True)
class Told:
    """One agency that is told: its row, what of it is sealed, and the record, unless it is external."""

    row: AlertRow
    detail: AlertDetail
    message: OutboxRow | None


class Recorder:
    """Makes rows and messages; `Judged` holds what one record comes to."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._composer = Composer(identities)

    def record_decision(
        self, matter: Matter, decision: Decision, *, county: str | None, digest: bytes | None
    ) -> Judged:
        """The one decision of a (source, id)."""
        told = self._tell(matter, decision)
        row = self._decision_row(matter, decision, told, county=county, digest=digest)
        receipt = self._receipt(matter, summarise(row))
        return Judged(
            decision=row,
            alerts=tuple(each.row for each in told),
            duties=self._composer.compose_duties(matter, decision.duties),
            messages=(*_messages(told), receipt),
        )

    def record_refused_record(self, matter: Matter, decision: Decision) -> Judged:
        """A record that is no event's decision: the coordinators are told, the ledger has no row of it."""
        told = self._tell(matter, decision)
        return Judged(alerts=tuple(each.row for each in told), messages=_messages(told))

    def record_duplicate(self, matter: Matter, earlier: EarlierDecision) -> Judged:
        """Nobody is told but the source: it may have sent the event again because it never learned."""
        return Judged(messages=(self._receipt(matter, earlier),))

    def record_reuse(
        self, matter: Matter, decision: Decision, *, earlier: EarlierDecision, digest: bytes
    ) -> Judged:
        """The same other content again is the same alert."""
        told = self._tell(matter, decision, cause=f"reuse/{digest.hex()[:REUSE_DIGITS]}")
        receipt = self._receipt(matter, earlier, is_reused=True)
        return Judged(alerts=tuple(each.row for each in told), messages=(*_messages(told), receipt))

    def _tell(self, matter: Matter, decision: Decision, *, cause: str | None = None) -> list[Told]:
        alerts = [self._tell_alert(matter, alert, cause=cause) for alert in decision.alerts]
        return [*alerts, *(self._tell_notice(matter, notice) for notice in decision.notices)]

    def _tell_alert(self, matter: Matter, alert: PlannedAlert, *, cause: str | None) -> Told:
        row, message = self._composer.compose_alert(matter, alert, cause=cause)
        duties = self._duty_ids(matter, alert.duties)
        return Told(row, AlertDetail(row.alert_id, alert.disclosed, alert.withheld, duties), message)

    def _tell_notice(self, matter: Matter, notice: PlannedNotice) -> Told:
        row, message = self._composer.compose_notice(matter, notice)
        duties = self._duty_ids(matter, notice.duties)
        return Told(row, AlertDetail(row.alert_id, frozenset(), frozenset(), duties), message)

    def _duty_ids(self, matter: Matter, duties: tuple[PlannedDuty, ...]) -> tuple[UUID, ...]:
        return tuple(self._composer.duty_id(matter, duty) for duty in duties)

    def _decision_row(
        self,
        matter: Matter,
        decision: Decision,
        told: list[Told],
        *,
        county: str | None,
        digest: bytes | None,
    ) -> DecisionRow:
        detail = DecisionDetail(
            matter.event_type, decision.errors, decision.considered, tuple(each.detail for each in told)
        )
        return DecisionRow(
            source=matter.source,
            event_id=matter.event_id,
            case_ref=matter.case_ref,
            county=county,
            outcome=decision.outcome.value,
            packs=" ".join(decision.packs),
            errors=render_errors(hide_groups(decision.errors)),
            key_id=matter.key.key_id,
            content_digest=digest,
            detail=seal_detail(detail, key=matter.key, source=matter.source, event_id=matter.event_id),
            duties_sealed=self._emitter_duties(matter, decision),
            undeliverable=None if decision.undeliverable is None else decision.undeliverable.value,
            directory_version=matter.directory_version,
            decided_at=matter.now,
            correlation_id=matter.correlation_id,
            cluster_id=matter.origin.cluster_id,
            partition=matter.origin.partition,
            offset=matter.origin.offset,
        )

    def _emitter_duties(self, matter: Matter, decision: Decision) -> bytes | None:
        own = [duty for duty in decision.duties if duty.holder == matter.emitter]
        if not own:
            return None
        duties = self._composer.notice_duties(matter, own)
        return seal_duties(duties, key=matter.key, source=matter.source, event_id=matter.event_id)

    def _receipt(self, matter: Matter, decision: EarlierDecision, *, is_reused: bool = False) -> OutboxRow:
        receipt = build_decided(
            source=matter.source,
            event_id=matter.event_id,
            decision=decision,
            correlation_id=matter.correlation_id,
        )
        if is_reused:
            receipt = build_reused(receipt, at=matter.now)
        return build_receipt_message(matter, receipt, message_id=self._identities.receipt_id(matter.origin))


def summarise(row: DecisionRow) -> EarlierDecision:
    """What later events with the same (source, id) are compared with."""
    return EarlierDecision(
        case_ref=row.case_ref,
        county=row.county,
        outcome=row.outcome,
        errors=row.errors,
        key_id=row.key_id,
        content_digest=row.content_digest,
        duties_sealed=row.duties_sealed,
        decided_at=row.decided_at,
    )


def _messages(told: list[Told]) -> tuple[OutboxRow, ...]:
    return tuple(each.message for each in told if each.message is not None)
