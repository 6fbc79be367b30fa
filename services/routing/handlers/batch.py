"""One batch of case events: one transaction, then publish; the caller commits the offsets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from schemas.topics import CASE_EVENTS
from services.routing.case_state import EventKey
from services.routing.escalation import NEVER_AGAIN, Realert
from services.routing.handlers.amending import Unsettled
from services.routing.handlers.case_keys import find_case_keys
from services.routing.handlers.case_states import CaseBook, CaseMemory
from services.routing.handlers.directories import Directories
from services.routing.handlers.identities import receipts_id
from services.routing.handlers.judging import Judge
from services.routing.handlers.lines import write_lines
from services.routing.handlers.matter import Judged
from services.routing.handlers.messages import keep_receipts
from services.routing.handlers.opening import (
    Envelope,
    OpenedEvent,
    UnreadableEvent,
    open_event,
    read_envelope,
)
from services.routing.handlers.positions import Placed, next_offsets, place_batch
from services.routing.handlers.protocols import Protocols
from services.routing.handlers.quarantine import QuarantineWindow
from services.routing.handlers.recording import Recorder
from services.routing.handlers.sending import Sender
from services.routing.handlers.stopping import Brake
from services.routing.handlers.surroundings import Surroundings
from services.routing.refusals import find_named_event
from services.routing.repository.batch import BatchRepository
from services.routing.repository.follow_ups import FollowUpRepository
from services.routing.repository.rows import DutyRow, EarlierDecision, Origin, OutboxMessage, OutboxRow
from services.runtime.clock import Clock
from services.runtime.database import Pool, transaction
from services.runtime.kafka import ReceivedRecord
from services.runtime.keyring import CaseKey, Keyring
from services.runtime.logs import get_logger

log = get_logger()

Item = OpenedEvent | UnreadableEvent
Items = Mapping[tuple[int, int], Item]
"""By partition and offset."""

_MILLISECONDS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What batches of case events are decided with."""

    pool: Pool
    keyring: Keyring
    sender: Sender
    directories: Directories
    protocols: Protocols
    recorder: Recorder
    case_memory: CaseMemory
    operations_key: CaseKey
    cluster_id: str
    clock: Clock
    realert: Realert = NEVER_AGAIN


@dataclass(slots=True)
class Progress:
    """What a batch comes to. `stopped_at` is the record that was one refusal too many: it is not handled."""

    window: QuarantineWindow
    again: list[OutboxMessage] = field(default_factory=list)
    handled: list[ReceivedRecord] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    amended: list[Judged] = field(default_factory=list)
    receipts: list[OutboxRow] = field(default_factory=list)
    stopped_at: ReceivedRecord | None = None

    def take(self, record: ReceivedRecord, judged: Judged) -> None:
        window = self.window.add(is_fault=judged.is_fault)
        if judged.is_fault and window.is_full:
            self.stopped_at = record
            return
        self.window = window
        self.handled.append(record)
        self.judged.append(judged)


class CaseEventBatches:
    """Decides each event once, whoever reads it and however often."""

    def __init__(self, means: Means, brake: Brake) -> None:
        self._means = means
        self._brake = brake
        self._window = QuarantineWindow()

    async def handle(self, records: Sequence[ReceivedRecord]) -> None:
        """Raises transient errors (read the batch again), GapError, or ConsumerStoppedError."""
        started_at = self._means.clock.monotonic()
        items = await self._open(records)
        async with transaction(self._means.pool) as connection:
            repository, follow_ups = BatchRepository(connection), FollowUpRepository(connection)
            progress = await self._decide(repository, follow_ups, records, items)
        self._window = progress.window
        write_lines(line for one in (*progress.judged, *progress.amended) for line in one.lines)
        await self._means.sender.send(list(_messages(progress)))
        self._write_summary(progress, records, started_at)
        if progress.stopped_at is not None:
            await self._brake.pull(progress.stopped_at, quarantined_count=self._window.fault_count + 1)

    async def _open(self, records: Sequence[ReceivedRecord]) -> Items:
        read = [read_envelope(record) for record in records]
        key_ids = {item.sealed.data.key_id for item in read if isinstance(item, Envelope)}
        keys = await find_case_keys(self._means.keyring, key_ids)
        return {
            (item.record.partition, item.record.offset): (
                open_event(item, keys[item.sealed.data.key_id]) if isinstance(item, Envelope) else item
            )
            for item in read
        }

    async def _decide(
        self,
        repository: BatchRepository,
        follow_ups: FollowUpRepository,
        records: Sequence[ReceivedRecord],
        items: Items,
    ) -> Progress:
        progress = Progress(self._window)
        placed = await place_batch(
            repository, records, cluster_id=self._means.cluster_id, topic=CASE_EVENTS.name
        )
        if placed.behind:
            progress.again = await self._find_again(repository, placed)
        if placed.due:
            judge = await self._prepare(repository, [_item(items, record) for record in placed.due])
            for record in placed.due:
                progress.take(record, judge.judge(_item(items, record)))
                if progress.stopped_at is not None:
                    break
            progress.receipts = self._keep_receipts(progress, judge)
            await self._write(repository, follow_ups, progress)
            await repository.update_case_states(judge.seal_cases())
            progress.amended = await self._amend(repository, follow_ups, progress, judge)
        return progress

    def _keep_receipts(self, progress: Progress, judge: Judge) -> list[OutboxRow]:
        """Those of the whole batch in one row, with the place of its last record."""
        receipts = [one.receipt for one in progress.judged if one.receipt is not None]
        if not receipts:
            return []
        origin = _origin(self._means.cluster_id, progress.handled[-1])
        message_id = receipts_id(origin)
        return [keep_receipts(receipts, message_id=message_id, origin=origin, now=judge.now)]

    async def _find_again(self, repository: BatchRepository, placed: Placed) -> list[OutboxMessage]:
        places = [(record.partition, record.offset) for record in placed.behind]
        return await repository.find_messages_of(cluster_id=self._means.cluster_id, places=places)

    async def _prepare(self, repository: BatchRepository, items: Sequence[Item]) -> Judge:
        """Takes every row that the batch needs of its cases at once, in order.

        Decisions are read before: that of an id used again says whose case it was. Who decides one of these
        events meanwhile is found when ours is inserted.
        """
        events = {(item.sealed.source, item.sealed.id) for item in items if item.sealed is not None}
        earlier = await repository.find_decisions(events | set(_named_events(items)))
        firsts = [earlier[event] for event in events & earlier.keys()]
        case_refs = {item.sealed.subject for item in items if item.sealed is not None}
        case_states = await repository.lock_cases(case_refs | {first.case_ref for first in firsts})
        moment = await repository.read_moment()
        around = Surroundings(
            cluster_id=self._means.cluster_id,
            now=moment.now,
            directory=await self._means.directories.get(moment.directory_version),
            packs=await self._means.protocols.get(moment.pack_revision),
            operations_key=self._means.operations_key,
            earlier=earlier,
            cases=CaseBook(case_states, self._means.case_memory),
            keys=await self._collect_keys(items, firsts),
        )
        return Judge(self._means.recorder, around)

    async def _collect_keys(
        self, items: Sequence[Item], firsts: Sequence[EarlierDecision]
    ) -> Mapping[UUID, CaseKey | None]:
        """Those of the batch, and of first events in another case than the one that used their id again."""
        keys: dict[UUID, CaseKey | None] = {
            item.key.key_id: item.key for item in items if item.key is not None
        }
        missing = {first.key_id for first in firsts} - keys.keys()
        return {**keys, **await find_case_keys(self._means.keyring, missing)} if missing else keys

    async def _amend(
        self,
        repository: BatchRepository,
        follow_ups: FollowUpRepository,
        progress: Progress,
        judge: Judge,
    ) -> list[Judged]:
        """What is on its way and may be told no more as it was; also what this batch itself tells."""
        replacing = [row for one in progress.judged for row in one.alerts if row.replaces is not None]
        cases = judge.list_unsettled({row.case_ref for row in replacing})
        if not cases:
            return []
        amender = judge.build_amender(_origin(self._means.cluster_id, progress.handled[-1]))
        replaced = {row.replaces for row in replacing if row.replaces is not None}
        amended = await amender.amend(follow_ups, Unsettled(cases=cases, replaced=replaced))
        await repository.insert_alerts([row for one in amended for row in one.alerts])
        await repository.insert_messages([row for one in amended for row in one.messages])
        return amended

    async def _write(
        self, repository: BatchRepository, follow_ups: FollowUpRepository, progress: Progress
    ) -> None:
        judged = progress.judged
        await repository.insert_decisions([one.decision for one in judged if one.decision])
        await repository.insert_alerts([row for one in judged for row in one.alerts])
        await repository.insert_ladders([row for one in judged for row in one.ladders])
        await repository.insert_duties([row for one in judged for row in one.duties])
        await _revise_duties(follow_ups, judged)
        await repository.insert_messages([row for one in judged for row in one.messages] + progress.receipts)
        await repository.insert_quarantines([one.quarantine for one in judged if one.quarantine])
        await repository.advance_positions(
            cluster_id=self._means.cluster_id,
            topic=CASE_EVENTS.name,
            next_offsets=next_offsets(progress.handled),
        )

    def _write_summary(
        self, progress: Progress, records: Sequence[ReceivedRecord], started_at: float
    ) -> None:
        duration = self._means.clock.monotonic() - started_at
        log.info(
            "batch.decided",
            record_count=len(progress.handled),
            republished_count=len(progress.again),
            quarantined_count=sum(1 for one in progress.judged if one.quarantine),
            alert_count=sum(len(one.alerts) for one in progress.judged),
            partitions=sorted({record.partition for record in records}),
            duration_ms=round(duration * _MILLISECONDS),
        )


def _named_events(items: Iterable[Item]) -> Iterator[EventKey]:
    """What the batch corrects or retracts: it may be of another case."""
    for item in items:
        named = find_named_event(item.event) if isinstance(item, OpenedEvent) else None
        if named is not None:
            yield named


async def _revise_duties(repository: FollowUpRepository, judged: Iterable[Judged]) -> None:
    """Of several corrections in one batch, the latest that speaks of a duty counts."""
    renewed: dict[UUID, DutyRow | None] = {}
    for one in judged:
        renewed |= {row.duty_id: row for row in one.renewals}
        renewed |= dict.fromkeys(one.reviews)
    await repository.renew_duties([row for row in renewed.values() if row is not None])
    await repository.review_duties([duty_id for duty_id, row in renewed.items() if row is None])


def _origin(cluster_id: str, record: ReceivedRecord) -> Origin:
    return Origin(cluster_id, record.partition, record.offset)


def _item(items: Items, record: ReceivedRecord) -> Item:
    return items[record.partition, record.offset]


def _messages(progress: Progress) -> Iterable[OutboxMessage | OutboxRow]:
    """In the order in which they must be read: what amends comes after what it amends."""
    yield from progress.again
    for one in (*progress.judged, *progress.amended):
        yield from one.messages
    yield from progress.receipts
