"""What a batch is decided by, and what each of its records is about."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from schemas.sealed import SealedEvent
from services.routing.decide import disclosed_values
from services.routing.decision import Directory
from services.routing.handlers.matter import UNKNOWN, Matter
from services.routing.handlers.opening import OpenedEvent, UnreadableEvent
from services.routing.repository.batch import EventKey
from services.routing.repository.rows import EarlierDecision, Origin
from services.routing.rules import PackSet
from services.runtime.kafka import ReceivedRecord
from services.runtime.keyring import CaseKey

NO_CORRELATION: Final = UUID(int=0).hex

_CASE_REF: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """`earlier` and `case_states` move on with each record of the batch."""

    cluster_id: str
    now: datetime
    directory: Directory
    packs: PackSet
    operations_key: CaseKey
    earlier: dict[EventKey, EarlierDecision]
    case_states: dict[str, bytes | None] = field(repr=False)

    def matter_of_event(self, item: OpenedEvent) -> Matter:
        return Matter(
            origin=self._origin(item.record),
            now=self.now,
            directory_version=self.directory.version,
            key=item.key,
            correlation_id=item.sealed.data.correlation_id,
            source=item.sealed.source,
            event_id=item.sealed.id,
            case_ref=item.sealed.subject,
            event_type=item.event.event_type.value,
            emitter=item.event.agency,
            values=partial(disclosed_values, item.event, item.data, now=self.now),
        )

    def matter_of_unreadable(self, item: UnreadableEvent) -> Matter:
        """Sealed under the case's key if there is one, else under the deployment's own."""
        if item.sealed is None:
            return self._matter_of_place(item)
        return Matter(
            origin=self._origin(item.record),
            now=self.now,
            directory_version=self.directory.version,
            key=item.key or self.operations_key,
            correlation_id=item.sealed.data.correlation_id,
            source=item.sealed.source,
            event_id=item.sealed.id,
            case_ref=item.sealed.subject,
            emitter=_emitter(item.sealed),
            identified_by_place=(item.sealed.source, item.sealed.id) in self.earlier,
        )

    def _matter_of_place(self, item: UnreadableEvent) -> Matter:
        key = item.record.key or b""
        return Matter(
            origin=self._origin(item.record),
            now=self.now,
            directory_version=self.directory.version,
            key=self.operations_key,
            correlation_id=NO_CORRELATION,
            case_ref=key.decode() if _CASE_REF.fullmatch(key) else UNKNOWN,
            identified_by_place=True,
        )

    def _origin(self, record: ReceivedRecord) -> Origin:
        return Origin(self.cluster_id, record.partition, record.offset)


def _emitter(sealed: SealedEvent) -> str:
    return sealed.source.split(":")[3]
