"""A past to decide once more: cases as the ledger and the log hold them, each event sealed.

Of the six events of a case one is a consent, one a correction and one a revocation; the rest are the
published mix. The next case begins an hour after the one before, so that the past spans years.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from schemas.directory import DirectoryFile
from schemas.sealed import SealedData, SealedEvent
from services.cli.backtesting.courses import PastRecord
from services.devstack.directory import build_sample, complete_keys
from services.devstack.keys import Keys
from services.routing.handlers.snapshots import build_snapshot, render_snapshot
from services.runtime.crypto import new_key
from services.runtime.keyring import CaseKey
from tests.bench.mix import MIX, SOURCE

EVENTS_PER_CASE: Final = 6
DIRECTORY_VERSION: Final = 1
_BEGINNING: Final = datetime(2026, 1, 2, tzinfo=UTC)
_GRANT: Final = {
    "county": "06029",
    "consent": {
        "consent_id": "cn-1",
        "granted_by": "self",
        "recipients": ["VICTIM_SERVICES", "SART_HOSPITAL"],
        "groups": ["name", "contact"],
        "from": "2026-01-01T00:00:00Z",
        "to": "2099-01-01T00:00:00Z",
    },
}
_REVOCATION: Final = {"county": "06029", "consent": {"consent_id": "cn-1"}}


@dataclass(frozen=True, slots=True)
class Past:
    """What reading the ledger yields: records in order, keys by id, the directory as JSON by version."""

    records: list[PastRecord]
    keys: Mapping[UUID, CaseKey | None] = field(repr=False)
    directories: Mapping[int, str] = field(repr=False)


def build_past(event_count: int) -> Past:
    """`event_count` sealed events, a case's in order and the cases interwoven as they are in life."""
    records: list[PastRecord] = []
    keys: dict[UUID, CaseKey | None] = {}
    for number in range(-(-event_count // EVENTS_PER_CASE)):
        key = CaseKey(UUID(int=number + 1), new_key())
        keys[key.key_id] = key
        records += _build_case(number, key)
    records.sort(key=lambda record: record.at)
    return Past(records[:event_count], keys, {DIRECTORY_VERSION: _render_directory()})


def _build_case(number: int, key: CaseKey) -> Iterator[PastRecord]:
    opened_at = _BEGINNING + timedelta(hours=number)
    for place, (event_type, data) in enumerate(_list_events(number)):
        at = opened_at + timedelta(hours=5 * place)
        yield PastRecord(
            at, DIRECTORY_VERSION, _seal(f"e{number}-{place}", f"C{number}", event_type, data, at, key)
        )


def _list_events(number: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    first, second, third = (MIX[(number + step) % len(MIX)] for step in range(3))
    yield "org.tocsin.consent.granted.v1", _GRANT
    yield first.type, first.data
    yield second.type, second.data
    yield first.type, {**first.data, "corrects": f"e{number}-1", "gender": "Masculine"}
    yield third.type, third.data
    yield "org.tocsin.consent.revoked.v1", _REVOCATION


def _seal(
    event_id: str, case_ref: str, event_type: str, data: Mapping[str, Any], at: datetime, key: CaseKey
) -> SealedEvent:
    content = orjson.dumps({"type": event_type, "time": at, "data": data}, option=orjson.OPT_SORT_KEYS)
    envelope = SealedEvent(
        id=event_id,
        source=SOURCE,
        subject=case_ref,
        time=at,
        data=SealedData(key_id=key.key_id, sealed=b"", correlation_id="0" * 32, received_at=at),
    )
    sealed = key.cipher.seal(content, context=envelope.seal_context)
    return envelope.model_copy(update={"data": envelope.data.model_copy(update={"sealed": sealed})})


def _render_directory() -> str:
    file = DirectoryFile.model_validate(build_sample(complete_keys(Keys(operator="tco_" + "x" * 16))))
    built = build_snapshot(
        file, None, version=DIRECTORY_VERSION, applied_at=_BEGINNING, directory_key=new_key()
    )
    return render_snapshot(built.snapshot)
