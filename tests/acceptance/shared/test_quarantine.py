"""What cannot be acted on: nobody is told but the coordinator, the source learns why, the rest goes on."""

from typing import Any

import pytest

from tests.support.raw_records import produce_beside
from tests.support.story import (
    ADVOCATE,
    COORDINATOR,
    CaseEvent,
    adult_found_by_police,
    found_by_police,
)
from tests.support.task_force import TaskForce
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNREADABLE = {"id": "unknown"}
"""How an alarm names an event whose id cannot be read."""


def correct(event: CaseEvent, **data: Any) -> CaseEvent:  # noqa: ANN401 - any JSON
    """A correction of another case's event, which nobody may send."""
    correction = found_by_police(name="correction")
    correction["data"] |= {"corrects": event["id"], **data}
    return correction


async def test_a_correction_of_another_cases_event_is_not_acted_on_but_brought_to_the_coordinator(
    task_force: TaskForce,
) -> None:
    first = adult_found_by_police(name="corrected")
    correction = correct(first)
    await task_force.accept(first)
    await task_force.status_of(first)
    await task_force.accept(correction)

    alarm = (await task_force.hears(COORDINATOR, correction)).data
    assert (alarm["kind"], alarm["urgency"], alarm["reason"]) == ("error", "immediate", "QUARANTINED")
    assert (alarm["rules"], alarm["disclosed"], alarm["duties"]) == ([], {}, [])
    await task_force.is_written_to(alarm["alert_id"])

    status = await task_force.status_of(correction)
    assert (status["status"], status["duties"]) == ("refused", [])
    assert [error["path"] for error in status["errors"]] == ["/data/corrects"]
    decision = await task_force.explain(correction)
    assert decision["outcome"] == "quarantined"
    assert task_force.who_heard(correction) == {COORDINATOR}


async def test_a_coordinator_who_is_named_as_conflicted_is_not_told(task_force: TaskForce) -> None:
    first = adult_found_by_police(name="corrected")
    named = correct(first, suspect={"name": "S", "employer_agency": COORDINATOR})
    await task_force.accept(first)
    await task_force.status_of(first)
    await task_force.accept(named)
    assert (await task_force.status_of(named))["status"] == "refused"
    decision = await task_force.explain(named)
    assert (decision["outcome"], decision["alerts"]) == ("quarantined", [])
    # Nobody is left to tell: then the log must say so.
    assert task_force.logged("decision.undeliverable", event_id=named["id"], level="error")
    assert task_force.who_heard(named) == set()


async def test_an_event_sent_again_with_other_content_is_not_acted_on(task_force: TaskForce) -> None:
    first = found_by_police(name="reused")
    second = first | {"data": first["data"] | {"county": "06019"}}
    await task_force.accept(first)
    told = await task_force.hears(ADVOCATE, first)
    await task_force.accept(second)

    alarm = (await task_force.hears(COORDINATOR, first)).data
    assert (alarm["urgency"], alarm["reason"], alarm["rules"]) == ("urgent", "ID_REUSE", ["S-05"])
    assert [arrival.webhook_id for arrival in task_force.heard(ADVOCATE, first)] == [told.webhook_id]


async def test_four_unreadable_records_do_not_stop_the_consumer_five_in_a_row_do(
    harsh_task_force: TaskForce,
) -> None:
    town = harsh_task_force
    before = len(town.heard(COORDINATOR, UNREADABLE))

    good = adult_found_by_police(name="between")
    await produce_beside(town, good, [b"", b"{"])
    await town.accept(good)
    await produce_beside(town, good, [b"[]", b"\xff"])
    await town.hears_often(COORDINATOR, UNREADABLE, before + 4)
    await town.hears(ADVOCATE, good)
    await town.accept(another := good | {"id": f"{good['id']}-another"})
    await town.hears(ADVOCATE, another)
    await town.ready("routing")

    await produce_beside(town, good, [b"{}"] * 5)
    stopped = await eventually(lambda: find_stop(town), what="the consumer stops")
    assert stopped["level"] == "error"
    await eventually(lambda: says_why(town), what="it is not ready, and says why")

    # It stays stopped, and takes over nothing, until somebody has looked and starts it again.
    await town.accept(waiting := good | {"id": f"{good['id']}-waiting"})
    town.stack.kill("routing")
    await town.hears(ADVOCATE, waiting)
    await town.hears_often(COORDINATOR, UNREADABLE, before + 9)
    await town.ready("routing")


async def find_stop(town: TaskForce) -> dict[str, Any] | None:
    stops = town.logged("consumer.stopped")
    return stops[0] if stops else None


async def says_why(town: TaskForce) -> bool:
    answer = await town.get(f"{town.url('routing')}/readyz")
    return answer.status == 503 and "too many records" in answer.json()["checks"]["decidable"]
