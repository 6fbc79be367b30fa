"""From a decision to what the ledger records of it and what is published because of it."""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from schemas.vocabulary import Group
from services.routing.case_state import Share
from services.routing.corrections import CLIMBING
from services.routing.decision import Decision, PlannedAlert
from services.routing.handlers.composing import Composer
from services.routing.handlers.contents import list_duties
from services.routing.handlers.detail import (
    DecisionDetail,
    ToldDetail,
    seal_detail,
    seal_told_detail,
    seal_values,
)
from services.routing.handlers.identities import Identities, rung_cause
from services.routing.handlers.matter import Judged, LadderPlace, Matter, Told
from services.routing.handlers.status import build_decided, build_reused, render_errors, seal_duties
from services.routing.repository.rows import AlertRow, DecisionRow, EarlierDecision, LadderRow, OutboxRow
from services.routing.rungs import Rung, find_addressee

_NO_GROUPS: Final[frozenset[Group]] = frozenset()

REUSE_DIGITS: Final = 32
"""How much of the other content's digest tells one reuse of an id from another."""


class Recorder:
    """Makes rows and messages; `Judged` holds what one record comes to."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    def record_decision(
        self, matter: Matter, decision: Decision, *, county: str | None, digest: bytes | None
    ) -> Judged:
        """The one decision of a (source, id)."""
        composer = Composer(self._identities, matter)
        told = _tell(composer, decision)
        duties_sealed = _seal_emitter_duties(composer, matter, decision)
        row = _decision_row(matter, decision, told, county=county, digest=digest, duties_sealed=duties_sealed)
        duties = composer.compose_duties(decision.duties)
        judged = Judged(
            decision=row,
            alerts=tuple(each.row for each in told),
            ladders=tuple(_find_ladders(matter, decision, told, case_ref=matter.case_ref)),
            messages=_messages(told),
            receipt=build_decided(matter, row),
        )
        if matter.root_id is None:
            judged.duties = duties
        else:
            judged.renewals = duties
            self._review(judged, composer, decision)
        return judged

    def _review(self, judged: Judged, composer: Composer, decision: Decision) -> None:
        """Their holders must say whether duties still bind; a conflicted one is told nothing."""
        judged.reviews = composer.duty_ids(decision.reviews)
        told = [duty for duty in decision.reviews if duty.holder not in decision.case.conflicts]
        judged.messages = (*judged.messages, *composer.compose_reviews(told))

    def record_refused_record(self, matter: Matter, decision: Decision) -> Judged:
        """A record that is no event's decision: the coordinators are told, the ledger has no row of it."""
        told = _tell(Composer(self._identities, matter), decision)
        return Judged(alerts=tuple(each.row for each in told), messages=_messages(told))

    def record_duplicate(self, matter: Matter, earlier: EarlierDecision) -> Judged:
        """Nobody is told but the source: it may have sent the event again because it never learned."""
        return Judged(receipt=build_decided(matter, earlier))

    def record_reuse(
        self, matter: Matter, decision: Decision, *, earlier: EarlierDecision, digest: bytes
    ) -> Judged:
        """The same other content again is the same alert, and was told already."""
        cause = f"reuse/{digest.hex()[:REUSE_DIGITS]}"
        is_known = digest in earlier.refused_digests
        told = [] if is_known else _tell(Composer(self._identities, matter), decision, cause=cause)
        return Judged(
            alerts=tuple(each.row for each in told),
            ladders=tuple(_find_ladders(matter, decision, told, case_ref=earlier.case_ref)),
            messages=_messages(told),
            receipt=build_reused(matter, earlier),
        )

    def record_rungs(self, matter: Matter, rungs: Sequence[Rung], *, parent: UUID) -> Judged:
        """Who is told because nobody acknowledged `parent`."""
        composer = Composer(self._identities, matter)
        told = [_tell_rung(composer, matter, rung, parent) for rung in rungs]
        return Judged(alerts=tuple(each.row for each in told), messages=_messages(told))

    def record_amendment(self, matter: Matter, last: AlertRow, told: Rung) -> Judged:
        """An alert that is on its way, in the revision that takes its place."""
        place = self._find_place(told.row)
        amended = Composer(self._identities, matter).compose_amendment(told.row, last, place=place)
        row = amended.row._replace(detail=_seal_told(matter, amended, told.shares))
        return Judged(alerts=(row,), messages=_messages([amended]))

    def _find_place(self, row: PlannedAlert) -> LadderPlace | None:
        """Of an alert that is told anew, if it is a rung."""
        if not row.escalation or row.replaces is None:
            return None
        return LadderPlace(self._identities.ladder_alert_id(row.replaces), find_addressee(row))

    def record_stop(self, matter: Matter, last: AlertRow) -> Judged:
        """An alert that is on its way and must not arrive."""
        stopped = Composer(self._identities, matter).compose_stop(last)
        row = stopped.row._replace(detail=_seal_told(matter, stopped, ()))
        return Judged(alerts=(row,), messages=_messages([stopped]))


def _tell(composer: Composer, decision: Decision, *, cause: str | None = None) -> list[Told]:
    alerts = [composer.compose_alert(alert, cause=cause) for alert in decision.alerts]
    return [*alerts, *(composer.compose_notice(notice) for notice in decision.notices)]


def _tell_rung(composer: Composer, matter: Matter, rung: Rung, parent: UUID) -> Told:
    told = composer.compose_alert(
        rung.row,
        cause=rung_cause(parent, rung.row.escalation),
        place=LadderPlace(parent, find_addressee(rung.row)),
    )
    row = told.row._replace(detail=_seal_told(matter, told, rung.shares))
    return told._replace(row=row)


def _seal_told(matter: Matter, told: Told, shares: tuple[Share, ...]) -> bytes:
    shown = told.detail
    detail = ToldDetail(shown.disclosed, shown.withheld, shown.duties, shares, shown.until)
    return seal_told_detail(detail, key=matter.key, alert_id=told.row.alert_id, revision=told.row.revision)


def _find_ladders(
    matter: Matter, decision: Decision, told: Sequence[Told], *, case_ref: str
) -> Iterator[LadderRow]:
    """A row for each alert that somebody must acknowledge; `case_ref` is the case that knows of it."""
    for alert, each in zip(decision.alerts, told, strict=False):
        if alert.kind in CLIMBING and not alert.external:
            yield LadderRow(
                alert_id=each.row.alert_id,
                source=matter.source,
                event_id=matter.event_id,
                agency=alert.agency,
                cause=alert.cause,
                told_at=matter.now,
                case_ref=case_ref,
                due=alert.acknowledge_by,
            )


def _messages(told: Sequence[Told]) -> tuple[OutboxRow, ...]:
    return tuple(each.message for each in told if each.message is not None)


def _seal_emitter_duties(composer: Composer, matter: Matter, decision: Decision) -> bytes | None:
    own = tuple(duty for duty in decision.duties if duty.holder == matter.emitter)
    return seal_duties(matter, list_duties(own, composer.duty_ids(own))) if own else None


def _seal_values(matter: Matter, decision: Decision) -> bytes | None:
    """What somebody was shown: later rungs and amendments show some of it, and never anything else."""
    groups: frozenset[Group] = _NO_GROUPS.union(
        *(row.disclosed for row in decision.alerts if not row.external)
    )
    if not groups:
        return None
    return seal_values(matter.values(groups), key=matter.key, source=matter.source, event_id=matter.event_id)


def _decision_row(
    matter: Matter,
    decision: Decision,
    told: Sequence[Told],
    *,
    county: str | None,
    digest: bytes | None,
    duties_sealed: bytes | None,
) -> DecisionRow:
    detail = DecisionDetail(
        matter.event_type,
        decision.errors,
        decision.considered,
        tuple(each.detail for each in told),
        decision.sheets,
    )
    return DecisionRow(
        source=matter.source,
        event_id=matter.event_id,
        case_ref=matter.case_ref,
        county=county,
        outcome=decision.outcome,
        packs=" ".join(decision.packs),
        pack_hashes=" ".join(decision.pack_hashes),
        errors=render_errors(decision.errors),
        key_id=matter.key.key_id,
        content_digest=digest,
        detail=seal_detail(detail, key=matter.key, source=matter.source, event_id=matter.event_id),
        values_sealed=_seal_values(matter, decision),
        duties_sealed=duties_sealed,
        undeliverable=decision.undeliverable,
        directory_version=matter.directory_version,
        decided_at=matter.now,
        correlation_id=matter.correlation_id,
        cluster_id=matter.origin.cluster_id,
        partition=matter.origin.partition,
        offset=matter.origin.offset,
    )
