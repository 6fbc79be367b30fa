"""Messages to other services: sealed once, and kept as they are until they are taken over."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from schemas.alert import Command
from schemas.receipt import KIND_HEADER, ReceiptKind
from schemas.sealed import alert_seal_context
from schemas.topics import ALERTS, RECEIPTS
from services.routing.handlers.contents import FIRST_REVISION, write_alert_record
from services.routing.handlers.matter import Matter
from services.routing.repository.rows import AlertRow, OutboxMessage, OutboxRow
from services.runtime.kafka import Record

HAND_OVER_PATIENCE: Final = timedelta(seconds=10)
"""How long an alert may take to be taken over before it is published again."""

MESSAGE_HEADER: Final = "message_id"
"""On our own receipts: what to strike off the outbox when we read them back from the log."""

_DECIDED: Final = ReceiptKind.DECIDED.value.encode()


def build_alert_message(
    matter: Matter,
    row: AlertRow,
    content: bytes,
    *,
    command: Command = Command.DELIVER,
    mandated: bool = True,
) -> OutboxRow:
    """An alert, a duty notice or a review, as notify reads it."""
    context = alert_seal_context(alert_id=str(row.alert_id), agency=row.agency, revision=row.revision)
    sealed = matter.key.cipher.seal(content, context=context)
    value = write_alert_record(matter, row, command=command, sealed=sealed, mandated=mandated)
    return _keep(matter, row.alert_id, ALERTS.name, value, revision=row.revision)


def build_receipt_message(matter: Matter, value: bytes, *, message_id: UUID) -> OutboxRow:
    """What the source of an event may learn of it, for intake."""
    return _keep(matter, message_id, RECEIPTS.name, value, revision=FIRST_REVISION)


def to_record(message: OutboxMessage | OutboxRow) -> Record:
    """What goes to Kafka."""
    headers: tuple[tuple[str, bytes], ...] = ()
    if message.topic == RECEIPTS.name:
        headers = ((KIND_HEADER, _DECIDED), (MESSAGE_HEADER, str(message.message_id).encode()))
    return Record(message.topic, message.key.encode(), message.record, headers)


def _keep(matter: Matter, message_id: UUID, topic: str, value: bytes, *, revision: int) -> OutboxRow:
    origin = matter.origin
    return OutboxRow(
        message_id=message_id,
        revision=revision,
        topic=topic,
        key=matter.case_ref,
        record=value,
        cluster_id=origin.cluster_id,
        partition=origin.partition,
        offset=origin.offset,
        published_to=origin.cluster_id,
        created_at=matter.now,
        publish_after=matter.now + HAND_OVER_PATIENCE,
    )
