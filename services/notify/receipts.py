"""Receipts as they leave: made from an alert record, and packed for the outbox."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

import orjson

from schemas.alert import AlertRecord
from schemas.directory import EndpointRecord
from schemas.receipt import EndpointAdded, ReceiptKind
from schemas.vocabulary import RefusalReason
from services.notify.breaker import Change, Suspended
from services.notify.delivery import Channel

NO_CORRELATION: Final = UUID(int=0).hex


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt for the topic: its key, the kind its header repeats, and its JSON."""

    key: bytes
    kind: bytes
    value: bytes


class About(Protocol):
    """What a receipt about an alert names: an alert record, or as much of one as was read."""

    @property
    def alert_id(self) -> UUID: ...
    @property
    def revision(self) -> int: ...
    @property
    def agency(self) -> str: ...
    @property
    def case_ref(self) -> str: ...
    @property
    def correlation_id(self) -> str: ...


def stored(record: AlertRecord, *, at: datetime) -> Receipt:
    return _receipt(ReceiptKind.STORED, record, at)


def delivered(record: AlertRecord, *, at: datetime, delivery_id: UUID, channel: Channel) -> Receipt:
    return _receipt(ReceiptKind.DELIVERED, record, at, delivery_id=delivery_id, channel=channel.value)


def failed(
    record: AlertRecord, *, at: datetime, delivery_id: UUID, channel: Channel, outcome: str
) -> Receipt:
    return _receipt(
        ReceiptKind.FAILED, record, at, delivery_id=delivery_id, channel=channel.value, outcome=outcome
    )


def acknowledged(record: AlertRecord, *, at: datetime) -> Receipt:
    return _receipt(ReceiptKind.ACKNOWLEDGED, record, at)


def refused(record: AlertRecord, *, at: datetime, reason: RefusalReason) -> Receipt:
    return _receipt(ReceiptKind.REFUSED, record, at, reason=reason.value)


def unacknowledged(alert: About, *, at: datetime) -> Receipt:
    return _receipt(ReceiptKind.UNACKNOWLEDGED, alert, at)


def unreachable(alert: About, *, at: datetime) -> Receipt:
    return _receipt(ReceiptKind.UNREACHABLE, alert, at)


def evidence(about: About, *, duty_id: UUID, key_id: UUID, sealed: bytes, at: datetime) -> Receipt:
    """That a duty was done; `about` is the alert or notice that carries it."""
    document = {
        "kind": ReceiptKind.EVIDENCE.value,
        "duty_id": duty_id,
        "agency": about.agency,
        "case_ref": about.case_ref,
        "key_id": key_id,
        "sealed": urlsafe_b64encode(sealed).decode(),
        "at": at,
        "correlation_id": about.correlation_id,
    }
    value = orjson.dumps(document, option=orjson.OPT_UTC_Z)
    return Receipt(about.case_ref.encode(), _KINDS[ReceiptKind.EVIDENCE], value)


def endpoint_changed(change: Change, *, at: datetime) -> Receipt:
    """That an endpoint is spared, or answers again; no case is known of it."""
    suspension = change.suspension
    kind = ReceiptKind.ENDPOINT_SUSPENDED if isinstance(change, Suspended) else ReceiptKind.ENDPOINT_RESUMED
    document = {
        "kind": kind.value,
        "agency": suspension.agency,
        "endpoint_id": suspension.endpoint_id,
        "reason": suspension.reason.value,
        "since": suspension.since,
        "at": at,
        "correlation_id": NO_CORRELATION,
    }
    value = orjson.dumps(document, option=orjson.OPT_UTC_Z)
    return Receipt(suspension.agency.encode(), _KINDS[kind], value)


def endpoint_added(agency: str, endpoint: EndpointRecord, *, at: datetime, by: str) -> Receipt:
    """That an endpoint passed its probes; its agency is the key."""
    told = EndpointAdded(agency=agency, endpoint=endpoint, by=by, at=at)
    value = told.model_dump_json(exclude_none=True).encode()
    return Receipt(agency.encode(), _KINDS[ReceiptKind.ENDPOINT_ADDED], value)


def pack(receipts: Iterable[Receipt]) -> bytes:
    """One JSON a line."""
    return b"\n".join(receipt.value for receipt in receipts)


def unpack(packed: bytes) -> Sequence[Receipt]:
    return [_read(line) for line in packed.split(b"\n") if line]


def _receipt(kind: ReceiptKind, record: About, at: datetime, **more: UUID | str) -> Receipt:
    # Two for each alert: written without the models of `schemas.receipt`, which cost four times as much. The
    # tests read every kind with them.
    document = {
        "kind": kind.value,
        "alert_id": record.alert_id,
        "revision": record.revision,
        "agency": record.agency,
        "case_ref": record.case_ref,
        "at": at,
        "correlation_id": record.correlation_id,
        **more,
    }
    value = orjson.dumps(document, option=orjson.OPT_UTC_Z)
    return Receipt(record.case_ref.encode(), _KINDS[kind], value)


def _read(line: bytes) -> Receipt:
    document = orjson.loads(line)
    key = document.get("case_ref") or document["agency"]
    return Receipt(key.encode(), document["kind"].encode(), line)


_KINDS = {kind: kind.value.encode() for kind in ReceiptKind}
