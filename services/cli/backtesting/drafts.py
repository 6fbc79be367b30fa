"""The protocol as it is, and as it would be with a draft: two sets of packs that decide the same past."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from schemas.pack import ProtocolPack
from services.routing.rules import PackSet, PackVersion

_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Protocols:
    """The packs in force, and those with the drafts, before they are made ready to decide by.

    What can be handed to another process: compiled conditions cannot.
    """

    drafts: tuple[str, ...]
    in_force: tuple[ProtocolPack, ...]
    drafted: tuple[ProtocolPack, ...]

    @classmethod
    def of(
        cls, in_force: Sequence[ProtocolPack], drafts: Sequence[ProtocolPack], *, since: datetime | None
    ) -> "Protocols":
        """The drafts count from an instant on; without one, for as long as there was such a pack."""
        names = dict.fromkeys(draft.pack for draft in drafts)
        drafted = [pack for pack in in_force if pack.pack not in names]
        for name in names:
            old = [pack for pack in in_force if pack.pack == name]
            new = [draft for draft in drafts if draft.pack == name]
            drafted += _succeed(old, new, since=since)
        return cls(tuple(draft.label for draft in drafts), tuple(in_force), tuple(drafted))


def make_ready(packs: Sequence[ProtocolPack]) -> PackSet:
    """Compile checked packs."""
    return PackSet([PackVersion(pack) for pack in packs])


def _succeed(
    old: Sequence[ProtocolPack], new: Sequence[ProtocolPack], *, since: datetime | None
) -> Iterator[ProtocolPack]:
    """One pack with its drafts in the place of its versions.

    Of several drafts the one that their dates put in force first begins with them, whatever its own date.
    """
    first_at = min((pack.in_force_from for pack in old), default=_ALWAYS)
    begins_at = first_at if since is None else max(since, first_at)
    drafts = sorted(new, key=lambda draft: draft.in_force_from)
    first = next((d for d in reversed(drafts) if d.in_force_from <= begins_at), drafts[0])
    yield from (pack for pack in old if pack.in_force_from < begins_at)
    yield first.model_copy(update={"in_force_from": begins_at})
    yield from (draft for draft in drafts if draft.in_force_from > max(begins_at, first.in_force_from))
