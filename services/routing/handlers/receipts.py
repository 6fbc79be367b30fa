"""One batch of receipts: facts about alerts into the ledger, what notify has taken over off the outbox."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from schemas.receipt import (
    KIND_HEADER,
    RECEIPT,
    Acknowledged,
    Delivered,
    EndpointAdded,
    EndpointResumed,
    EndpointSuspended,
    Evidence,
    Failed,
    ReceiptKind,
    Refused,
    Stored,
    Unacknowledged,
    Unreachable,
)
from schemas.topics import RECEIPTS
from schemas.vocabulary import RefusalReason
from services.routing.handlers.answering import Answer, Answers
from services.routing.handlers.enrolling import Enroller
from services.routing.handlers.hastening import Hastening
from services.routing.handlers.lines import write_lines
from services.routing.handlers.matter import UNKNOWN
from services.routing.handlers.noticing import Notices, Told, Trouble
from services.routing.handlers.positions import next_offsets, place_batch
from services.routing.handlers.quarantine import QuarantineReason, QuarantineWindow
from services.routing.handlers.sending import Sender
from services.routing.handlers.stopping import Brake
from services.routing.repository.batch import BatchRepository
from services.routing.repository.follow_ups import FollowUpRepository
from services.routing.repository.rows import NO_DELIVERY, EvidenceRow, QuarantineRow, ReceiptRow
from services.runtime.clock import Clock
from services.runtime.database import Pool, transaction
from services.runtime.kafka import ReceivedRecord
from services.runtime.logs import get_logger

log = get_logger()

AlertReceipt: TypeAlias = Stored | Delivered | Failed | Acknowledged | Refused | Unacknowledged | Unreachable
Fact: TypeAlias = AlertReceipt | Evidence | EndpointSuspended | EndpointResumed | EndpointAdded
NoFact: TypeAlias = Literal[ReceiptKind.DECIDED, ReceiptKind.PULSE]

_OWN: Final = (KIND_HEADER, ReceiptKind.DECIDED.value.encode())
_ADDED: Final = (KIND_HEADER, ReceiptKind.ENDPOINT_ADDED.value.encode())
_HASTENS: Final = frozenset({ReceiptKind.UNREACHABLE, ReceiptKind.REFUSED})
_MILLISECONDS: Final = 1000


class Facts:
    """What a batch of receipts says, record by record."""

    def __init__(self, window: QuarantineWindow, *, enrolled: Sequence[EndpointAdded] = ()) -> None:
        self.window = window
        self._enrolled = enrolled
        self.handled: list[ReceivedRecord] = []
        self.receipts: list[ReceiptRow] = []
        self.taken_over: list[tuple[UUID, int]] = []
        self.answers: list[Answer] = []
        """Acknowledgements, and refusals for a conflict of interest."""
        self.failed: list[UUID] = []
        """Alerts that nobody can take, or will."""
        self.troubles: list[Trouble] = []
        self.evidence: list[EvidenceRow] = []
        self.unreadable: list[ReceivedRecord] = []
        self.counts: Counter[ReceiptKind] = Counter()
        self.stopped_at: ReceivedRecord | None = None

    def take_all(self, records: Sequence[ReceivedRecord]) -> None:
        for record in records:
            if self.stopped_at is None:
                self._take(record)

    def _take(self, record: ReceivedRecord) -> None:
        receipt = read_receipt(record)
        window = self.window.add(is_fault=receipt is None)
        if receipt is None and window.is_full:
            self.stopped_at = record
            return
        self.window = window
        self.handled.append(record)
        match receipt:
            case None:
                self.unreadable.append(record)
            case ReceiptKind():
                self.counts[receipt] += 1
            case _:
                self._take_fact(receipt)

    def _take_fact(self, receipt: Fact) -> None:
        self.counts[receipt.kind] += 1
        if receipt.kind is ReceiptKind.ENDPOINT_ADDED:
            self.troubles += [each for each in self._enrolled if each == receipt][:1]
            return
        if receipt.kind is ReceiptKind.EVIDENCE:
            self.evidence.append(_evidence_row(receipt))
            return
        if receipt.kind is ReceiptKind.ENDPOINT_SUSPENDED or receipt.kind is ReceiptKind.ENDPOINT_RESUMED:
            self.troubles.append(receipt)
            return
        if receipt.kind is ReceiptKind.FAILED:
            self.troubles.append(receipt)
        if receipt.kind is ReceiptKind.ACKNOWLEDGED:
            self.answers.append(receipt)
        if receipt.kind is ReceiptKind.REFUSED and receipt.reason is RefusalReason.CONFLICT_OF_INTEREST:
            self.answers.append(receipt)
        if receipt.kind in _HASTENS:
            self.failed.append(receipt.alert_id)
        self.receipts.append(_row(receipt))
        # Whatever notify knows of an alert, it has the alert.
        self.taken_over.append((receipt.alert_id, receipt.revision))


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """What receipts change beside the ledger, in their transaction: ladders first, cases after them."""

    answers: Answers
    hastening: Hastening
    notices: Notices
    sender: Sender

    async def apply(self, repository: BatchRepository, follow_ups: FollowUpRepository, facts: Facts) -> Told:
        """What is to be told once it is committed."""
        told = await self.notices.tell(repository, follow_ups, facts.troubles)
        await self.hastening.apply(follow_ups, facts.failed)
        await self.answers.apply(repository, follow_ups, facts.answers)
        return told

    async def tell(self, told: Told) -> None:
        """What cannot be published now is published by the hand-over."""
        write_lines(told.lines)
        await self.sender.send(told.messages)


class ReceiptBatches:
    """Records what notify tells; receipts of our own are for intake."""

    def __init__(
        self,
        pool: Pool,
        *,
        consequences: Consequences,
        wake_climber: Callable[[], None],
        enroller: Enroller,
        cluster_id: str,
        clock: Clock,
        brake: Brake,
    ) -> None:
        self._pool = pool
        self._consequences = consequences
        self._wake_climber = wake_climber
        self._enroller = enroller
        self._cluster_id = cluster_id
        self._clock = clock
        self._brake = brake
        self._window = QuarantineWindow()

    async def handle(self, records: Sequence[ReceivedRecord]) -> None:
        """Raises transient errors (read the batch again), GapError, or ConsumerStoppedError."""
        started_at = self._clock.monotonic()
        # Before the position moves: read again after a crash, it changes nothing more. And outside of our
        # transaction: nothing in the database waits while Kafka takes the directory.
        enrolled = await self._enroller.enrol(find_added(records))
        facts = Facts(self._window, enrolled=enrolled)
        async with transaction(self._pool) as connection:
            repository = BatchRepository(connection)
            placed = await place_batch(repository, records, cluster_id=self._cluster_id, topic=RECEIPTS.name)
            facts.take_all(placed.due)
            told = await self._write(repository, FollowUpRepository(connection), facts)
        self._window = facts.window
        await self._consequences.tell(told)
        if facts.failed or facts.counts[ReceiptKind.UNACKNOWLEDGED]:
            self._wake_climber()
        for record in facts.unreadable:
            log.error("receipt.quarantined", partition=record.partition, offset=record.offset)
        self._write_summary(facts, started_at)
        if facts.stopped_at is not None:
            await self._brake.pull(facts.stopped_at, quarantined_count=self._window.fault_count)

    async def _write(self, repository: BatchRepository, follow_ups: FollowUpRepository, facts: Facts) -> Told:
        await repository.insert_receipts(facts.receipts)
        await repository.delete_messages(facts.taken_over)
        await follow_ups.insert_evidence(facts.evidence)
        told = await self._consequences.apply(repository, follow_ups, facts)
        if facts.unreadable:
            now = (await repository.read_moment()).now
            rows = [_quarantine_row(record, self._cluster_id, now) for record in facts.unreadable]
            await repository.insert_quarantines(rows)
        await repository.advance_positions(
            cluster_id=self._cluster_id,
            topic=RECEIPTS.name,
            next_offsets=next_offsets(facts.handled),
        )
        return told

    def _write_summary(self, facts: Facts, started_at: float) -> None:
        counts = {f"{kind.value}_count": facts.counts[kind] for kind in ReceiptKind}
        log.info(
            "batch.recorded",
            record_count=len(facts.handled),
            partitions=sorted({record.partition for record in facts.handled}),
            duration_ms=round((self._clock.monotonic() - started_at) * _MILLISECONDS),
            **counts,
        )


def find_added(records: Sequence[ReceivedRecord]) -> list[EndpointAdded]:
    """Endpoints that are to be in the directory."""
    told = (read_receipt(record) for record in records if _ADDED in record.headers)
    return [receipt for receipt in told if isinstance(receipt, EndpointAdded)]


def read_receipt(record: ReceivedRecord) -> Fact | NoFact | None:
    """A fact about an alert; the kind of what only shows that it is read; None for what is no receipt."""
    if _OWN in record.headers:
        return ReceiptKind.DECIDED
    try:
        receipt = RECEIPT.validate_json(record.value or b"")
    except ValueError:  # and pydantic's ValidationError, which is one and whose text may quote the record
        return None
    # By kind and not by class: asking a model's class costs more than reading the receipt.
    if receipt.kind is ReceiptKind.DECIDED or receipt.kind is ReceiptKind.PULSE:
        return receipt.kind
    return receipt


def _row(receipt: AlertReceipt) -> ReceiptRow:
    kind, delivery_id, channel, outcome = receipt.kind, NO_DELIVERY, None, None
    if receipt.kind is ReceiptKind.DELIVERED or receipt.kind is ReceiptKind.FAILED:
        delivery_id, channel = receipt.delivery_id, receipt.channel
    if receipt.kind is ReceiptKind.FAILED:
        outcome = receipt.outcome
    if receipt.kind is ReceiptKind.REFUSED:
        outcome = receipt.reason.value
    return ReceiptRow(
        receipt.alert_id, receipt.revision, kind.value, delivery_id, channel, outcome, receipt.at
    )


def _evidence_row(evidence: Evidence) -> EvidenceRow:
    return EvidenceRow(
        evidence.duty_id, evidence.agency, evidence.case_ref, evidence.key_id, evidence.sealed, evidence.at
    )


def _quarantine_row(record: ReceivedRecord, cluster_id: str, now: datetime) -> QuarantineRow:
    return QuarantineRow(
        cluster_id=cluster_id,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        record_key=record.key,
        record=record.value,
        source=UNKNOWN,
        event_id=UNKNOWN,
        case_ref=UNKNOWN,
        reason=QuarantineReason.NOT_A_RECEIPT.value,
        content_digest=None,
        error_type=None,
        error_at=None,
        quarantined_at=now,
    )
