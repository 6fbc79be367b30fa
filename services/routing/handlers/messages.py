"""Messages to other services: sealed once, and kept as they are until they are taken over."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, TypedDict
from uuid import UUID

import orjson

from schemas.alert import Command
from schemas.receipt import KIND_HEADER, ReceiptKind
from schemas.sealed import alert_seal_context
from schemas.topics import ALERTS, RECEIPTS
from services.routing.handlers.contents import FIRST_REVISION, write_alert_record
from services.routing.handlers.matter import LadderPlace, Matter
from services.routing.repository.rows import AlertRow, Origin, OutboxMessage, OutboxRow
from services.runtime.kafka import Record

HAND_OVER_PATIENCE: Final = timedelta(seconds=10)
"""How long an alert may take to be taken over before it is published again."""

_DECIDED: Final = ((KIND_HEADER, ReceiptKind.DECIDED.value.encode()),)
_EACH_ITS_OWN: Final = ""
"""The key of receipts that are kept together."""


class _Course(TypedDict):
    """Where a message comes from, and how it goes on."""

    cluster_id: str
    partition: int
    offset: int
    published_to: str
    created_at: datetime
    publish_after: datetime


def build_alert_message(
    matter: Matter,
    row: AlertRow,
    content: bytes,
    *,
    command: Command = Command.DELIVER,
    mandated: bool = True,
    in_earnest: bool = False,
    place: LadderPlace | None = None,
) -> OutboxRow:
    """An alert, a duty notice or a review, as notify reads it."""
    context = alert_seal_context(alert_id=str(row.alert_id), agency=row.agency, revision=row.revision)
    sealed = matter.key.cipher.seal(content, context=context)
    value = write_alert_record(
        matter,
        row,
        command=command,
        sealed=sealed,
        mandated=mandated,
        in_earnest=in_earnest,
        place=place,
    )
    return OutboxRow(
        message_id=row.alert_id,
        revision=row.revision,
        topic=ALERTS.name,
        key=matter.case_ref,
        record=value,
        **_since(matter.origin, matter.now),
    )


def keep_receipts(receipts: Sequence[bytes], *, message_id: UUID, origin: Origin, now: datetime) -> OutboxRow:
    """What the sources of a batch's events may learn, for intake: one row, a line of JSON each."""
    return OutboxRow(
        message_id=message_id,
        revision=FIRST_REVISION,
        topic=RECEIPTS.name,
        key=_EACH_ITS_OWN,
        record=b"\n".join(receipts),
        **_since(origin, now),
    )


def to_records(message: OutboxMessage | OutboxRow) -> list[Record]:
    """What goes to Kafka."""
    if message.topic != RECEIPTS.name:
        return [Record(message.topic, message.key.encode(), message.record, ())]
    return [
        Record(message.topic, orjson.loads(line)["case_ref"].encode(), line, _DECIDED)
        for line in message.record.split(b"\n")
    ]


def _since(origin: Origin, now: datetime) -> _Course:
    return _Course(
        cluster_id=origin.cluster_id,
        partition=origin.partition,
        offset=origin.offset,
        published_to=origin.cluster_id,
        created_at=now,
        publish_after=now + HAND_OVER_PATIENCE,
    )
