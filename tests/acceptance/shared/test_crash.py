"""Whoever is killed, whenever: what was accepted arrives, with the ids that the ledger holds."""

import pytest

from tests.support.doomed import doomed_service
from tests.support.ledger import (
    count_failures,
    count_published_alerts,
    find_alert_ids,
    find_stored_ids,
)
from tests.support.receivers import status
from tests.support.steady_load import all_arrive, steady_load
from tests.support.story import (
    ADVOCATE,
    CHILD_WELFARE,
    CaseEvent,
    adult_found_by_police,
    found_by_police,
)
from tests.support.task_force import SERVICES, TaskForce
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOLD = {CHILD_WELFARE, ADVOCATE, "ag-bpd"}


async def test_routing_killed_between_its_commit_and_its_publish_tells_everybody_once(
    harsh_task_force: TaskForce,
) -> None:
    event = found_by_police(name="unpublished")
    last_words = (event["subject"], "COMMIT;")
    async with doomed_service(harsh_task_force, "routing", last_words=last_words) as (routing, wire):
        await harsh_task_force.accept(event)
        await wire.wait_dead()
        ids = await eventually(lambda: find_alert_ids(harsh_task_force, event), what="the commit is done")
        assert await count_published_alerts(harsh_task_force, event) == 0
        routing.kill()
    await everybody_hears(harsh_task_force, event, ids)


async def test_notify_killed_between_its_commit_and_its_sends_tells_everybody_once(
    harsh_task_force: TaskForce,
) -> None:
    event = found_by_police(name="unsent")
    # Alerts are stored by one statement that names their case, and commits by itself.
    last_words = (event["subject"],)
    async with doomed_service(harsh_task_force, "notify", last_words=last_words) as (notify, wire):
        await harsh_task_force.accept(event)
        await wire.wait_dead()
        await eventually(lambda: find_stored_ids(harsh_task_force, event), what="the commit is done")
        assert harsh_task_force.who_heard(event) == set()
        notify.kill()
    await everybody_hears(harsh_task_force, event, await find_alert_ids(harsh_task_force, event))


async def test_an_answer_that_never_came_holds_no_alert_up(harsh_task_force: TaskForce) -> None:
    """PostgreSQL stored the alerts and the connection broke: well before their leases end, they are told."""
    event = found_by_police(name="unanswered")
    last_words = (event["subject"],)
    async with doomed_service(harsh_task_force, "notify", last_words=last_words) as (notify, wire):
        await harsh_task_force.accept(event)
        await wire.wait_dead()
        await eventually(lambda: find_stored_ids(harsh_task_force, event), what="the commit is done")
        wire.cut()
        for agency in TOLD:
            await harsh_task_force.hears(agency, event)
        assert notify.logged("delivery.recovered")
    await everybody_hears(harsh_task_force, event, await find_alert_ids(harsh_task_force, event))


async def everybody_hears(task_force: TaskForce, event: CaseEvent, ids: dict[str, str]) -> None:
    """Each agency exactly once, under the id that the ledger holds."""
    assert set(ids) == TOLD
    for agency, alert_id in ids.items():
        arrival = await task_force.hears(agency, event)
        assert arrival.webhook_id == f"{alert_id}_1"
        await task_force.is_written_to(alert_id)
    await task_force.ready()
    assert {agency: len(task_force.heard(agency, event)) for agency in TOLD} == dict.fromkeys(TOLD, 1)
    assert await find_alert_ids(task_force, event) == ids


async def test_each_service_killed_in_turn_under_a_steady_load_loses_nothing(
    harsh_task_force: TaskForce,
) -> None:
    async with steady_load(harsh_task_force) as load:
        for name in SERVICES:
            await load.go_on(10)
            harsh_task_force.stack.kill(name)
            await load.go_on(10)
            await harsh_task_force.ready()
    assert len(load.accepted) >= 60
    await all_arrive(harsh_task_force, load.accepted)


async def test_postgres_killed_has_intake_say_503_until_it_is_back_and_loses_nothing(
    harsh_task_force: TaskForce,
) -> None:
    async with steady_load(harsh_task_force) as load:
        await load.go_on(10)
        harsh_task_force.stack.kill("postgres")
        await load.go_on(10)
    assert load.refused_count > 0
    posted = (answer for answer in harsh_task_force.answers if answer.url.endswith("/v1/events"))
    assert all("Retry-After" in answer.headers for answer in posted if answer.status == 503)
    await harsh_task_force.ready()
    await all_arrive(harsh_task_force, load.accepted)


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
async def test_a_broker_killed_under_load_holds_nothing_up_once_everything_is_ready_again(
    harsh_task_force: TaskForce,
) -> None:
    """Who had not noticed yet that the log was lost must not have the new one read from the old one's end."""
    async with steady_load(harsh_task_force) as load:
        await load.go_on(60)
        harsh_task_force.stack.kill("kafka")
        await load.go_on(10)
        await harsh_task_force.ready()
    later = [adult_found_by_police(name="after-the-loss") for _ in range(5)]
    await harsh_task_force.accept(*later)
    await all_arrive(harsh_task_force, later)
    for event in later:
        # Taken over as it came: routing did not have to publish it again.
        assert await count_published_alerts(harsh_task_force, event) == 1
        assert (await harsh_task_force.status_of(event))["status"] == "decided"


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
async def test_what_was_decided_before_the_broker_lost_its_log_still_arrives(
    harsh_task_force: TaskForce,
) -> None:
    """Nothing is in PostgreSQL of what is not decided: the embedded broker says so with `memory`."""
    refused, untaken = found_by_police(name="refused"), found_by_police(name="untaken")
    child_welfare = harsh_task_force.receivers[CHILD_WELFARE]
    # One alert is notify's already, and its receiver fails; of the other event notify has nothing yet.
    child_welfare.answer = status(503)
    await harsh_task_force.accept(refused)
    await harsh_task_force.hears(CHILD_WELFARE, refused)
    await eventually(lambda: count_failures(harsh_task_force, refused), what="the failure is recorded")
    harsh_task_force.freeze("notify")
    try:
        await harsh_task_force.accept(untaken)
        ids = await eventually(lambda: find_alert_ids(harsh_task_force, untaken), what="it is decided")
        assert await count_published_alerts(harsh_task_force, untaken) == len(TOLD)
    finally:
        # Whatever failed: the tests that follow need a notify that moves.
        harsh_task_force.stack.kill("kafka")
        harsh_task_force.stack.kill("notify")
        child_welfare.answer = None

    await everybody_hears(harsh_task_force, untaken, ids)
    assert harsh_task_force.logged("messages.republished", reason="cluster_changed")
    first, *repeats = await harsh_task_force.hears_often(CHILD_WELFARE, refused, 2)
    assert {arrival.webhook_id for arrival in repeats} == {first.webhook_id}
