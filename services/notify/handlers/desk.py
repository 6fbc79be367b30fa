"""What an agency asks of notify: its alerts, one alert, and that a person has taken it over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from schemas.alert import AlertRecord
from schemas.directory import AgencyRecord
from schemas.vocabulary import Urgency
from services.notify import receipts
from services.notify.bodies import Links, build_data, build_pointer
from services.notify.contents import Contents, ContentUnreadableError, KeyShreddedError
from services.notify.directory import Directory
from services.notify.handlers.duties import DutyDesk
from services.notify.handlers.ports import Deliveries, Outgoing
from services.notify.handlers.refusing import Declined, GivenRefusal, RefusalDesk
from services.notify.repository.acknowledgements import Acknowledgement, AcknowledgementRepository
from services.notify.repository.alerts import AlertRepository
from services.runtime.clock import Clock
from services.runtime.logs import get_logger

log = get_logger()

AlertJson = Mapping[str, object]


class Withheld(StrEnum):
    """Why an alert says nothing beyond its pointer."""

    NO_AGREEMENT = "no_agreement"
    DESTROYED = "destroyed"
    NOT_NOW = "not_now"
    """It does not open: a fault of ours, which somebody may mend."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an agency may read of an alert."""

    data: AlertJson = field(repr=False)
    withheld: Withheld | None = None


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Some of an agency's alerts, and where to go on."""

    alerts: Sequence[AlertJson] = field(repr=False)
    next_position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The first acknowledgement of an alert, whoever asked."""

    alert_id: UUID
    revision: int
    acknowledged_at: datetime
    person: str | None = field(repr=False)
    role: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Notice:
    """All that the page behind an e-mail's link may show."""

    alert_id: UUID
    urgency: Urgency
    acknowledge_by: datetime
    exercise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyDesk:
    """Raises one of database.TRANSIENT_ERRORS when PostgreSQL is away."""

    alerts: AlertRepository
    acknowledgements: AcknowledgementRepository
    duties: DutyDesk
    refusals: RefusalDesk
    directory: Directory
    contents: Contents
    deliveries: Deliveries
    publish: Outgoing
    links: Links
    member: str
    clock: Clock

    def authenticate(self, key: str) -> AgencyRecord | None:
        return self.directory.view.authenticate(key)

    async def list_alerts(self, *, agency: str, after: int, limit: int) -> FeedPage:
        entries = await self.alerts.list_feed(agency=agency, after=after, limit=limit)
        records = [entry.record for entry in entries]
        await self.contents.prepare(records)
        alerts = [await self.read(record) for record in records]
        return FeedPage(alerts, entries[-1].position if entries else after)

    async def find_alert(self, alert_id: UUID, *, agency: str) -> AlertJson | None:
        """None for one that does not exist and for one of another agency: the answers must be the same."""
        record = await self.find_own(alert_id, agency)
        return None if record is None else await self.read(record)

    async def acknowledge(self, alert_id: UUID, *, agency: str, person: str, role: str) -> Taken | None:
        """Records that a person took responsibility; the first one counts. None as in `find_alert`."""
        record = await self.find_own(alert_id, agency)
        if record is None:
            return None
        given = await self._seal(record, person=person, role=role)
        recorded = await self.acknowledgements.record(
            given, receipts.acknowledged(record, at=given.acknowledged_at), member=self.member
        )
        self.publish(recorded.receipts)
        self.deliveries.forget({alert_id})
        log.info(
            "alert.acknowledged",
            alert_id=alert_id,
            agency=agency,
            correlation_id=record.correlation_id,
            is_first=recorded.receipts is not None,
        )
        return await self._open(recorded.first)

    async def refuse(self, alert_id: UUID, *, agency: str, given: GivenRefusal) -> Declined | None:
        """Records that a person does not take it over. None as in `find_alert`. Raises RefusalError."""
        record = await self.find_own(alert_id, agency)
        return None if record is None else await self.refusals.refuse(record, given)

    async def describe(self, alert_id: UUID) -> Notice | None:
        record = await self.alerts.find_newest(alert_id)
        if record is None:
            return None
        return Notice(alert_id, record.urgency, record.acknowledge_by, record.exercise)

    async def find_taken(self, alert_id: UUID) -> Taken | None:
        """Who has taken it over; None if nobody has."""
        found = await self.acknowledgements.find(alert_id)
        return None if found is None else await self._open(found)

    async def find_own(self, alert_id: UUID, agency: str) -> AlertRecord | None:
        record = await self.alerts.find_newest(alert_id)
        return record if record is not None and record.agency == agency else None

    async def read(self, record: AlertRecord) -> AlertJson:
        return (await self.open(record)).data

    async def open(self, record: AlertRecord) -> Reading:
        """A case that was shredded leaves the pointer, which is nothing of the case.

        So does what needs an agreement, once there is none.
        """
        now, pointer = self.clock.now(), build_pointer(record, self.links)
        has_agreement = self.directory.view.has_agreement(record.agency, now)
        if not (record.mandated or has_agreement):
            return Reading(pointer, Withheld.NO_AGREEMENT)
        try:
            content = await self.contents.read(record)
            return Reading(build_data(record, content, self.links, now=now, has_agreement=has_agreement))
        except KeyShreddedError:
            return Reading(pointer, Withheld.DESTROYED)
        except ContentUnreadableError:
            return Reading(pointer, Withheld.NOT_NOW)

    async def _seal(self, record: AlertRecord, *, person: str, role: str) -> Acknowledgement:
        key_id, alert_id = record.key_id, record.alert_id
        return Acknowledgement(
            alert_id=alert_id,
            revision=record.revision,
            agency=record.agency,
            acknowledged_at=self.clock.now(),
            key_id=key_id,
            person_sealed=await self.contents.seal_word(
                person, key_id=key_id, purpose="person", alert_id=alert_id
            ),
            role_sealed=await self.contents.seal_word(role, key_id=key_id, purpose="role", alert_id=alert_id),
        )

    async def _open(self, first: Acknowledgement) -> Taken:
        key_id, alert_id = first.key_id, first.alert_id
        return Taken(
            alert_id=alert_id,
            revision=first.revision,
            acknowledged_at=first.acknowledged_at,
            person=await self.contents.open_word(
                first.person_sealed, key_id=key_id, purpose="person", alert_id=alert_id
            ),
            role=await self.contents.open_word(
                first.role_sealed, key_id=key_id, purpose="role", alert_id=alert_id
            ),
        )
