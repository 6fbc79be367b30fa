"""The records that routing publishes, sealed once and kept as they are until they are taken over."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from schemas.alert import AlertContent, AlertForm, AlertRecord, DutyNotice
from schemas.receipt import KIND_HEADER, Decided, ReceiptKind
from schemas.sealed import alert_seal_context
from schemas.topics import ALERTS, RECEIPTS
from schemas.vocabulary import Rung, Urgency
from services.routing.handlers.matter import Matter
from services.routing.repository.rows import AlertRow, OutboxMessage, OutboxRow
from services.runtime.crypto import seal
from services.runtime.kafka import Record

FIRST_REVISION: Final = 1

HAND_OVER_PATIENCE: Final = timedelta(seconds=10)
"""How long an alert may take to be taken over before it is published again."""

MESSAGE_HEADER: Final = "message_id"
"""On our own receipts: what to strike off the outbox when we read them back from the log."""

_DECIDED: Final = ReceiptKind.DECIDED.value.encode()


def build_alert_message(matter: Matter, row: AlertRow, content: AlertContent | DutyNotice) -> OutboxRow:
    """An alert or a duty notice, as notify reads it."""
    context = alert_seal_context(alert_id=str(row.alert_id), agency=row.agency, revision=row.revision)
    record = AlertRecord(
        form=AlertForm(row.form),
        alert_id=row.alert_id,
        revision=row.revision,
        agency=row.agency,
        contact=Rung(row.contact or Rung.PRIMARY),
        case_ref=row.case_ref,
        urgency=Urgency(row.urgency),
        acknowledge_by=row.acknowledge_by,
        exercise=row.exercise,
        decided_at=row.decided_at,
        directory_version=matter.directory_version,
        correlation_id=matter.correlation_id,
        key_id=matter.key.key_id,
        sealed=seal(matter.key.secret, content.model_dump_json().encode(), context=context),
    )
    message = OutboxMessage(row.alert_id, ALERTS.name, row.case_ref, record.model_dump_json().encode())
    return _keep(matter, message, revision=row.revision)


def build_receipt_message(matter: Matter, receipt: Decided, *, message_id: UUID) -> OutboxRow:
    """What the source of an event may learn of it, for intake."""
    value = receipt.model_dump_json().encode()
    return _keep(
        matter, OutboxMessage(message_id, RECEIPTS.name, matter.case_ref, value), revision=FIRST_REVISION
    )


def to_record(message: OutboxMessage | OutboxRow) -> Record:
    """What goes to Kafka."""
    headers: tuple[tuple[str, bytes], ...] = ()
    if message.topic == RECEIPTS.name:
        headers = ((KIND_HEADER, _DECIDED), (MESSAGE_HEADER, str(message.message_id).encode()))
    return Record(message.topic, message.key.encode(), message.record, headers)


def _keep(matter: Matter, message: OutboxMessage, *, revision: int) -> OutboxRow:
    return OutboxRow(
        message_id=message.message_id,
        revision=revision,
        topic=message.topic,
        key=message.key,
        record=message.record,
        cluster_id=matter.origin.cluster_id,
        partition=matter.origin.partition,
        offset=matter.origin.offset,
        published_to=matter.origin.cluster_id,
        created_at=matter.now,
        publish_after=matter.now + HAND_OVER_PATIENCE,
    )
