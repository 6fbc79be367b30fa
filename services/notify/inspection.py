"""Deliveries as an operator sees them: where they stand and how they were tried, never what they say."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from schemas.base import WireModel
from schemas.vocabulary import EndpointContent


class Standing(StrEnum):
    """Which deliveries to look for: dead letters (refused, or out of attempts), or those that are pending."""

    DEAD = "dead"
    PENDING = "pending"


class Criteria(WireModel):
    """What must hold of a delivery; None holds of every one. Times are of the alert's decision."""

    agency: str | None = None
    endpoint_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class DeliveryEntry(WireModel):
    """One delivery, and how its latest attempt ended."""

    delivery_id: UUID
    alert_id: UUID
    revision: int
    agency: str
    channel: str
    endpoint_id: str = Field(description="The rung of the contact for an e-mail.")
    state: str
    urgency: str
    exercise: bool
    decided_at: datetime
    acknowledge_by: datetime
    attempts: int
    due_at: datetime | None
    attempted_at: datetime | None
    outcome: str | None
    status_code: int | None
    enhanced_code: str | None
    detail: str | None
    overtaken_by: UUID | None = Field(
        description="The alert of a later rung that reached the agency: this is tried no more."
    )


class OwnEndpoint(WireModel):
    """An endpoint as its agency sees it. `public_key` verifies its `v1a` signatures, if it has any."""

    endpoint_id: str
    url: str
    content: EndpointContent
    public_key: str | None
    exercises: bool
    is_suspended: bool


class ReconciledAlert(WireModel):
    """What should have arrived. `webhook_id` is what a webhook of it carries."""

    webhook_id: str
    alert_id: UUID
    revision: int
    stored_at: datetime


class AttemptEntry(WireModel):
    """One attempt."""

    number: int
    started_at: datetime
    duration_ms: int
    outcome: str
    status_code: int | None
    enhanced_code: str | None
    detail: str | None
