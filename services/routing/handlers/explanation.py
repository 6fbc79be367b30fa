"""Why agencies were told of an event, and why others were not: the answer as a program reads it."""

from collections.abc import Mapping
from uuid import UUID

from pydantic import AwareDatetime

from schemas.base import WireModel
from schemas.receipt import EventError
from schemas.vocabulary import AgencyId, Group, Role
from services.routing.decision import Gate, Verdict
from services.routing.facts import FactValue


class ExplainedAgency(WireModel):
    """What became of one holder of the role; `removed` says which gate took each group away.

    `role` when it was told under another than the rule's own. `consents` are those of which one covered a
    disclosed group.
    """

    agency: AgencyId
    verdict: Verdict
    disclosed: list[Group]
    removed: Mapping[Group, Gate]
    role: Role | None
    consents: Mapping[Group, list[str]]


class ExplainedPart(WireModel):
    """A part of a condition that did not hold, and what the event said of the facts in it."""

    condition: str
    facts: Mapping[str, FactValue]


class ExplainedRule(WireModel):
    """One rule that names the event's type, once per role and county it was judged for.

    `would_tell` are the roles it names, alternates included. `stopped_by` are the parts of its condition that
    did not hold; null if it matched, or if that version of the pack is not loaded here.
    """

    rule: str
    pack: str
    verdict: Verdict
    role: Role | None
    county: str | None
    would_tell: list[Role]
    stopped_by: list[ExplainedPart] | None
    agencies: list[ExplainedAgency]


class ExplainedFact(WireModel):
    """What became of an alert: stored, delivered, failed, (un)acknowledged."""

    kind: str
    at: AwareDatetime
    channel: str | None
    outcome: str | None


class ExplainedAlert(WireModel):
    """One agency that was told. Without a contact it is an external body, told by the duty's holder.

    A later `revision` amended or stopped what was not delivered yet: `command` says which. `replaces` is the
    alert that an update or a cancel is about. `disclosed` and `withheld` are null if the key is gone.
    """

    alert_id: UUID
    revision: int
    command: str
    replaces: UUID | None
    form: str
    kind: str
    agency: AgencyId
    role: str | None
    contact: str | None
    rules: list[str]
    urgency: str
    acknowledge_by: AwareDatetime
    escalation: int
    reason: str | None
    exercise: bool
    decided_at: AwareDatetime
    disclosed: list[Group] | None
    withheld: list[Group] | None
    duties: list[UUID]
    facts: list[ExplainedFact]


class ExplainedDuty(WireModel):
    """One statutory clock; no holder if nobody could hold it, no `due` where the law names no hour."""

    duty_id: UUID
    rule: str
    holder: str | None
    what: str
    due: AwareDatetime | None
    status: str


class ExplainedRefusal(WireModel):
    """A record with this id that nobody may act on, kept whole."""

    source: str
    case_ref: str
    reason: str
    error_type: str | None
    error_at: str | None
    quarantined_at: AwareDatetime


class Explanation(WireModel):
    """One decision. `rules`, `event_type` and the errors' full paths are null when the case's key is gone."""

    source: str
    event_id: str
    case_ref: str
    county: str | None
    outcome: str
    event_type: str | None
    packs: list[str]
    pack_hashes: list[str]
    directory_version: int
    decided_at: AwareDatetime
    correlation_id: str
    errors: list[EventError]
    undeliverable: str | None
    rules: list[ExplainedRule] | None
    alerts: list[ExplainedAlert]
    duties: list[ExplainedDuty]


class Explanations(WireModel):
    """Every decision and every refused record with this event id."""

    event_id: str
    decisions: list[Explanation]
    refusals: list[ExplainedRefusal]
