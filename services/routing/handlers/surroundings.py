"""What a batch is decided by, and what each of its records is about."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from schemas.case_event import CaseEvent
from schemas.sealed import SealedEvent
from schemas.vocabulary import Group
from services.routing.decide import disclosed_values
from services.routing.decision import Directory
from services.routing.handlers.case_states import CaseBook
from services.routing.handlers.matter import UNKNOWN, Matter
from services.routing.handlers.opening import OpenedEvent, UnreadableEvent
from services.routing.repository.batch import EventKey
from services.routing.repository.rows import DecisionRow, EarlierDecision, Origin
from services.routing.rules import PackSet
from services.routing.situation import find_present_groups
from services.runtime.kafka import ReceivedRecord
from services.runtime.keyring import CaseKey

NO_CORRELATION: Final = UUID(int=0).hex

_CASE_REF: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")


@dataclass(slots=True, repr=False)
class EventValues:
    """The values of an event's groups: worked out once, for all the agencies that see some of them."""

    event: CaseEvent
    data: Mapping[str, Any]
    now: datetime
    everything: Mapping[Group, Any] | None = None

    def __call__(self, groups: frozenset[Group]) -> Mapping[Group, Any]:
        if self.everything is None:
            present = find_present_groups(self.event)
            self.everything = disclosed_values(self.event, self.data, present, now=self.now)
        return {group: value for group, value in self.everything.items() if group in groups}


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """`earlier`, `decided` (in this batch) and `cases` move on with each record of the batch.

    `keys` are the keys of the batch's events, and of first events whose ids were used again.
    """

    cluster_id: str
    now: datetime
    directory: Directory
    packs: PackSet
    operations_key: CaseKey
    earlier: dict[EventKey, EarlierDecision]
    cases: CaseBook
    keys: Mapping[UUID, CaseKey | None] = field(repr=False)
    decided: dict[EventKey, DecisionRow] = field(default_factory=dict, repr=False)

    def find_earlier(self, event: EventKey) -> EarlierDecision | None:
        """What was decided under this (source, id), before this batch or in it."""
        if event in self.earlier:
            return self.earlier[event]
        row = self.decided.get(event)
        return None if row is None else EarlierDecision.of(row)

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
            values=EventValues(item.event, item.data, self.now),
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
            identified_by_place=self.find_earlier((item.sealed.source, item.sealed.id)) is not None,
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
