"""When a published version decides, and what state it is in. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PackState(StrEnum):
    """Where a published version stands."""

    PUBLISHED = "published"
    """Nobody has approved it: it decides nothing."""
    APPROVED = "approved"
    """It will come into force."""
    IN_FORCE = "in_force"
    SUPERSEDED = "superseded"
    """Another version of the pack came into force after it."""


@dataclass(frozen=True, slots=True)
class Release:
    """A published version. `declared` is the instant it names; `effective` is None before its approval."""

    name: str
    version: str
    declared: datetime
    effective: datetime | None

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"


def find_effective(declared: datetime, *, approved_at: datetime) -> datetime:
    """Nothing comes into force unapproved: whatever was decided before its approval stays as it was."""
    return max(declared, approved_at)


def find_states(releases: Sequence[Release], *, now: datetime) -> list[PackState]:
    """The state of each, at an instant."""
    newest: dict[str, datetime] = {}
    for release in releases:
        if release.effective is not None and release.effective <= now:
            newest[release.name] = max(release.effective, newest.get(release.name, release.effective))
    return [_find_state(release, newest.get(release.name), now) for release in releases]


def _find_state(release: Release, newest: datetime | None, now: datetime) -> PackState:
    if release.effective is None:
        return PackState.PUBLISHED
    if release.effective > now:
        return PackState.APPROVED
    return PackState.IN_FORCE if release.effective == newest else PackState.SUPERSEDED


def find_overtaking(release: Release, others: Iterable[Release]) -> Release | None:
    """A version of the same pack that was meant to follow this one, and would come into force no later.

    Approved now, this one would bring back what that one had replaced.
    """
    for other in others:
        if other.name != release.name or other.version == release.version or other.effective is None:
            continue
        if release.effective is None or other.declared <= release.declared:
            continue
        if other.effective <= release.effective:
            return other
    return None
