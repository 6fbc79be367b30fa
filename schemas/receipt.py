"""Receipts: facts about alerts, events and endpoints, on `tocsin.receipts`. Key: case reference or agency."""

from enum import StrEnum
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter

from schemas.base import WireModel
from schemas.directory import EndpointRecord
from schemas.vocabulary import AgencyId, CaseRef, EventId, RefusalReason, SourceUrn

KIND_HEADER: Final = "kind"
"""Kafka header that repeats a receipt's kind, so that a consumer can pass over what is not for it."""


class ReceiptKind(StrEnum):
    """What happened."""

    STORED = "stored"
    DELIVERED = "delivered"
    FAILED = "failed"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNACKNOWLEDGED = "unacknowledged"
    UNREACHABLE = "unreachable"
    EVIDENCE = "evidence"
    ENDPOINT_SUSPENDED = "endpoint_suspended"
    ENDPOINT_RESUMED = "endpoint_resumed"
    DECIDED = "decided"
    ENDPOINT_ADDED = "endpoint_added"
    PULSE = "pulse"


class _AlertReceipt(WireModel):
    """What every receipt about an alert names."""

    alert_id: UUID
    revision: int = Field(ge=1)
    agency: AgencyId
    case_ref: CaseRef
    at: AwareDatetime
    correlation_id: str


class Stored(_AlertReceipt):
    """Notify took the alert over: it survives the loss of the log."""

    kind: Literal[ReceiptKind.STORED] = ReceiptKind.STORED


class Delivered(_AlertReceipt):
    """One endpoint or contact has it; nobody acknowledged yet."""

    kind: Literal[ReceiptKind.DELIVERED] = ReceiptKind.DELIVERED
    delivery_id: UUID
    channel: str


class Failed(_AlertReceipt):
    """One delivery is given up: refused, or out of attempts."""

    kind: Literal[ReceiptKind.FAILED] = ReceiptKind.FAILED
    delivery_id: UUID
    channel: str
    outcome: str


class Acknowledged(_AlertReceipt):
    """A person took responsibility; who it was stays, sealed, with notify."""

    kind: Literal[ReceiptKind.ACKNOWLEDGED] = ReceiptKind.ACKNOWLEDGED


class Refused(_AlertReceipt):
    """A person at the agency does not take the alert over; who it was and any words stay sealed with notify.

    Told once an alert, and once more where a conflict of interest takes the place of another reason.
    An acknowledgement of the same alert wins, whichever of the two comes first.
    """

    kind: Literal[ReceiptKind.REFUSED] = ReceiptKind.REFUSED
    reason: RefusalReason


class Unacknowledged(_AlertReceipt):
    """The time to acknowledge it has passed and nobody had; told once an alert, whatever comes later."""

    kind: Literal[ReceiptKind.UNACKNOWLEDGED] = ReceiptKind.UNACKNOWLEDGED


class Unreachable(_AlertReceipt):
    """Every path of it has failed: refused, or unavailable three times. Nobody can acknowledge it in time.

    Told once an alert, and then in the place of `unacknowledged`; a path may succeed all the same, later.
    """

    kind: Literal[ReceiptKind.UNREACHABLE] = ReceiptKind.UNREACHABLE


class Evidence(WireModel):
    """The holder did what a duty asked of it. `sealed` opens to a DutyEvidence."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    kind: Literal[ReceiptKind.EVIDENCE] = ReceiptKind.EVIDENCE
    duty_id: UUID
    agency: AgencyId
    case_ref: CaseRef
    key_id: UUID
    sealed: bytes
    at: AwareDatetime
    correlation_id: str


class _EndpointReceipt(WireModel):
    """What every receipt about an endpoint names: a suspension is known by when it began. Key: the agency."""

    agency: AgencyId
    endpoint_id: str
    reason: Literal["failing", "gone"]
    since: AwareDatetime
    at: AwareDatetime
    correlation_id: str


class EndpointSuspended(_EndpointReceipt):
    """An endpoint keeps failing, or answered that it is gone: it is spared what no law orders."""

    kind: Literal[ReceiptKind.ENDPOINT_SUSPENDED] = ReceiptKind.ENDPOINT_SUSPENDED


class EndpointResumed(_EndpointReceipt):
    """It took a webhook again."""

    kind: Literal[ReceiptKind.ENDPOINT_RESUMED] = ReceiptKind.ENDPOINT_RESUMED


class EventStatus(StrEnum):
    """What the source of an event may learn of it."""

    DECIDED = "decided"
    REFUSED = "refused"
    SUPERSEDED = "superseded"


class EventError(WireModel):
    """Why an event was refused: a JSON Pointer and what to do, never a value."""

    path: str
    message: str


class Decided(WireModel):
    """Routing decided an event. `duties_sealed` opens to the emitter's duties: a JSON list of NoticeDuty."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    kind: Literal[ReceiptKind.DECIDED] = ReceiptKind.DECIDED
    source: SourceUrn
    event_id: EventId
    case_ref: CaseRef
    status: EventStatus
    errors: list[EventError] = Field(default=[])
    key_id: UUID | None = None
    duties_sealed: bytes | None = None
    at: AwareDatetime
    correlation_id: str


class EndpointAdded(WireModel):
    """An endpoint passed its probes and is to be in the directory; `by` an operator, or its agency."""

    kind: Literal[ReceiptKind.ENDPOINT_ADDED] = ReceiptKind.ENDPOINT_ADDED
    agency: AgencyId
    endpoint: EndpointRecord
    by: str
    at: AwareDatetime


class Pulse(WireModel):
    """Nothing happened: whoever reads this moves. Notify sees by the committed offsets how far that is."""

    kind: Literal[ReceiptKind.PULSE] = ReceiptKind.PULSE
    at: AwareDatetime


AnyReceipt: TypeAlias = (
    Stored
    | Delivered
    | Failed
    | Acknowledged
    | Refused
    | Unacknowledged
    | Unreachable
    | Evidence
    | EndpointSuspended
    | EndpointResumed
    | EndpointAdded
    | Decided
    | Pulse
)

Receipt = Annotated[AnyReceipt, Field(discriminator="kind")]

RECEIPT: Final[TypeAdapter[AnyReceipt]] = TypeAdapter(Receipt)
