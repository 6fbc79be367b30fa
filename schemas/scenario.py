"""Scenario files and the simulator's result (DESIGN 5): a public contract that protocol authors live by."""

from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import Instant, Opt, WireModel
from schemas.vocabulary import AgencyId, AlertKind, EventId, Group, Outcome, Reason, Role, Rung, Urgency

_MISSPELT: Final = 0.75
"""From this likeness on, a key that we do not know is one of ours misspelt."""


class ScenarioDirectory(WireModel):
    """Raw agencies: merged per id and field before they are read as `Agency`."""

    extends: Opt[Literal["sample"]] = None
    agencies: list[dict[str, Any]] = Field(default=[])
    sources: list[dict[str, Any]] = Field(default=[])


class AcknowledgeStep(WireModel):
    """Which agency acknowledges the alerts of which event."""

    agency: AgencyId
    event: EventId


class EventStep(WireModel):
    """A case event arrives."""

    at: Instant
    event: dict[str, Any]


class AcknowledgementStep(WireModel):
    """Somebody takes responsibility."""

    at: Instant
    acknowledge: AcknowledgeStep


class DirectoryStep(WireModel):
    """The directory changes; merged per agency id and field, a given list replaces."""

    at: Instant
    directory: ScenarioDirectory


Step = EventStep | AcknowledgementStep | DirectoryStep


class OutcomeRow(WireModel):
    """What became of one event."""

    at: Instant
    event: EventId
    outcome: Outcome


class DutyRow(WireModel):
    """A duty on an alert; `due` is null where the law names no hour."""

    rule: str
    holder: AgencyId | None
    what: str
    due: Instant | Literal["needs_review"] | None


class AlertRow(WireModel):
    """One alert, external row or rung."""

    at: Instant
    event: EventId
    agency: AgencyId
    role: Role
    contact: Rung | None
    kind: AlertKind
    rules: list[str]
    urgency: Urgency
    acknowledge_by: Instant
    escalation: int
    reason: Reason | None
    disclosed: list[Group]
    withheld: list[Group]
    duties: list[DutyRow]


class SimulationResult(WireModel):
    """What `tocsin simulate --json` prints. Alerts sort by at, event, escalation, agency."""

    outcomes: list[OutcomeRow]
    alerts: list[AlertRow]


class Expectation(WireModel):
    """What a scenario expects: each listed key is compared, instants as instants, lists as sets."""

    outcomes: Opt[list[dict[str, Any]]] = None
    alerts: Opt[list[dict[str, Any]]] = None


class Scenario(WireModel):
    """A scenario file. Steps are kept raw here and read one by one, so that an error names its step.

    `id` and `title` are for the reader, and so is any other key, unless it looks like one of ours misspelt: a
    scenario whose expectations nobody reads would pass for ever.
    """

    model_config = ConfigDict(extra="ignore")

    directory: ScenarioDirectory = ScenarioDirectory(extends="sample")
    steps: Annotated[list[dict[str, Any]], Field(min_length=1)]
    until: Opt[Instant] = None
    expected: Opt[Expectation] = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_misspelt(cls, raw: object) -> object:
        for key in raw.keys() - {"id", "title"} - cls.model_fields.keys() if isinstance(raw, dict) else ():
            for known in get_close_matches(str(key), cls.model_fields, n=1, cutoff=_MISSPELT):
                raise PydanticCustomError("misspelt", f"unknown key; did you mean `{known}`?", {})
        return raw
