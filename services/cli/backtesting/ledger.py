"""The events that were really processed: read from the log, opened here, and recorded as a read."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from pydantic import ValidationError

from schemas.pack import ProtocolPack
from schemas.sealed import SealedEvent
from schemas.topics import CASE_EVENTS
from services.cli.backtesting.courses import NOT_OPENED, Courses, PastRecord, open_courses
from services.cli.backtesting.replay import Period
from services.cli.backtesting.source import LedgerSource
from services.routing.handlers.protocols import list_approved
from services.routing.packs import PackErrors, read_sources
from services.routing.repository.packs import PackRepository, StoredPack
from services.routing.repository.past import DecidedRecord, PastRepository
from services.runtime.crypto import Kek
from services.runtime.database import open_pool
from services.runtime.kafka import ReceivedRecord, open_admin, read_topic_to_end
from services.runtime.keyring import CaseKey, Keyring

NOT_IN_LOG: Final = "the log does not have it any more"
PATIENCE_SECONDS: Final = 30.0
_KEYS_AT_ONCE: Final = 10_000

Place = tuple[int, int]
"""(partition, offset)."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Past events in courses, with the directories by which they were decided, as JSON.

    `in_force` are the packs that were ever approved, each from the instant at which it came into force.
    """

    courses: Courses
    in_force: tuple[ProtocolPack, ...]
    directories: Mapping[int, str] = field(repr=False)


class LedgerUnavailableError(Exception):
    """PostgreSQL or Kafka does not answer."""


async def read_ledger(source: LedgerSource, period: Period) -> Ledger:
    """Raises LedgerUnavailableError, KeyFileError, SealError, PackErrors, and errors of the servers."""
    kek = Kek.load(source.kek_file)
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                pool = await stack.enter_async_context(open_pool(source.database_url, size=2))
                admin = await stack.enter_async_context(open_admin(source.kafka))
                cluster_id = await admin.get_cluster_id()
        except TimeoutError:
            raise LedgerUnavailableError(f"no answer within {PATIENCE_SECONDS:g} s") from None
        past = PastRepository(pool)
        await past.record_backtest(operator=source.operator, detail=_describe(period))
        decided = await past.list_decided(topic=CASE_EVENTS.name, since=period.since, until=period.until)
        present = [record for record in decided if record.cluster_id == cluster_id]
        records, lost = await _read_records(source, present)
        keyring = Keyring(pool, kek)
        courses = open_courses(records, await _find_keys(keyring, records))
        courses.skip(NOT_IN_LOG, len(decided) - len(present))
        for reason, count in lost.items():
            courses.skip(reason, count)
        directories = await past.list_directories({record.directory_version for record in records})
        in_force = _read_approved(await PackRepository(pool).list_packs())
    return Ledger(courses, in_force, directories)


def _read_approved(stored: Sequence[StoredPack]) -> tuple[ProtocolPack, ...]:
    read = read_sources(list_approved(stored))
    if read.problems:
        raise PackErrors(read.problems)
    return tuple(pack for _, _, pack in read.packs)


def _describe(period: Period) -> str:
    since, until = (at.isoformat() if at else "open" for at in (period.since, period.until))
    return f"since {since}, until {until}"


async def _read_records(
    source: LedgerSource, decided: Iterable[DecidedRecord]
) -> tuple[list[PastRecord], Mapping[str, int]]:
    """The records that were decided, in that order; and how many are not there or are no events."""
    wanted = {(record.partition, record.offset): record for record in decided}
    found = await read_topic_to_end(
        source.kafka, CASE_EVENTS.name, partitions=CASE_EVENTS.partitions, keep=lambda r: _place(r) in wanted
    )
    by_place = {_place(record): record for record in found}
    sealed = {place: _read_envelope(record) for place, record in by_place.items()}
    records = [
        PastRecord(record.at, record.directory_version, envelope)
        for place, record in wanted.items()
        if (envelope := sealed.get(place)) is not None
    ]
    lost = {NOT_IN_LOG: len(wanted) - len(sealed), NOT_OPENED: len(sealed) - len(records)}
    return records, lost


def _place(record: ReceivedRecord) -> Place:
    return record.partition, record.offset


def _read_envelope(record: ReceivedRecord) -> SealedEvent | None:
    try:
        return SealedEvent.model_validate_json(record.value or b"")
    except ValidationError:
        return None


async def _find_keys(keyring: Keyring, records: Iterable[PastRecord]) -> Mapping[UUID, CaseKey | None]:
    wanted = sorted({record.sealed.data.key_id for record in records})
    keys: dict[UUID, CaseKey | None] = {}
    for start in range(0, len(wanted), _KEYS_AT_ONCE):
        keys |= await keyring.find_keys(wanted[start : start + _KEYS_AT_ONCE])
    return keys
