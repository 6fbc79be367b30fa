"""Events of the ledger, sorted into courses that can be decided apart from one another."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import orjson

from schemas.sealed import SealedEvent
from services.routing.handlers.opening import rebuild_event
from services.runtime.crypto import SealError
from services.runtime.keyring import CaseKey

SHREDDED: Final = "the case was shredded"
NOT_OPENED: Final = "it cannot be opened"


class PastRecord(NamedTuple):
    """A record of the log with the instant and the directory by which it was decided."""

    at: datetime
    directory_version: int
    sealed: SealedEvent


@dataclass(frozen=True, slots=True)
class OpenedRecord:
    """Its content, as its source sent it: stays in the memory of this command."""

    at: datetime
    directory_version: int
    raw: bytes = field(repr=False)


Course = tuple[OpenedRecord, ...]
"""Events in the order in which they were decided."""


@dataclass(slots=True)
class Courses:
    """What could be opened, apart; and what could not, by the reason."""

    courses: list[Course] = field(default_factory=list)
    unread: dict[str, int] = field(default_factory=dict)

    def skip(self, reason: str, count: int = 1) -> None:
        if count:
            self.unread[reason] = self.unread.get(reason, 0) + count


def open_courses(records: Iterable[PastRecord], keys: Mapping[UUID, CaseKey | None]) -> Courses:
    """Unseal records, which are in order, and part those that have nothing to do with one another.

    Events of one case belong together; so do cases in which the same event id was used, or named.
    """
    found = Courses()
    of_case: defaultdict[str, list[tuple[int, OpenedRecord]]] = defaultdict(list)
    ties = _Ties()
    for number, record in enumerate(records):
        key, sealed = keys.get(record.sealed.data.key_id), record.sealed
        if key is None:
            found.skip(SHREDDED)
            continue
        try:
            raw, named = _open(sealed, key)
        except (SealError, ValueError, LookupError, TypeError, AttributeError):
            found.skip(NOT_OPENED)
            continue
        opened = OpenedRecord(record.at, record.directory_version, raw)
        of_case[sealed.subject].append((number, opened))
        for event_id in (sealed.id, *named):
            ties.tie(sealed.subject, f"{sealed.source} {event_id}")
    found.courses += [_merge(of_case[case] for case in cases) for cases in ties.list_groups(of_case)]
    return found


def _open(sealed: SealedEvent, key: CaseKey) -> tuple[bytes, list[str]]:
    """The event, and which others of its source it corrects or retracts; its data need not be valid."""
    content = orjson.loads(key.cipher.open(sealed.data.sealed, context=sealed.seal_context))
    named = [content["data"].get(word) for word in ("corrects", "retracts")]
    return rebuild_event(sealed, content), [name for name in named if isinstance(name, str)]


def _merge(parts: Iterable[Sequence[tuple[int, OpenedRecord]]]) -> Course:
    numbered = sorted((entry for part in parts for entry in part), key=lambda entry: entry[0])
    return tuple(record for _, record in numbered)


class _Ties:
    """Which cases speak of the same event, directly or by way of others."""

    def __init__(self) -> None:
        self._case_of: dict[str, str] = {}
        self._parent: dict[str, str] = {}

    def tie(self, case_ref: str, event: str) -> None:
        first = self._case_of.setdefault(event, case_ref)
        if first != case_ref:
            self._parent[self._root(case_ref)] = self._root(first)

    def list_groups(self, case_refs: Iterable[str]) -> list[list[str]]:
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for case_ref in case_refs:
            groups[self._root(case_ref)].append(case_ref)
        return list(groups.values())

    def _root(self, case_ref: str) -> str:
        while (parent := self._parent.get(case_ref, case_ref)) != case_ref:
            case_ref = parent
        return case_ref
