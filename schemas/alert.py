"""Alerts and duty notices: the record that routing publishes, and what an agency receives."""

from enum import StrEnum
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from schemas.base import Opt, WireModel
from schemas.vocabulary import AgencyId, AlertKind, CaseRef, CountyFips, Group, Reason, Role, Rung, Urgency

ALERT_TYPE: Final = "org.tocsin.alert.v1"
DUTY_TYPE: Final = "org.tocsin.duty.v1"


class Command(StrEnum):
    """What notify does with an alert record (DESIGN 3, guarantee 4).

    `review` delivers nothing: duties must be reviewed, because what they came from was withdrawn.
    """

    DELIVER = "deliver"
    AMEND = "amend"
    STOP = "stop"
    REVIEW = "review"
    """Delivers nothing: its content is a DutyReview, which names duties to be looked at again."""


class AlertForm(StrEnum):
    """An alert discloses groups; a duty notice tells a holder of a statutory clock and carries no group."""

    ALERT = "alert"
    DUTY_NOTICE = "duty_notice"


class RungTo(StrEnum):
    """Whom a rung tells, and so what it can stand for."""

    AGENCY = "agency"
    """The alert's own agency once more: its backup, or all of it after the last rung."""
    ALTERNATE = "alternate"
    """Another agency, in its place."""
    COORDINATOR = "coordinator"
    """Who coordinates: nothing of the case, and no responsibility for it."""


class AlertRecord(WireModel):
    """One alert on `tocsin.alerts`. Key: the case reference.

    `sealed` opens to the AlertContent or DutyNotice of its form, of a review to a DutyReview.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    command: Command = Command.DELIVER
    form: AlertForm = AlertForm.ALERT
    alert_id: UUID
    revision: int = Field(ge=1)
    agency: AgencyId
    contact: Rung = Rung.PRIMARY
    case_ref: CaseRef
    urgency: Urgency
    acknowledge_by: AwareDatetime
    exercise: bool = False
    """Goes only where exercises are accepted. False of what replaces an alert that was none."""
    mandated: bool = True
    """False: by agreement alone. Whoever has none when it is sent gets nothing of it, and an endpoint that is
    suspended may be spared it for a while."""
    rung_of: UUID | None = None
    """The alert that nobody acknowledged, of what is told because of that."""
    rung_to: RungTo | None = None
    """With `rung_of`."""
    decided_at: AwareDatetime
    directory_version: int
    correlation_id: str
    key_id: UUID
    sealed: bytes


class DutyItem(WireModel):
    """One statutory clock as its holder reads it; `due` is null where the law names no hour."""

    duty_id: UUID
    rule: str
    holder: AgencyId | None
    what: str
    due: AwareDatetime | Literal["needs_review"] | None
    authority: list[str]


class OperationalReason(StrEnum):
    """What of ours is out of order, in order again, or changed: notices of Tocsin itself, of no event."""

    ENDPOINT_SUSPENDED = "ENDPOINT_SUSPENDED"
    ENDPOINT_RESUMED = "ENDPOINT_RESUMED"
    ENDPOINT_ADDED = "ENDPOINT_ADDED"
    ENDPOINT_REMOVED = "ENDPOINT_REMOVED"
    DEAD_LETTER = "DEAD_LETTER"


class Concern(WireModel):
    """What of ours a notice is about. None of it is of a case; ids are opaque."""

    agency: AgencyId
    endpoint_id: str | None = None
    channel: str | None = None
    delivery_id: UUID | None = None


class _AlertFacts(WireModel):
    """What an alert says to its agency; `reason` only on rows telling of a problem.

    `concern` is there only in a notice of Tocsin itself, that no event caused: its `case_ref` names no case.
    """

    alert_id: UUID
    revision: int = Field(ge=1)
    replaces: UUID | None
    kind: AlertKind
    case_ref: CaseRef
    event_id: str
    event_type: str
    agency: AgencyId
    role: Role
    rules: list[str]
    packs: list[str]
    urgency: Urgency
    acknowledge_by: AwareDatetime
    escalation: int = Field(ge=0)
    county: CountyFips | None
    emitter_role: Role | None
    exercise: bool
    disclosed: dict[Group, Any]
    duties: list[DutyItem]
    reason: Reason | OperationalReason | None = None
    concern: Concern | None = None


class AlertContent(_AlertFacts):
    """What routing seals: the webhook's `data` without `links`, which notify adds.

    From its instant in `until` on, a group is neither sent nor shown; nor is one of `by_agreement`, which no
    law orders, to an agency without an agreement. The agency does not learn of either.
    """

    until: dict[Group, AwareDatetime] = Field(default={})
    by_agreement: list[Group] = Field(default=[])


class AlertLinks(WireModel):
    """Where the agency's system reads the alert again and acknowledges it."""

    alert: str
    acknowledge: str


class AlertData(_AlertFacts):
    """The webhook's `data` for `content: disclosed`."""

    links: AlertLinks


class AlertPointer(WireModel):
    """The webhook's `data` for `content: pointer`, the default: nothing of the case."""

    alert_id: UUID
    revision: int = Field(ge=1)
    urgency: Urgency
    acknowledge_by: AwareDatetime
    links: AlertLinks
    exercise: Opt[Literal[True]] = None
    """Only of an exercise, so that nobody takes it for real."""


class NoticeDuty(WireModel):
    """One duty in a duty notice."""

    duty_id: UUID
    rule: str
    what: str
    due: AwareDatetime | Literal["needs_review"] | None
    authority: list[str]


class ReminderKind(StrEnum):
    """What a notice reminds of: half, a quarter or a tenth of the time is left; or none."""

    DUE_SOON = "due_soon"
    OVERDUE = "overdue"


class OverdueDuty(WireModel):
    """That a duty is overdue, as a coordinator is told: not what it is, for that may tell of the case."""

    duty_id: UUID
    holder: AgencyId | None
    due: AwareDatetime


class DutyNotice(WireModel):
    """`data` of `org.tocsin.duty.v1`: to a duty's holder that gets no alert for the event; no groups.

    With `reminder` it tells nothing new: the duty was told before. A coordinator's has `overdue` and no duty.
    """

    notice_id: UUID
    event_id: str
    case_ref: CaseRef
    agency: AgencyId
    duties: list[NoticeDuty]
    reminder: Opt[ReminderKind] = None
    percent_left: Opt[Literal[50, 25, 10]] = None
    overdue: Opt[list[OverdueDuty]] = None


class DutyReview(WireModel):
    """Duties of the record's agency about which somebody must say whether they still bind."""

    duty_ids: list[UUID]


class WebhookAlert(WireModel):
    """The signed webhook body of an alert: a CloudEvent in structured mode."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: Literal["org.tocsin.alert.v1"] = ALERT_TYPE
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    data: AlertData | AlertPointer


class WebhookDutyNotice(WireModel):
    """The signed webhook body of a duty notice."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: Literal["org.tocsin.duty.v1"] = DUTY_TYPE
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    data: DutyNotice
