"""Who is reminded of a duty."""

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from uuid import UUID

import pytest

from services.routing.case_state import read_case_state, write_case_state
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


@pytest.mark.parametrize("answers", list(permutations([Story.acknowledge, Story.decline])))
def test_a_holder_of_whom_one_took_it_over_is_reminded_whoever_else_refused(
    story: Story, answers: tuple[Callable[..., None], ...]
) -> None:
    for answer in answers:
        answer(story, CW, emitter=SO)
        story.case = read_case_state(write_case_state(story.case))
    assert reminded(story, ReminderStep.HALF) == (CW, [])


def test_a_coordinator_that_did_hears_of_nothing_either(story: Story) -> None:
    story.decline(TFC, emitter=SO)
    assert reminded(story, ReminderStep.OVERDUE) == (CW, [])
