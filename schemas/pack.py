"""A protocol pack: a task force's rules as versioned YAML (DESIGN 5)."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import Instant, Length, Opt, WireModel
from schemas.vocabulary import Basis, ConsentMode, CountyFips, EventType, Group, Role, RuleId, Urgency

PackName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
PackVersion = Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class RoleRecipient(WireModel):
    """Every holder of a role in the event's county, or of each destination; the alternate if nobody can."""

    role: Role
    alternate: Opt[Role] = None
    in_: Annotated[Opt[Literal["destinations"]], Field(alias="in")] = None


class ConsentRecipient(WireModel):
    """Every agency that received groups under the consent the event names (F-07)."""

    holders_of: Literal["consent"]


class BusinessDays(WireModel):
    """Days on which the state's offices are open, counted from the day after, due at 23:59:59 local."""

    business_days: Annotated[int, Field(ge=1, le=366)]
    calendar: Literal["US-CA"]


class FlaggedLength(WireModel):
    """Another length when the event carries a flag: 7 days instead of 30 in removal proceedings."""

    flag: Literal["safe_at_home", "unaccompanied", "indian_child", "in_removal_proceedings"]
    within: Length


class DutySpec(WireModel):
    """A statutory clock: who must do what by when. Without `within` and `before` the law names no hour."""

    holder: Literal["emitter", "emitter_gov", "recipient"]
    what: Sentence
    within: Opt[Length | BusinessDays] = None
    within_if: Opt[FlaggedLength] = None
    from_: Annotated[Literal["discovered_at", "processed_at"], Field(alias="from")] = "discovered_at"
    before: Opt[Literal["appointment.start"]] = None


class Rule(WireModel):
    """On these event types, when this condition holds, tell this role (DESIGN 5)."""

    id: RuleId
    title: Sentence
    on: Annotated[list[EventType], Field(min_length=1)]
    when: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = "true"
    notify: Annotated[list[RoleRecipient | ConsentRecipient], Field(min_length=1)]
    urgency: Urgency
    basis: Basis
    consent: ConsentMode
    disclose: list[Group] = Field(default=[])
    disclose_with_consent: list[Group] = Field(default=[])
    duties: list[DutySpec] = Field(default=[])
    authority: Annotated[list[Sentence], Field(min_length=1)]


class Urgencies(WireModel):
    """How long an agency has to acknowledge, per urgency."""

    immediate: Length = timedelta(minutes=15)
    urgent: Length = timedelta(hours=1)
    priority: Length = timedelta(hours=4)
    routine: Length = timedelta(hours=24)

    def time_for(self, urgency: Urgency) -> timedelta:
        """The time to acknowledge an alert of this urgency."""
        lengths: dict[Urgency, timedelta] = {
            Urgency.IMMEDIATE: self.immediate,
            Urgency.URGENT: self.urgent,
            Urgency.PRIORITY: self.priority,
            Urgency.ROUTINE: self.routine,
        }
        return lengths[urgency]


class ProtocolPack(WireModel):
    """One version of a pack. The version in force at processing time decides."""

    pack: PackName
    version: PackVersion
    title: Sentence
    notice: Sentence
    in_force_from: Instant
    applies_in: Opt[Annotated[list[CountyFips], Field(min_length=1)]] = None
    timezone: str = "America/Los_Angeles"
    urgencies: Urgencies = Urgencies()
    rules: Annotated[list[Rule], Field(min_length=1)]

    @property
    def label(self) -> str:
        """`name@version`, as stamped on each alert."""
        return f"{self.pack}@{self.version}"
