"""Rungs of which nobody can be reached: their ladders climb now, and not when their time is over."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

from services.routing.handlers.identities import Identities, rung_cause
from services.routing.repository.follow_ups import FollowUpRepository
from services.routing.repository.rows import Telling

RungKey: TypeAlias = tuple[UUID, int]
"""An alert that climbs, and the rung of it; 0 for the alert itself."""


class Hastening:
    """Makes ladders due in the transaction of the receipts that say so; what follows, `next_rung` decides."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    async def apply(self, follow_ups: FollowUpRepository, failed: Collection[UUID]) -> None:
        """With the receipts written, and before any case is locked: whoever climbs locks ladders first."""
        if not failed:
            return
        told = await follow_ups.list_tellings(failed)
        await follow_ups.hasten_ladders(find_failed_rungs(failed, told, self._identities))


def find_failed_rungs(
    failed: Collection[UUID], told: Sequence[Telling], identities: Identities
) -> Mapping[UUID, int]:
    """The ladders to climb, with the rung that failed: one is left when all whom it told have failed.

    `told` is all that the events of the `failed` alerts told.
    """
    roots: defaultdict[tuple[str, str], list[UUID]] = defaultdict(list)
    for one in told:
        if one.escalation == 0:
            roots[one.source, one.event_id].append(one.alert_id)
    rungs: defaultdict[RungKey, list[Telling]] = defaultdict(list)
    for one in told:
        root = _find_root(one, roots[one.source, one.event_id], identities)
        if root is not None:
            rungs[root, one.escalation].append(one)
    return {
        alert_id: escalation
        for (alert_id, escalation), rung in rungs.items()
        if all(one.has_failed for one in rung) and any(one.alert_id in failed for one in rung)
    }


def _find_root(one: Telling, roots: Sequence[UUID], identities: Identities) -> UUID | None:
    """A rung's id is computed from the alert that it is a rung of, and says so only to who computes it."""
    if one.escalation == 0:
        return one.alert_id
    for root in roots:
        cause = rung_cause(root, one.escalation)
        expected = identities.alert_id(
            source=one.source, event_id=one.event_id, agency=one.agency, cause=cause
        )
        if expected == one.alert_id:
            return root
    return None
