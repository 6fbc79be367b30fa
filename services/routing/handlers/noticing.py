"""Telling an agency and its coordinators what is out of order: alerts of their own, caused by receipts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import orjson

from schemas.alert import AlertForm, Concern
from schemas.receipt import EndpointAdded, EndpointResumed, EndpointSuspended, Failed, ReceiptKind
from schemas.vocabulary import Role, Rung, Urgency
from services.routing.decision import Directory, Member
from services.routing.handlers.contents import FIRST_REVISION
from services.routing.handlers.directories import Directories
from services.routing.handlers.identities import Identities
from services.routing.handlers.matter import Line, Matter
from services.routing.handlers.messages import build_alert_message
from services.routing.handlers.surroundings import NO_CORRELATION
from services.routing.notices import (
    NOTICE_CASE,
    NOTICE_SOURCE,
    Notice,
    dead_letter,
    endpoint_added,
    endpoint_resumed,
    endpoint_suspended,
    find_recipients,
)
from services.routing.repository.batch import BatchRepository
from services.routing.repository.follow_ups import FollowUpRepository
from services.routing.repository.rows import AlertRow, DeadAlert, Origin, OutboxRow
from services.routing.system_rules import SYSTEM_TIMES
from services.runtime.database import Connection
from services.runtime.keyring import CaseKey

NO_RECORD: Final = -1

Trouble = EndpointAdded | EndpointSuspended | EndpointResumed | Failed


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be published, and logged, once it is committed."""

    messages: Sequence[OutboxRow] = ()
    lines: Sequence[Line] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Each notice once, however often and by whomever its cause is told."""

    directories: Directories
    identities: Identities
    operations_key: CaseKey
    cluster_id: str

    async def tell(
        self, repository: BatchRepository, follow_ups: FollowUpRepository, troubles: Sequence[Trouble]
    ) -> Told:
        """In the transaction of the receipts."""
        if not troubles:
            return Told()
        failed = {one.alert_id for one in troubles if one.kind is ReceiptKind.FAILED}
        dead = await follow_ups.find_dead_alerts(failed)
        notices = {notice.marks: notice for one in troubles for notice in find_notices(one, dead)}
        if not notices:
            return Told()
        moment = await repository.read_moment()
        directory = await self.directories.get(moment.directory_version)
        matter = self._matter(moment.now, directory)
        return await self._write(repository, follow_ups, list(notices.values()), matter, directory)

    async def tell_of(self, connection: Connection, notice: Notice, directory: Directory) -> Told:
        """In the transaction of what is told, under the directory that it leaves."""
        repository = BatchRepository(connection)
        matter = self._matter((await repository.read_moment()).now, directory)
        return await self._write(repository, FollowUpRepository(connection), [notice], matter, directory)

    async def _write(
        self,
        repository: BatchRepository,
        follow_ups: FollowUpRepository,
        notices: Sequence[Notice],
        matter: Matter,
        directory: Directory,
    ) -> Told:
        planned = [each for notice in notices for each in self._plan(matter, notice, directory)]
        fresh = await follow_ups.insert_notices([row for row, _ in planned])
        messages = [message for row, message in planned if row.alert_id in fresh]
        await repository.insert_messages(messages)
        lines = [_line(row) for row, _ in planned if row.alert_id in fresh]
        return Told(messages, [*lines, *_alarms(notices, directory)])

    def _matter(self, now: datetime, directory: Directory) -> Matter:
        return Matter(
            origin=Origin(self.cluster_id, NO_RECORD, NO_RECORD),
            now=now,
            directory_version=directory.version,
            key=self.operations_key,
            correlation_id=NO_CORRELATION,
            source=NOTICE_SOURCE,
            case_ref=NOTICE_CASE,
        )

    def _plan(
        self, matter: Matter, notice: Notice, directory: Directory
    ) -> Iterator[tuple[AlertRow, OutboxRow]]:
        matter = matter._replace(event_id=notice.event_id, event_type=notice.event_type)
        for member, role in find_recipients(notice, directory):
            replaced = None if notice.ends is None else self._alert_id(notice.ends, member)
            row = _row(matter, notice, self._alert_id(notice.marks, member), member=member, role=role)
            row = row._replace(replaces=replaced)
            content = write_notice(row, notice)
            mandated = not _is_spared(member, notice, now=matter.now)
            yield row, build_alert_message(matter, row, content, mandated=mandated)

    def _alert_id(self, marks: tuple[str, ...], member: Member) -> UUID:
        return self.identities.notice_id(marks, agency=member.id)


def find_notices(trouble: Trouble, dead: dict[UUID, DeadAlert]) -> Iterator[Notice]:
    """What a receipt means; that a notice itself did not arrive means nothing more."""
    if trouble.kind is ReceiptKind.FAILED:
        alert = dead.get(trouble.alert_id)
        if alert is not None and alert.source != NOTICE_SOURCE:
            yield dead_letter(
                Concern(agency=trouble.agency, channel=trouble.channel, delivery_id=trouble.delivery_id),
                channel=trouble.channel,
                urgency=Urgency(alert.urgency),
                exercise=alert.exercise,
                at=trouble.at.astimezone(UTC),
            )
        return
    if trouble.kind is ReceiptKind.ENDPOINT_ADDED:
        endpoint = trouble.endpoint.endpoint_id
        concern = Concern(agency=trouble.agency, endpoint_id=endpoint)
        yield endpoint_added(concern, endpoint_id=endpoint, at=trouble.at.astimezone(UTC))
        return
    concern = Concern(agency=trouble.agency, endpoint_id=trouble.endpoint_id)
    tell = endpoint_suspended if trouble.kind is ReceiptKind.ENDPOINT_SUSPENDED else endpoint_resumed
    yield tell(concern, endpoint_id=trouble.endpoint_id, since=trouble.since.astimezone(UTC))


def write_notice(row: AlertRow, notice: Notice) -> bytes:
    """An AlertContent."""
    return orjson.dumps(
        {
            "alert_id": row.alert_id,
            "revision": row.revision,
            "replaces": row.replaces,
            "kind": row.kind,
            "case_ref": row.case_ref,
            "event_id": row.event_id,
            "event_type": notice.event_type,
            "agency": row.agency,
            "role": row.role,
            "rules": [],
            "packs": [],
            "urgency": row.urgency,
            "acknowledge_by": row.acknowledge_by,
            "escalation": row.escalation,
            "county": None,
            "emitter_role": None,
            "exercise": row.exercise,
            "disclosed": {},
            "duties": [],
            "reason": row.reason,
            "concern": notice.concern.model_dump(mode="json", exclude_none=True),
        },
        option=orjson.OPT_UTC_Z,
    )


def _row(matter: Matter, notice: Notice, alert_id: UUID, *, member: Member, role: Role) -> AlertRow:
    return AlertRow(
        alert_id=alert_id,
        revision=FIRST_REVISION,
        source=matter.source,
        event_id=matter.event_id,
        case_ref=matter.case_ref,
        form=AlertForm.ALERT,
        kind=notice.kind,
        agency=member.id,
        role=role,
        contact=Rung.PRIMARY,
        rules="",
        urgency=notice.urgency,
        acknowledge_by=matter.now + SYSTEM_TIMES.time_for(notice.urgency),
        escalation=0,
        reason=notice.reason,
        exercise=notice.exercise,
        decided_at=matter.now,
    )


def _is_spared(member: Member, notice: Notice, *, now: datetime) -> bool:
    """Marked as by agreement, a notice is not tried at the suspended endpoint that it is about.

    Whoever has no agreement would then not get it at all; and nobody else is spared anything, nor is anybody
    what an intruder may have caused.
    """
    return notice.changes is None and member.id == notice.concern.agency and member.has_agreement_at(now)


def _alarms(notices: Iterable[Notice], directory: Directory) -> Iterator[Line]:
    """Nobody could be told: a human must look."""
    if directory.coordinators(None):
        return
    for notice in notices:
        keys = {"agency": notice.concern.agency, "reason": notice.reason}
        yield Line("notice.undeliverable", "error", keys)


def _line(row: AlertRow) -> Line:
    return Line(
        "notice.told",
        "info",
        {"alert_id": str(row.alert_id), "agency": row.agency, "reason": row.reason},
    )
