"""What becomes of an alert on its way when consents or conflicts change."""

from dataclasses import replace

from services.routing.amending import STOP, Change, OnItsWay, next_telling
from tests.unit.routing.building import NAME
from tests.unit.routing.story import Story

SO, COE = "ag-kern-so", "ag-kern-coe"


def tip() -> tuple[Story, OnItsWay]:
    """The sheriff is told at once (K-01), and nobody knows yet whether that has arrived."""
    story = Story()
    told = story.tell("tip.received", COE, safety={"risk": "imminent"}, **NAME)
    (alert,) = [row for row in told.alerts if row.agency == SO]
    (kept,) = [row for record in story.case.events for row in record.rows if row.agency == SO]
    return story, OnItsWay(
        source=f"urn:tocsin:agency:{COE}:cms",
        event_id="e1",
        agency=SO,
        escalation=0,
        acknowledge_by=alert.acknowledge_by,
        disclosed=alert.disclosed,
        until=alert.until,
        shares=kept.shares,
    )


def judge(story: Story, alert: OnItsWay) -> Change:
    return next_telling(alert, story.case, story.directory, story.packs, story.now)


def test_a_refusal_for_a_conflict_of_interest_withdraws_nothing() -> None:
    story, alert = tip()
    story.decline(SO)
    assert judge(story, alert) is None


def test_a_declared_conflict_does() -> None:
    story, alert = tip()
    story.case = replace(story.case, conflicts=frozenset({SO}))
    assert judge(story, alert) is STOP
