"""Taking over what routing published: stored first, then acted on."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from pydantic import ValidationError

from schemas.alert import AlertRecord
from schemas.vocabulary import Rung
from services.notify import receipts
from services.notify.contents import Contents
from services.notify.delivery import Channel, Path, plan_paths
from services.notify.directory import Directory, DirectoryView
from services.notify.handlers.ports import Deliveries, Doubt, HandOver, Outgoing
from services.notify.repository.alerts import AlertRepository, Revision, Stored, UnreadableRecord
from services.notify.repository.rows import DELIVERED, Due, PlannedAlert, PlannedDelivery
from services.runtime.clock import Clock
from services.runtime.database import TRANSIENT_ERRORS
from services.runtime.kafka import ReceivedRecord
from services.runtime.logs import get_logger

log = get_logger()

DIRECTORY_PATIENCE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertHandler:
    """Handles batches of the alerts topic. Raises what makes the consumer read the batch again."""

    alerts: AlertRepository
    directory: Directory
    contents: Contents
    deliveries: Deliveries
    doubt: Doubt
    hand_over: HandOver
    publish: Outgoing
    channels: frozenset[Channel]
    member: str
    cluster_id: str
    lease: timedelta
    clock: Clock
    new_id: Callable[[], UUID]

    async def take_over(self, records: Sequence[ReceivedRecord]) -> None:
        read = [(record, _parse(record)) for record in records]
        await self._keep_unreadable([record for record, alert in read if alert is None])
        # The same alert twice in a batch is one alert.
        alerts = {(alert.alert_id, alert.revision): alert for _, alert in read if alert is not None}
        if alerts:
            await self._store(list(alerts.values()))

    async def _store(self, alerts: Sequence[AlertRecord]) -> None:
        began = self.clock.monotonic()
        # A decision may use a directory that has not arrived here: planned with an older one, it might miss
        # an endpoint, or reach one that was withdrawn.
        newest = max(alert.directory_version for alert in alerts)
        view = await self.directory.wait_for(newest, seconds=DIRECTORY_PATIENCE_SECONDS)
        await self.contents.prepare(alerts)
        planned = self._plan(alerts, view)
        now = self.clock.now()
        lease_until = now + self.lease
        stored = await self._write(planned, now=now, lease_until=lease_until)
        fresh = [plan for plan in planned if (plan.record.alert_id, plan.record.revision) in stored.fresh]
        never_begun = self._act(fresh, ended=stored.ended, lease_until=lease_until)
        if never_begun:
            await self.alerts.free(never_begun)
        if len(fresh) < len(planned):
            # That an alert comes again means that routing missed what was told of it.
            await self.hand_over.tell(
                [
                    plan.record
                    for plan in planned
                    if _is_begun(plan) and (plan.record.alert_id, plan.record.revision) not in stored.fresh
                ]
            )
        self._log(planned, stored.fresh, milliseconds=round((self.clock.monotonic() - began) * 1000))

    async def _write(
        self, planned: Sequence[PlannedAlert], *, now: datetime, lease_until: datetime
    ) -> Stored:
        # What is attempted at once is told of with its result.
        facts = [receipts.stored(plan.record, at=now) for plan in planned if not _is_begun(plan)]
        try:
            stored = await self.alerts.store(
                planned,
                facts,
                member=self.member,
                now=now,
                lease_until=lease_until,
                without_path=[plan.record.alert_id for plan in planned if plan.leads_nowhere],
            )
        except TRANSIENT_ERRORS:
            # It may be stored all the same. Read again, these alerts would then be old ones that wait for
            # the end of a lease.
            self.doubt(lease_until=lease_until)
            raise
        self.publish(stored.receipts)
        self.publish(stored.unreachable)
        return stored

    def _plan(self, alerts: Sequence[AlertRecord], view: DirectoryView) -> list[PlannedAlert]:
        rooms: dict[str, int] = {}
        paths: dict[tuple[str, Rung, bool], Sequence[Path]] = {}
        planned = []
        for alert in alerts:
            way = (alert.agency, alert.contact, alert.exercise)
            if way not in paths:
                agency = view.find_agency(alert.agency)
                paths[way] = plan_paths(
                    agency, contact=alert.contact, channels=self.channels, exercise=alert.exercise
                )
            deliveries = []
            for path in paths[way] if alert.command in DELIVERED else ():
                room = rooms[path.lane] if path.lane in rooms else self.deliveries.room(path.lane)
                rooms[path.lane] = room - 1
                deliveries.append(PlannedDelivery(self.new_id(), path, is_leased=room > 0))
            planned.append(PlannedAlert(alert, deliveries))
        return planned

    def _act(
        self, fresh: Sequence[PlannedAlert], *, ended: Collection[UUID], lease_until: datetime
    ) -> Sequence[Due]:
        """Begins what is new; what waited in memory for a revision that is overtaken now is returned."""
        newer = {plan.record.alert_id for plan in fresh if plan.record.revision > 1}
        never_begun = self.deliveries.forget(newer) if newer else []
        self.hand_over.expect(plan.record for plan in fresh if _is_begun(plan))
        for plan in fresh:
            for delivery in plan.deliveries:
                if delivery.is_leased and delivery.delivery_id not in ended:
                    due = Due(
                        delivery.delivery_id,
                        plan.record,
                        delivery.path,
                        1,
                        lease_until,
                        is_on_ladder=plan.record.rung_of is not None,
                    )
                    self.deliveries.start(due)
        return never_begun

    async def _keep_unreadable(self, records: Sequence[ReceivedRecord]) -> None:
        if not records:
            return
        kept = [
            UnreadableRecord(self.cluster_id, record.topic, record.partition, record.offset, record.value)
            for record in records
        ]
        await self.alerts.record_unreadable(kept, now=self.clock.now())
        for record in records:
            log.error(
                "alert.unreadable", topic=record.topic, partition=record.partition, offset=record.offset
            )

    def _log(self, planned: Sequence[PlannedAlert], fresh: frozenset[Revision], *, milliseconds: int) -> None:
        log.info(
            "alerts.stored",
            alert_count=len(fresh),
            duplicate_count=len(planned) - len(fresh),
            delivery_count=sum(
                len(plan.deliveries)
                for plan in planned
                if (plan.record.alert_id, plan.record.revision) in fresh
            ),
            duration_ms=milliseconds,
        )
        for plan in planned:
            if plan.leads_nowhere:
                _log_without_path(plan.record)


def _log_without_path(record: AlertRecord) -> None:
    about = {
        "alert_id": record.alert_id,
        "agency": record.agency,
        "correlation_id": record.correlation_id,
    }
    if record.exercise:
        log.info("exercise.without_path", **about)
    else:
        log.warning("alert.without_path", **about)


def _is_begun(plan: PlannedAlert) -> bool:
    """Whether a first attempt is made from memory."""
    return any(delivery.is_leased for delivery in plan.deliveries)


def _parse(record: ReceivedRecord) -> AlertRecord | None:
    try:
        return AlertRecord.model_validate_json(record.value or b"")
    except ValidationError:
        return None
