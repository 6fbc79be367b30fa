"""A statutory duty from the alert that shows it to the evidence that closes it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.command import tocsin
from tests.support.instants import with_instants
from tests.support.story import CHILD_WELFARE, COORDINATOR, CaseEvent, found_by_police
from tests.support.task_force import TaskForce
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOLDER = "ag-bpd"
"""City police reported it, and owe child welfare a telephone call and a written report (K-03)."""


async def duties_of(task_force: TaskForce, agency: str, event: CaseEvent) -> list[dict[str, Any]]:
    listed = await task_force.ask_notify("GET", "/v1/duties?limit=500", agency=agency)
    assert listed.status == 200
    return [duty for duty in listed.json()["duties"] if duty["event_id"] == event["id"]]


async def register(task_force: TaskForce, event: CaseEvent) -> list[dict[str, Any]]:
    """What `tocsin duties` says of this event's."""
    words = ("duties", "--event", event["id"], "--json", "--data-dir", task_force.stack.data_dir)
    done = await tocsin(*words)
    assert (done.exit_code, done.errors) == (0, "")
    duties: list[dict[str, Any]] = done.json()["duties"]
    return duties


async def acknowledge(task_force: TaskForce, agency: str, alert_id: str) -> None:
    path, person = f"/v1/alerts/{alert_id}/acknowledge", {"person": "D. Officer", "role": "duty officer"}
    taken = await task_force.ask_notify("POST", path, agency=agency, body=person)
    assert taken.status == 200


async def register_says_closed(task_force: TaskForce, event: CaseEvent) -> dict[str, Any]:
    async def find() -> dict[str, Any] | None:
        (entry,) = await register(task_force, event)
        return entry if entry["status"] == "closed" else None

    return await eventually(find, what="the register has the evidence")


async def test_a_duty_stays_open_until_there_is_evidence_and_whoever_dies_meanwhile(
    harsh_task_force: TaskForce,
) -> None:
    task_force, event = harsh_task_force, found_by_police(name="duty")
    await task_force.accept(event)
    alert = (await task_force.hears(CHILD_WELFARE, event)).data
    notice = (await task_force.hears(HOLDER, event)).data
    (shown,) = [duty for duty in alert["duties"] if duty["holder"] == HOLDER]

    # It is its holder's, and is not listed for whoever is only shown it.
    (duty,) = await duties_of(task_force, HOLDER, event)
    expected = {key: shown[key] for key in ("duty_id", "rule", "what", "due", "authority")}
    assert with_instants({key: duty[key] for key in expected}) == with_instants(expected)
    assert (duty["status"], duty["case_ref"], duty["evidence"]) == ("open", event["subject"], None)
    assert await duties_of(task_force, CHILD_WELFARE, event) == []

    # Both take responsibility; the law is not impressed.
    await acknowledge(task_force, CHILD_WELFARE, alert["alert_id"])
    await acknowledge(task_force, HOLDER, notice["notice_id"])
    assert [each["status"] for each in await duties_of(task_force, HOLDER, event)] == ["open"]
    assert [each["status"] for each in await register(task_force, event)] == ["open"]

    # Routing does not live to hear of the evidence.
    task_force.freeze("routing")
    path, evidence = f"/v1/duties/{duty['duty_id']}/evidence", evidence_now()
    refused = await task_force.ask_notify("POST", path, agency=CHILD_WELFARE, body=evidence)
    assert refused.status == 404
    closed = await task_force.ask_notify("POST", path, agency=HOLDER, body=evidence)
    assert (closed.status, closed.json()["status"]) == (200, "closed")
    task_force.stack.kill("routing")
    await task_force.ready()

    entry = await register_says_closed(task_force, event)
    assert (entry["duty_id"], entry["holder"]) == (duty["duty_id"], HOLDER)
    assert entry["evidence"]["channel"] == "telephone"
    assert datetime.fromisoformat(entry["evidence"]["at"]) == datetime.fromisoformat(evidence["at"])
    (own,) = await duties_of(task_force, HOLDER, event)
    assert (own["status"], own["evidence"]["who"]) == ("closed", "Officer Zanthorpe-Quist")
    # What people type stays between the agency and whoever holds the key of the case.
    assert "Zanthorpe" not in str(entry)
    assert not [line for line in task_force.log_lines() if "Zanthorpe" in line or "hotline-4711" in line]


async def test_the_register_reads_as_words_and_a_wrong_key_reads_nothing(task_force: TaskForce) -> None:
    event = found_by_police(name="listed")
    await task_force.accept(event)
    await task_force.explain(event)
    folder = ("--data-dir", task_force.stack.data_dir)
    listed = await tocsin("duties", "--agency", HOLDER, "--event", event["id"], *folder)
    assert (listed.exit_code, listed.errors) == (0, "")
    assert listed.output.startswith(f"{HOLDER}: telephone now; written SS 8572 (K-03), due ")
    assert "\n  open; event " in listed.output
    overdue = await tocsin("duties", "--overdue", "--event", event["id"], *folder)
    assert overdue.output == "No duty.\n"
    refused = await tocsin("duties", *folder, environment={"TOCSIN_OPERATOR_KEY": "tco_wrong"})
    assert (refused.exit_code, refused.output) == (1, "")
    assert "operator's key" in refused.errors
    assert task_force.logged("duties.read", agency=HOLDER, event_id=event["id"], found_count=1)


async def test_what_is_overdue_can_be_asked_for(task_force: TaskForce) -> None:
    event = found_by_police(name="overdue", hours_ago=40)
    await task_force.accept(event)
    await task_force.explain(event)
    words = ("--overdue", "--event", event["id"], "--data-dir", task_force.stack.data_dir)
    done = await tocsin("duties", *words)
    assert "  OVERDUE, open; event " in done.output


async def test_a_duty_that_is_overdue_reminds_its_holder_and_the_coordinator_hears_that_it_is(
    task_force: TaskForce,
) -> None:
    event = found_by_police(name="reminded")
    await task_force.accept(event)
    first = (await task_force.hears(HOLDER, event)).data
    async with task_force.database() as database:
        await database.execute(
            "UPDATE routing.duty SET decided_at = now() - interval '9 hours', due = now(), remind_at = now() "
            "WHERE event_id = $1",
            event["id"],
        )
    reminder = (await task_force.hears_often(HOLDER, event, 2))[1]
    assert reminder.event["type"] == "org.tocsin.duty.v1"
    assert reminder.data["reminder"] == "overdue"
    assert [duty["duty_id"] for duty in reminder.data["duties"]] == [first["duties"][0]["duty_id"]]
    await task_force.is_written_to(reminder.data["notice_id"])

    told = (await task_force.hears(COORDINATOR, event)).data
    assert (told["duties"], [each["holder"] for each in told["overdue"]]) == ([], [HOLDER])
    assert first["duties"][0]["what"] not in str(told)
    # Reminded or not, it is one duty, and open.
    (duty,) = await duties_of(task_force, HOLDER, event)
    assert (duty["duty_id"], duty["status"]) == (first["duties"][0]["duty_id"], "open")


def evidence_now() -> dict[str, str]:
    return {
        "who": "Officer Zanthorpe-Quist",
        "channel": "telephone",
        "reference": "hotline-4711",
        "at": datetime.now(UTC).replace(microsecond=0).isoformat(),
    }
