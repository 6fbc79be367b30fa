"""Case events as intake puts them on the log: sealed under their case's key."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from schemas.sealed import SealedData, SealedEvent, event_seal_context
from schemas.topics import CASE_EVENTS
from services.runtime.crypto import seal
from services.runtime.kafka import ReceivedRecord, Record
from services.runtime.keyring import CaseKey, Keyring

Json = dict[str, Any]

POLICE = "urn:tocsin:agency:ag-bpd:cad"
RECEIVED_AT = datetime(2026, 3, 4, 6, 41, tzinfo=UTC)
CORRELATION_ID = "c0" * 16


def build_event(event_id: str = "e1", **changes: object) -> Json:
    """A child recovered by city police: child welfare, the advocate and the hospital are told."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": POLICE,
        "type": "org.tocsin.victim.recovered.v1",
        "subject": "case-1",
        "time": "2026-03-03T22:40:00-08:00",
        "data": {
            "county": "06029",
            "age": {"band": "13to15"},
            "exploitation": {"types": ["SexualExploitation"]},
            "name": {"full": "Marigold Quillfeather"},
            "immigration": {"text": "visa-overstay-zebra"},
        },
    } | changes


class Sealer:
    """Stands where intake stands: makes case keys and seals."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def seal(self, *events: Json) -> list[Record]:
        keys = await self._keyring.ensure_keys([event["subject"] for event in events])
        return [seal_event(event, keys[event["subject"]]) for event in events]


def seal_event(event: Json, key: CaseKey) -> Record:
    time = datetime.fromisoformat(event["time"]).astimezone(UTC)
    context = event_seal_context(
        source=event["source"], event_id=event["id"], subject=event["subject"], time=time
    )
    content = {"type": event["type"], "time": time, "data": event["data"]}
    plaintext = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    sealed = SealedEvent(
        id=event["id"],
        source=event["source"],
        subject=event["subject"],
        time=time,
        data=SealedData(
            key_id=key.key_id,
            sealed=seal(key.secret, plaintext, context=context),
            correlation_id=CORRELATION_ID,
            received_at=RECEIVED_AT,
        ),
    )
    return Record(CASE_EVENTS.name, event["subject"].encode(), sealed.model_dump_json().encode())


def lay_out(records: Iterable[Record], *, partition: int = 0, first_offset: int = 0) -> list[ReceivedRecord]:
    """The records as a consumer of one partition gets them."""
    return [
        ReceivedRecord(record.topic, partition, offset, record.key, record.value, record.headers)
        for offset, record in enumerate(records, start=first_offset)
    ]


def spoil(record: Record) -> Record:
    """The same record with another event's content: its seal does not open."""
    envelope = orjson.loads(record.value)
    envelope["id"] = envelope["id"] + "-spoilt"
    return Record(record.topic, record.key, orjson.dumps(envelope))


def garbage(text: bytes = b"not an envelope") -> Record:
    return Record(CASE_EVENTS.name, b"case-1", text)


def in_batches(records: Sequence[ReceivedRecord], sizes: Iterable[int]) -> Iterable[list[ReceivedRecord]]:
    """Consecutive batches of these sizes; what is left over is one more."""
    start = 0
    for size in sizes:
        if start < len(records):
            yield list(records[start : start + size])
        start += size
    if start < len(records):
        yield list(records[start:])
