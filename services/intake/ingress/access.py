"""Who may send what: the directory as intake needs it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.directory import DirectorySnapshot
from schemas.vocabulary import AgencyStatus, EventType, SourceUrn

EVERY_TYPE = "*"


@dataclass(frozen=True, slots=True)
class SourceKey:
    """One source's key as it is stored: the SHA-256 of it, and what it opens."""

    source: SourceUrn
    key_hash: str = field(repr=False)
    types: tuple[str, ...]
    is_active: bool
    """Whether the source's agency is in the directory and not offboarded."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The member system that a key belongs to."""

    source: SourceUrn
    types: frozenset[EventType] | None
    """None: every type."""
    is_active: bool

    def may_send(self, event_type: EventType) -> bool:
        return self.types is None or event_type in self.types


@dataclass(frozen=True, slots=True)
class Access:
    """One version of the directory, ready to be asked."""

    version: int
    callers: Mapping[str, Caller]
    shared_key_count: int
    """Keys that several sources share. Such a key opens nothing, since it does not tell who calls."""

    def find_caller(self, key_hash: str) -> Caller | None:
        return self.callers.get(key_hash)


def list_source_keys(snapshot: DirectorySnapshot) -> list[SourceKey]:
    active = {agency.id for agency in snapshot.agencies if agency.status is AgencyStatus.ACTIVE}
    return [
        SourceKey(
            source=record.source,
            key_hash=record.key_hash,
            types=tuple(record.types),
            is_active=agency_of(record.source) in active,
        )
        for record in snapshot.sources
    ]


def build_access(version: int, keys: Iterable[SourceKey]) -> Access:
    kept = list(keys)
    uses = Counter(key.key_hash for key in kept)
    return Access(
        version=version,
        callers={key.key_hash: _caller(key) for key in kept if uses[key.key_hash] == 1},
        shared_key_count=sum(1 for count in uses.values() if count > 1),
    )


def agency_of(source: SourceUrn) -> str:
    """The segment after `agency:`."""
    return source.split(":")[3]


def _caller(key: SourceKey) -> Caller:
    every = EVERY_TYPE in key.types
    types = None if every else frozenset(EventType(name) for name in key.types)
    return Caller(source=key.source, types=types, is_active=key.is_active)
