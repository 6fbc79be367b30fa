"""Heartbeats: that nothing came because there was nothing, and what should have come."""

from typing import Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from schemas.base import WireModel
from schemas.vocabulary import AgencyId

HEARTBEAT_TYPE: Final = "org.tocsin.heartbeat.v1"


class ExpectedAlert(WireModel):
    """What should have arrived. `webhook_id` is what a webhook of it carries."""

    webhook_id: str
    alert_id: UUID
    revision: int = Field(ge=1)
    stored_at: AwareDatetime


class Heartbeat(WireModel):
    """`data` of `org.tocsin.heartbeat.v1`: what this endpoint should have since the last one that it took.

    With `more` the next one goes on at once. Raise an alarm if none has come by `next_at` and a while.
    """

    agency: AgencyId
    endpoint_id: str
    sequence: int = Field(ge=1)
    since: AwareDatetime
    until: AwareDatetime
    next_at: AwareDatetime
    alerts: list[ExpectedAlert]
    more: bool


class WebhookHeartbeat(WireModel):
    """The signed webhook body of a heartbeat."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: Literal["org.tocsin.heartbeat.v1"] = HEARTBEAT_TYPE
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    data: Heartbeat
