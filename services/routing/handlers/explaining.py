"""Reading the ledger for an operator."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import TypeAdapter

from schemas.receipt import EventError
from services.routing.handlers.detail import AlertDetail, DecisionDetail, open_detail, open_told_detail
from services.routing.handlers.explained_rules import explain_rules
from services.routing.handlers.explanation import (
    ExplainedAlert,
    ExplainedDuty,
    ExplainedFact,
    ExplainedRefusal,
    Explanation,
    Explanations,
)
from services.routing.handlers.identities import OPERATIONS_KEY_ID
from services.routing.handlers.protocols import Protocols
from services.routing.handlers.signatures import SignatureRefusedError, Signed
from services.routing.repository.reads import SignedRead
from services.routing.repository.views import AlertView, DecisionView, EventView, FactView, ViewRepository
from services.routing.rules import PackSet
from services.runtime.keyring import CaseKey, Keyring
from services.runtime.logs import get_logger

log = get_logger()

_ERRORS: TypeAdapter[list[EventError]] = TypeAdapter(list[EventError])


@dataclass(frozen=True, slots=True)
class Question:
    """One event; of one source, if several used its id; only what concerns one agency."""

    event_id: str
    source: str | None = None
    agency: str | None = None

    def __str__(self) -> str:
        """As the reading is recorded."""
        narrowed = {"of": self.source, "for": self.agency}
        return ", ".join(
            [f"event {self.event_id}", *(f"{word} {id_}" for word, id_ in narrowed.items() if id_)]
        )


class Explainer:
    """Answers "why was this agency told?" and "why was that one not?"."""

    def __init__(
        self, views: ViewRepository, keyring: Keyring, protocols: Protocols, *, operations_key: CaseKey
    ) -> None:
        self._views = views
        self._keyring = keyring
        self._protocols = protocols
        self._operations_key = operations_key

    async def explain(self, question: Question, *, signed: Signed) -> Explanations:
        """Who asks, and what, is recorded before anything is read.

        Raises SignatureRefusedError if the same signed question was answered before; one of
        database.TRANSIENT_ERRORS; SealError if the ledger was altered.
        """
        await self._record(question, signed)
        view = await self._views.read_event(event_id=question.event_id, source=question.source)
        keys = await self._find_keys(view.decisions)
        log.info(
            "decision.read",
            event_id=question.event_id,
            operator=signed.operator,
            found_count=len(view.decisions),
        )
        # Conditions are compiled anew: too long for the loop that decides.
        return await asyncio.to_thread(_answer, question, view, keys, self._protocols.current)

    async def _record(self, question: Question, signed: Signed) -> None:
        read = SignedRead(
            operator=signed.operator,
            what="decision.explained",
            detail=str(question),
            statement=signed.digest,
            operator_key=signed.public_key,
            signature=signed.signature,
            signed_at=signed.at,
        )
        if not await self._views.record_read(read):
            raise SignatureRefusedError("This signed question was answered before. Sign again.")

    async def _find_keys(self, decisions: Iterable[DecisionView]) -> dict[UUID, CaseKey | None]:
        wanted = {decision.key_id for decision in decisions} - {OPERATIONS_KEY_ID}
        return {**await self._keyring.find_keys(wanted), OPERATIONS_KEY_ID: self._operations_key}


def _answer(
    question: Question, view: EventView, keys: Mapping[UUID, CaseKey | None], packs: PackSet
) -> Explanations:
    return Explanations(
        event_id=question.event_id,
        decisions=[
            _explain(decision, view, keys[decision.key_id], packs, question.agency)
            for decision in view.decisions
        ],
        refusals=[
            ExplainedRefusal(
                source=refusal.source,
                case_ref=refusal.case_ref,
                reason=refusal.reason,
                error_type=refusal.error_type,
                error_at=refusal.error_at,
                quarantined_at=refusal.quarantined_at,
            )
            for refusal in view.refusals
        ],
    )


def _explain(
    decision: DecisionView, view: EventView, key: CaseKey | None, packs: PackSet, agency: str | None
) -> Explanation:
    detail = None
    if key is not None:
        detail = open_detail(decision.detail, key=key, source=decision.source, event_id=decision.event_id)
    labels, hashes = decision.packs.split(), decision.pack_hashes.split()
    of_pack = dict(zip(labels, hashes, strict=False))
    return Explanation(
        source=decision.source,
        event_id=decision.event_id,
        case_ref=decision.case_ref,
        county=decision.county,
        outcome=decision.outcome,
        event_type=None if detail is None else detail.event_type,
        packs=labels,
        pack_hashes=hashes,
        directory_version=decision.directory_version,
        decided_at=decision.decided_at,
        correlation_id=decision.correlation_id,
        errors=_errors(decision, detail),
        undeliverable=decision.undeliverable,
        rules=None if detail is None else explain_rules(detail, packs, hashes=of_pack, agency=agency),
        alerts=[
            alert for alert in _explain_alerts(decision, view, detail, key) if agency in {None, alert.agency}
        ],
        duties=[
            ExplainedDuty(
                duty_id=duty.duty_id,
                rule=duty.rule,
                holder=duty.holder,
                what=duty.what,
                due=duty.due,
                status=duty.status,
            )
            for duty in view.duties
            if duty.source == decision.source and agency in {None, duty.holder}
        ],
    )


def _errors(decision: DecisionView, detail: DecisionDetail | None) -> list[EventError]:
    if detail is None:
        return _ERRORS.validate_json(decision.errors)
    return [EventError(path=error.path, message=error.message) for error in detail.errors]


def _explain_alerts(
    decision: DecisionView, view: EventView, detail: DecisionDetail | None, key: CaseKey | None
) -> list[ExplainedAlert]:
    facts: dict[tuple[UUID, int], list[FactView]] = defaultdict(list)
    for fact in view.facts:
        facts[fact.alert_id, fact.revision].append(fact)
    details = {} if detail is None else {alert.alert_id: alert for alert in detail.alerts}
    return [
        _explain_alert(
            alert,
            _detail_of(alert, details, key),
            facts[alert.alert_id, alert.revision],
        )
        for alert in view.alerts
        if alert.source == decision.source
    ]


def _detail_of(
    alert: AlertView, details: Mapping[UUID, AlertDetail], key: CaseKey | None
) -> AlertDetail | None:
    """A row about a later record with the same id (S-05) shows no group and is in no decision's detail."""
    if key is None:
        return None
    if alert.detail is not None:
        own = open_told_detail(alert.detail, key=key, alert_id=alert.alert_id, revision=alert.revision)
        return AlertDetail(alert.alert_id, own.disclosed, own.withheld, own.duties)
    return details.get(alert.alert_id) or AlertDetail(alert.alert_id, frozenset(), frozenset(), ())


def _explain_alert(alert: AlertView, detail: AlertDetail | None, facts: Sequence[FactView]) -> ExplainedAlert:
    return ExplainedAlert(
        alert_id=alert.alert_id,
        revision=alert.revision,
        command=alert.command,
        replaces=alert.replaces,
        form=alert.form,
        kind=alert.kind,
        agency=alert.agency,
        role=alert.role,
        contact=alert.contact,
        rules=alert.rules.split(),
        urgency=alert.urgency,
        acknowledge_by=alert.acknowledge_by,
        escalation=alert.escalation,
        reason=alert.reason,
        exercise=alert.exercise,
        decided_at=alert.decided_at,
        disclosed=None if detail is None else sorted(detail.disclosed),
        withheld=None if detail is None else sorted(detail.withheld),
        duties=[] if detail is None else list(detail.duties),
        facts=[
            ExplainedFact(kind=fact.kind, at=fact.at, channel=fact.channel, outcome=fact.outcome)
            for fact in facts
        ],
    )
