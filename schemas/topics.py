"""The Kafka topics: the only place where services meet. Partition counts are fixed at creation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from schemas.alert import AlertRecord
from schemas.directory import DirectorySnapshot
from schemas.sealed import SealedEvent


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: its name, what its records are, and the settings it must have."""

    name: str
    meaning: str
    key: str
    partitions: int
    config: Mapping[str, str]
    model: type[BaseModel] | None


CASE_EVENTS: Final = Topic(
    name="tocsin.case-events",
    meaning="Accepted case events, sealed. Never compacted, kept for ever.",
    key="case reference",
    partitions=6,
    config={"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
    model=SealedEvent,
)
ALERTS: Final = Topic(
    name="tocsin.alerts",
    meaning="Alerts and duty notices for notify to deliver, content sealed.",
    key="case reference",
    partitions=6,
    config={"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
    model=AlertRecord,
)
RECEIPTS: Final = Topic(
    name="tocsin.receipts",
    meaning="Facts about alerts and events.",
    key="case reference",
    partitions=6,
    config={"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
    model=None,
)
DIRECTORY: Final = Topic(
    name="tocsin.directory",
    meaning="The directory in force, versioned; the newest record counts.",
    key="`directory`",
    partitions=1,
    config={"cleanup.policy": "compact"},
    model=DirectorySnapshot,
)
TOPICS: Final = (CASE_EVENTS, ALERTS, RECEIPTS, DIRECTORY)

ROUTING_RECEIPTS_GROUP: Final = "tocsin.routing.receipts"
"""The consumer group whose position on the receipts tells notify which of them routing has taken over."""

ROUTING_EVENTS_GROUP: Final = "tocsin.routing.case-events"
"""The consumer group whose position on the case events tells how far routing has decided."""

INTAKE_RECEIPTS_GROUP: Final = "tocsin.intake"
"""The consumer group whose position on the receipts tells routing which of its own intake has read."""
