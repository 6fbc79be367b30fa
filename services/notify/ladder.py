"""Whether an alert must still be told where it did not arrive, once others of its ladder were told. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from schemas.alert import RungTo
from services.notify.delivery import DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderFacts:
    """What became of an alert's ladder: the alert that nobody acknowledged at first, and all its rungs."""

    takers: Collection[RungTo]
    """Whom those told that somebody acknowledged; the first alert is one to its agency."""
    has_conflict: bool
    """Whether somebody at the agency of this one refused one of them for a conflict of interest."""
    overtaken_by: UUID | None
    """A later one that says the same to the same agency, and arrived (an e-mail: by e-mail)."""


def find_ending(facts: LadderFacts) -> DeliveryState | None:
    """How a delivery ends that is not needed any more; None while it is.

    A coordinator takes no responsibility (DOMAIN 6.0): what it acknowledges spares nobody else anything.
    """
    if facts.has_conflict:
        return DeliveryState.DECLINED
    if any(taker is not RungTo.COORDINATOR for taker in facts.takers):
        return DeliveryState.ACKNOWLEDGED
    return None if facts.overtaken_by is None else DeliveryState.SUPERSEDED
