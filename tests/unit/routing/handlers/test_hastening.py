"""Which ladders are to be climbed because nobody at a rung can be reached: told by the ids alone."""

from uuid import UUID, uuid4

from services.routing.handlers.hastening import find_failed_rungs
from services.routing.handlers.identities import Identities, rung_cause
from services.routing.repository.rows import Telling

IDENTITIES = Identities(b"k" * 32)
SOURCE = "urn:tocsin:agency:ag-kern-coe:cad"


def root(event_id: str = "e1", *, failed: bool = False) -> Telling:
    return Telling(uuid4(), SOURCE, event_id, "ag-kern-so", 0, failed)


def rung(parent: Telling, agency: str, escalation: int, *, failed: bool = False) -> Telling:
    alert_id = IDENTITIES.alert_id(
        source=SOURCE,
        event_id=parent.event_id,
        agency=agency,
        cause=rung_cause(parent.alert_id, escalation),
    )
    return Telling(alert_id, SOURCE, parent.event_id, agency, escalation, failed)


def find(*told: Telling, failed: Telling) -> dict[UUID, int]:
    return dict(find_failed_rungs({failed.alert_id}, told, IDENTITIES))


def test_the_alert_itself_is_rung_0_of_its_own_ladder() -> None:
    one, other = root(failed=True), root(failed=True)
    assert find(one, other, failed=one) == {one.alert_id: 0}


def test_a_rung_is_found_by_the_alert_that_it_is_a_rung_of() -> None:
    one, other = root(), root()
    backup = rung(other, "ag-kern-so", 1, failed=True)
    assert find(one, other, backup, failed=backup) == {other.alert_id: 1}


def test_a_rung_is_left_when_all_whom_it_told_have_failed() -> None:
    one = root()
    first = rung(one, "ag-bpd", 3, failed=True)
    assert find(one, first, rung(one, "ag-other-pd", 3), failed=first) == {}
    assert find(one, first, rung(one, "ag-other-pd", 3, failed=True), failed=first) == {one.alert_id: 3}


def test_what_is_a_rung_of_nothing_that_is_known_hastens_nothing() -> None:
    one = root()
    stray = Telling(uuid4(), SOURCE, "e1", "ag-bpd", 3, has_failed=True)
    assert find(one, stray, failed=stray) == {}
