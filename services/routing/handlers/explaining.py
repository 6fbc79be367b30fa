"""Reading the ledger for an operator."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from pydantic import TypeAdapter

from schemas.receipt import EventError
from services.routing.decision import AgencyVerdict, RuleConsidered
from services.routing.handlers.detail import AlertDetail, DecisionDetail, open_detail, open_told_detail
from services.routing.handlers.explanation import (
    ExplainedAgency,
    ExplainedAlert,
    ExplainedDuty,
    ExplainedFact,
    ExplainedRefusal,
    ExplainedRule,
    Explanation,
    Explanations,
)
from services.routing.handlers.identities import OPERATIONS_KEY_ID
from services.routing.repository.views import AlertView, DecisionView, EventView, FactView, ViewRepository
from services.runtime.keyring import CaseKey, Keyring
from services.runtime.logs import get_logger

log = get_logger()

_ERRORS: TypeAdapter[list[EventError]] = TypeAdapter(list[EventError])


class Explainer:
    """Answers "why was this agency told?" and "why was that one not?"."""

    def __init__(self, views: ViewRepository, keyring: Keyring, *, operations_key: CaseKey) -> None:
        self._views = views
        self._keyring = keyring
        self._operations_key = operations_key

    async def explain(self, *, event_id: str, source: str | None, operator: str) -> Explanations:
        """Raises one of database.TRANSIENT_ERRORS; SealError if the ledger was altered."""
        view = await self._views.read_event(event_id=event_id, source=source)
        keys = await self._find_keys(view.decisions)
        log.info("decision.read", event_id=event_id, operator=operator, found_count=len(view.decisions))
        return Explanations(
            event_id=event_id,
            decisions=[_explain(decision, view, keys[decision.key_id]) for decision in view.decisions],
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

    async def _find_keys(self, decisions: Iterable[DecisionView]) -> dict[UUID, CaseKey | None]:
        wanted = {decision.key_id for decision in decisions} - {OPERATIONS_KEY_ID}
        return {**await self._keyring.find_keys(wanted), OPERATIONS_KEY_ID: self._operations_key}


def _explain(decision: DecisionView, view: EventView, key: CaseKey | None) -> Explanation:
    detail = None
    if key is not None:
        detail = open_detail(decision.detail, key=key, source=decision.source, event_id=decision.event_id)
    return Explanation(
        source=decision.source,
        event_id=decision.event_id,
        case_ref=decision.case_ref,
        county=decision.county,
        outcome=decision.outcome,
        event_type=None if detail is None else detail.event_type,
        packs=decision.packs.split(),
        directory_version=decision.directory_version,
        decided_at=decision.decided_at,
        correlation_id=decision.correlation_id,
        errors=_errors(decision, detail),
        undeliverable=decision.undeliverable,
        rules=None if detail is None else [_explain_rule(rule) for rule in detail.considered],
        alerts=_explain_alerts(decision, view, detail, key),
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
            if duty.source == decision.source
        ],
    )


def _errors(decision: DecisionView, detail: DecisionDetail | None) -> list[EventError]:
    if detail is None:
        return _ERRORS.validate_json(decision.errors)
    return [EventError(path=error.path, message=error.message) for error in detail.errors]


def _explain_rule(rule: RuleConsidered) -> ExplainedRule:
    return ExplainedRule(
        rule=rule.rule,
        pack=rule.pack,
        verdict=rule.verdict,
        role=rule.role,
        county=rule.county,
        agencies=[_explain_agency(agency) for agency in rule.agencies],
    )


def _explain_agency(agency: AgencyVerdict) -> ExplainedAgency:
    return ExplainedAgency(
        agency=agency.agency,
        verdict=agency.verdict,
        disclosed=sorted(agency.disclosed),
        removed=dict(sorted(agency.removed.items())),
    )


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
