"""What makes a delivery needless, once others of its ladder were told."""

from collections.abc import Collection
from uuid import UUID

import pytest

from schemas.alert import RungTo
from services.notify.delivery import DeliveryState
from services.notify.ladder import LadderFacts, find_ending

LATER = UUID(int=7)


def facts(*takers: RungTo, has_conflict: bool = False, overtaken_by: UUID | None = None) -> LadderFacts:
    return LadderFacts(takers=takers, has_conflict=has_conflict, overtaken_by=overtaken_by)


def test_it_is_needed_while_nobody_took_the_alert_and_nothing_later_arrived() -> None:
    assert find_ending(facts()) is None


def test_what_a_later_rung_overtook_is_superseded() -> None:
    assert find_ending(facts(overtaken_by=LATER)) is DeliveryState.SUPERSEDED


@pytest.mark.parametrize("takers", [{RungTo.AGENCY}, {RungTo.ALTERNATE}, {RungTo.COORDINATOR, RungTo.AGENCY}])
def test_who_takes_responsibility_ends_it(takers: Collection[RungTo]) -> None:
    assert find_ending(facts(*takers, overtaken_by=LATER)) is DeliveryState.ACKNOWLEDGED


def test_that_a_coordinator_acknowledged_spares_nobody_anything() -> None:
    assert find_ending(facts(RungTo.COORDINATOR)) is None
    assert find_ending(facts(RungTo.COORDINATOR, overtaken_by=LATER)) is DeliveryState.SUPERSEDED


def test_an_agency_in_conflict_is_told_nothing_more() -> None:
    assert find_ending(facts(has_conflict=True)) is DeliveryState.DECLINED
