"""Who is reminded of a duty."""

from datetime import timedelta
from uuid import UUID

import pytest

from services.routing.handlers.reminder_messages import find_recipients
from services.routing.reminders import ReminderStep
from services.routing.repository.reminders import RemindedDuty
from tests.unit.routing.building import CHILD, CSE, NOW
from tests.unit.routing.story import Story

SO, CW, TFC = "ag-kern-so", "ag-kern-cw", "ag-kern-tfc"


@pytest.fixture
def story() -> Story:
    told = Story()
    told.tell("victim.recovered", SO, **CHILD, **CSE)
    return told


def reminded(story: Story, step: ReminderStep) -> tuple[str | None, list[str]]:
    duty = RemindedDuty(
        duty_id=UUID(int=1),
        source=f"urn:tocsin:agency:{SO}:cms",
        event_id="e1",
        case_ref="case",
        rule="K-03",
        holder=CW,
        what="investigate",
        due=NOW + timedelta(hours=1),
        status="open",
        decided_at=NOW,
    )
    holder, coordinators = find_recipients(duty, step, story.case, story.directory)
    return holder, list(coordinators)


def test_the_holder_is_reminded_and_the_coordinator_of_what_is_overdue(story: Story) -> None:
    assert reminded(story, ReminderStep.HALF) == (CW, [])
    assert reminded(story, ReminderStep.OVERDUE) == (CW, [TFC])


def test_a_holder_that_refused_for_a_conflict_of_interest_is_not_reminded(story: Story) -> None:
    story.decline(CW, emitter=SO)
    assert reminded(story, ReminderStep.HALF) == (None, [])
    assert reminded(story, ReminderStep.OVERDUE) == (None, [TFC])


def test_a_coordinator_that_did_hears_of_nothing_either(story: Story) -> None:
    story.decline(TFC, emitter=SO)
    assert reminded(story, ReminderStep.OVERDUE) == (CW, [])
