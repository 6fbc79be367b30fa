"""Receipts as they leave: made from an alert record, and packed for the outbox."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from uuid import UUID

import orjson

from schemas.alert import AlertRecord
from schemas.receipt import Acknowledged, Delivered, Failed, ReceiptKind, Stored
from services.notify.delivery import Channel


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt for the topic: its key, the kind its header repeats, and its JSON."""

    key: bytes
    kind: bytes
    value: bytes


class _Common(TypedDict):
    alert_id: UUID
    revision: int
    agency: str
    case_ref: str
    at: datetime
    correlation_id: str


def stored(record: AlertRecord, *, at: datetime) -> Receipt:
    return _receipt(Stored(**_common(record, at)))


def delivered(record: AlertRecord, *, at: datetime, delivery_id: UUID, channel: Channel) -> Receipt:
    return _receipt(Delivered(**_common(record, at), delivery_id=delivery_id, channel=channel.value))


def failed(
    record: AlertRecord, *, at: datetime, delivery_id: UUID, channel: Channel, outcome: str
) -> Receipt:
    return _receipt(
        Failed(**_common(record, at), delivery_id=delivery_id, channel=channel.value, outcome=outcome)
    )


def acknowledged(record: AlertRecord, *, at: datetime) -> Receipt:
    return _receipt(Acknowledged(**_common(record, at)))


def pack(receipts: Iterable[Receipt]) -> bytes:
    """One JSON a line."""
    return b"\n".join(receipt.value for receipt in receipts)


def unpack(packed: bytes) -> Sequence[Receipt]:
    return [_read(line) for line in packed.split(b"\n") if line]


def _common(record: AlertRecord, at: datetime) -> _Common:
    return {
        "alert_id": record.alert_id,
        "revision": record.revision,
        "agency": record.agency,
        "case_ref": record.case_ref,
        "at": at,
        "correlation_id": record.correlation_id,
    }


def _receipt(model: Stored | Delivered | Failed | Acknowledged) -> Receipt:
    return Receipt(model.case_ref.encode(), _KINDS[model.kind], model.model_dump_json().encode())


def _read(line: bytes) -> Receipt:
    document = orjson.loads(line)
    return Receipt(document["case_ref"].encode(), document["kind"].encode(), line)


_KINDS = {kind: kind.value.encode() for kind in ReceiptKind}
