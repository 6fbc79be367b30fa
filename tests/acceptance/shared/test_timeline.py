"""One evening, from the report of city police to the last receipt; who must hear what is scenario S02."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.support.instants import with_instants
from tests.support.receivers import Arrival
from tests.support.story import (
    ADVOCATE,
    CHILD_WELFARE,
    CaseEvent,
    expected_alerts,
    found_by_police,
    nobodys_business,
)
from tests.support.task_force import POINTER, TaskForce
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

POLICE_AGENCY = "ag-bpd"
EXPECTED = expected_alerts()
TOLD = {*EXPECTED, POLICE_AGENCY}


@dataclass(frozen=True)
class Evening:
    """The report, and the webhook that each told agency got about it."""

    report: CaseEvent
    heard: dict[str, Arrival]

    def alert_id(self, agency: str) -> str:
        data = self.heard[agency].data
        return str(data.get("alert_id") or data["notice_id"])

    @property
    def found_at(self) -> datetime:
        return datetime.fromisoformat(self.report["data"]["discovered_at"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def evening(task_force: TaskForce) -> Evening:
    """City police report a 15-year-old whom they found half an hour ago."""
    report = found_by_police()
    await task_force.accept(report)
    return Evening(report, {agency: await task_force.hears(agency, report) for agency in TOLD})


@pytest.mark.parametrize("agency", EXPECTED)
async def test_each_agency_sees_exactly_what_the_protocol_allows(evening: Evening, agency: str) -> None:
    expected, data = EXPECTED[agency], evening.heard[agency].data
    assert set(data["disclosed"]) == expected.disclosed
    assert (data["agency"], data["role"]) == (agency, expected.role)
    assert set(data["rules"]) == expected.rules
    assert data["urgency"] == expected.urgency
    assert (data["kind"], data["escalation"], data["revision"]) == ("alert", 0, 1)
    assert (data["event_id"], data["case_ref"]) == (evening.report["id"], evening.report["subject"])
    assert data["event_type"] == "victim.potential_identified"


@pytest.mark.parametrize("agency", EXPECTED)
async def test_what_it_sees_is_what_was_reported(evening: Evening, agency: str) -> None:
    reported = evening.report["data"]
    for group, value in evening.heard[agency].data["disclosed"].items():
        assert value == ({"band": "13to15", "presumed_minor": False} if group == "age" else reported[group])


@pytest.mark.parametrize("agency", EXPECTED)
async def test_the_time_to_acknowledge_counts_from_the_decision(
    task_force: TaskForce, evening: Evening, agency: str
) -> None:
    decision = await task_force.explain(evening.report)
    by = datetime.fromisoformat(evening.heard[agency].data["acknowledge_by"])
    decided = datetime.fromisoformat(decision["decided_at"])
    assert by - decided == EXPECTED[agency].time_to_acknowledge


async def test_the_police_get_notice_of_their_own_duty_and_no_fact_of_the_case(evening: Evening) -> None:
    notice = evening.heard[POLICE_AGENCY]
    assert notice.event["type"] == "org.tocsin.duty.v1"
    assert set(notice.data) == {"notice_id", "event_id", "case_ref", "agency", "duties"}
    (duty,) = notice.data["duties"]
    assert duty["rule"] == "K-03"
    assert datetime.fromisoformat(duty["due"]) == evening.found_at + timedelta(hours=36)


async def test_child_welfare_is_told_of_the_duty_of_the_police(evening: Evening) -> None:
    (duty,) = evening.heard[CHILD_WELFARE].data["duties"]
    assert duty["holder"] == POLICE_AGENCY
    assert evening.heard[ADVOCATE].data["duties"] == []


async def test_everybody_else_hears_nothing(task_force: TaskForce, evening: Evening) -> None:
    # Once what follows it through the same partition is decided and nothing is under way, nothing more comes.
    after = nobodys_business(evening.report)
    await task_force.accept(after)
    await task_force.status_of(after)
    decision = await told_of(task_force, evening.report, kind="delivered")
    assert {alert["agency"] for alert in decision["alerts"]} == TOLD
    assert task_force.who_heard(evening.report) == TOLD
    assert len(task_force.agencies) > 20


async def told_of(task_force: TaskForce, event: CaseEvent, *, kind: str) -> dict[str, Any]:
    """The decision, once the ledger holds a fact of this kind about each of its alerts."""

    async def find() -> dict[str, Any] | None:
        decision = await task_force.explain(event)
        kinds = [{fact["kind"] for fact in alert["facts"]} for alert in decision["alerts"]]
        return decision if all(kind in each for each in kinds) else None

    return await eventually(find, what=f"{kind} is in the ledger for each alert of {event['id']}")


@pytest.mark.parametrize("agency", sorted(TOLD))
async def test_its_duty_desk_gets_a_postcard_that_tells_nothing(
    task_force: TaskForce, evening: Evening, agency: str
) -> None:
    mail = await task_force.is_written_to(evening.alert_id(agency))
    assert mail.recipient == f"duty@{agency.removeprefix('ag-')}.example"
    for text in (str(mail.message["subject"]), mail.part("plain"), mail.part("html")):
        assert not told_words(text.lower(), evening.report)
    assert f"{task_force.url('notify')}/a/{evening.alert_id(agency)}" in mail.part("html")
    assert mail.message["auto-submitted"] == "auto-generated"


def told_words(text: str, report: CaseEvent) -> list[str]:
    """What a postcard must not say."""
    forbidden = ("victim", "traffick", "minor", "child", "police", "exploit", "06029", "k-03", "k-07")
    own = (report["id"], report["subject"], *leaves(report["data"]))
    return [word for word in (*forbidden, *own) if word.lower() in text]


def leaves(document: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Every text in a document."""
    match document:
        case str():
            yield document
        case dict():
            for value in document.values():
                yield from leaves(value)
        case list():
            for value in document:
                yield from leaves(value)
        case _:
            return


async def test_the_page_behind_the_link_tells_urgency_id_and_deadline_only(
    task_force: TaskForce, evening: Evening
) -> None:
    alert_id = evening.alert_id(CHILD_WELFARE)
    page = await task_force.get(f"{task_force.url('notify')}/a/{alert_id}")
    text = page.body.decode()
    assert page.status == 200
    assert "IMMEDIATE" in text
    assert alert_id[:8].upper() in text
    assert not told_words(text.lower(), evening.report)


async def test_an_agency_behind_a_firewall_pulls_what_the_webhook_said(
    task_force: TaskForce, evening: Evening
) -> None:
    for agency in EXPECTED:
        pulled = (await task_force.ask_notify("GET", "/v1/alerts?limit=500", agency=agency)).json()
        alerts = [alert for alert in pulled["alerts"] if alert["event_id"] == evening.report["id"]]
        assert alerts == [evening.heard[agency].data]
        behind = await task_force.ask_notify("GET", f"/v1/alerts?after={pulled['next']}", agency=agency)
        # Of another's events there may be something new.
        assert evening.report["id"] not in {alert["event_id"] for alert in behind.json()["alerts"]}


async def test_one_alert_can_be_read_again_and_is_nobody_elses(
    task_force: TaskForce, evening: Evening
) -> None:
    path = f"/v1/alerts/{evening.alert_id(CHILD_WELFARE)}"
    own = await task_force.ask_notify("GET", path, agency=CHILD_WELFARE)
    assert own.json() == evening.heard[CHILD_WELFARE].data
    others = await task_force.ask_notify("GET", path, agency=ADVOCATE)
    never = await task_force.ask_notify(
        "GET", f"/v1/alerts/{'0' * 8}-0000-8000-8000-{'0' * 12}", agency=ADVOCATE
    )
    assert (others.status, others.body) == (404, never.body)
    assert (await task_force.ask_notify("GET", path, agency=None)).status == 401


async def test_who_is_only_pointed_to_an_alert_gets_five_keys(
    task_force: TaskForce, evening: Evening
) -> None:
    alert_id = evening.alert_id(CHILD_WELFARE)

    async def find() -> list[Arrival]:
        arrivals = task_force.receivers[POINTER].arrivals
        return [arrival for arrival in arrivals if arrival.data["alert_id"] == alert_id]

    (pointer,) = await eventually(find, what="the pointer")
    assert pointer.is_verified
    full = evening.heard[CHILD_WELFARE].data
    five = {"alert_id", "revision", "urgency", "acknowledge_by", "links"}
    assert with_instants(pointer.data) == with_instants({key: full[key] for key in five})


async def test_the_emitter_learns_that_it_was_decided_and_what_it_must_do(
    task_force: TaskForce, evening: Evening
) -> None:
    status = await task_force.status_of(evening.report)
    assert set(status) == {"id", "status", "errors", "duties"}
    assert (status["id"], status["status"], status["errors"]) == (evening.report["id"], "decided", [])
    notice = evening.heard[POLICE_AGENCY].data
    assert with_instants(status["duties"]) == with_instants(notice["duties"])


async def test_nobody_elses_source_learns_anything_of_it(task_force: TaskForce, evening: Evening) -> None:
    await task_force.status_of(evening.report)
    key = task_force.stack.keys["sources"]["urn:tocsin:agency:ag-kern-so:cms"]
    answer = await task_force.get(f"{task_force.url('intake')}/v1/events/{evening.report['id']}", key=key)
    assert answer.status == 404
    assert "Retry-After" in answer.headers


async def test_an_acknowledgement_needs_a_person_and_counts_once(
    task_force: TaskForce, evening: Evening
) -> None:
    path = f"/v1/alerts/{evening.alert_id(CHILD_WELFARE)}/acknowledge"

    async def acknowledge(agency: str, **who: str) -> tuple[int, Any]:
        answer = await task_force.ask_notify("POST", path, agency=agency, body=who)
        return answer.status, answer.json()

    status, problem = await acknowledge(CHILD_WELFARE)
    assert (status, [error["path"] for error in problem["errors"]]) == (422, ["/person", "/role"])
    assert (await acknowledge(CHILD_WELFARE, person="", role="duty officer"))[0] == 422
    assert (await acknowledge(ADVOCATE, person="A. Advocate", role="advocate"))[0] == 404
    status, first = await acknowledge(CHILD_WELFARE, person="D. Officer", role="duty officer")
    assert (status, first["person"], first["role"]) == (200, "D. Officer", "duty officer")
    again = await acknowledge(CHILD_WELFARE, person="S. Else", role="supervisor")
    assert again == (200, first)


async def test_the_ledger_says_why_each_was_told_and_what_was_kept_from_it(
    task_force: TaskForce, evening: Evening
) -> None:
    decision = await task_force.explain(evening.report)
    alerts = {alert["agency"]: alert for alert in decision["alerts"]}
    assert set(alerts) == TOLD
    for agency, expected in EXPECTED.items():
        alert = alerts[agency]
        assert alert["alert_id"] == evening.alert_id(agency)
        assert set(alert["disclosed"]) == expected.disclosed
        assert set(alert["withheld"]) == expected.withheld
        assert set(alert["rules"]) == expected.rules
    assert decision["event_type"] == "victim.potential_identified"
    assert "ca-kern-httf@2.2.0" in decision["packs"]


async def test_receipts_reach_the_ledger(task_force: TaskForce) -> None:
    report = found_by_police(name="receipts")
    await task_force.accept(report)
    alert_id = (await task_force.hears(ADVOCATE, report)).data["alert_id"]
    await told_of(task_force, report, kind="delivered")
    taken = await task_force.ask_notify(
        "POST",
        f"/v1/alerts/{alert_id}/acknowledge",
        agency=ADVOCATE,
        body={"person": "A. Advocate", "role": "advocate"},
    )
    assert taken.status == 200

    async def find() -> list[str]:
        decision = await task_force.explain(report)
        return [
            alert["agency"]
            for alert in decision["alerts"]
            if any(fact["kind"] == "acknowledged" for fact in alert["facts"])
        ]

    # A 2xx of a receiver is delivered, never acknowledged.
    assert await eventually(find, what="the acknowledgement is in the ledger") == [ADVOCATE]
