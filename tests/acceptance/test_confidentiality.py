"""Whatever goes wrong, no value of a disclosure group is anywhere but in the webhook of who may see it."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from schemas.topics import TOPICS
from schemas.vocabulary import EventType, Group
from services.runtime.kafka import read_topic_to_end
from tests.support.mailbox import Mail
from tests.support.markers import STEM, count_markers, every_group, find_words, read_files
from tests.support.receivers import Arrival
from tests.support.story import ADVOCATE, CHILD_WELFARE, COORDINATOR, CaseEvent, build_event
from tests.support.task_force import TaskForce, open_task_force
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONTROL = "planted"
"""Every event's id begins with it; ids may be seen."""
BIRTHDAY = "2009-05-05"
SECRETS = (STEM, BIRTHDAY)
TYPES = ("victim.potential_identified", "child.missing_from_care", "safety.risk_escalated")


@dataclass
class Aftermath:
    """What was said and written where, and what of it was looked for and found."""

    reports: list[CaseEvent]
    arrivals: dict[str, list[Arrival]]
    mails: list[Mail]
    problems: list[bytes]
    log: list[str]
    found: dict[str, set[str]] = field(default_factory=dict)

    @property
    def case_refs(self) -> list[str]:
        return [report["subject"] for report in self.reports]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def aftermath() -> Aftermath:
    """Markers went every way there is, right and wrong, and everything stands still again."""
    async with open_task_force() as task_force:
        reports = [build_event(kind, every_group(), name=CONTROL) for kind in TYPES]
        await all_goes_well(task_force, reports)
        reports.append(await delivery_fails(task_force))
        reports += await events_are_quarantined(task_force)
        await events_are_refused(task_force, reports[0])
        await people_ask_wrongly(task_force, reports[0])
        kafka = [chunk async for chunk in read_topics(task_force)]
        assert await asyncio.to_thread(task_force.stack.stop) == 0
        return Aftermath(
            reports,
            {agency: task_force.receivers[agency].arrivals for agency in task_force.agencies},
            task_force.mailbox.mails,
            [answer.body for answer in task_force.answers if answer.status >= 400],
            task_force.stack.log.read_all(),
            {
                "kafka": find_words(kafka, (*SECRETS, CONTROL, *TYPES)),
                "postgres": find_words(
                    read_files(task_force.stack.data_dir / "postgres"), (*SECRETS, CONTROL, *TYPES)
                ),
            },
        )


async def all_goes_well(task_force: TaskForce, reports: Iterable[CaseEvent]) -> None:
    for report in reports:
        # An extension attribute is ignored and not stored.
        await task_force.accept(report | {"comment": f"{STEM} wrote this"})
        assert (await task_force.status_of(report))["status"] == "decided"
    await task_force.hears(CHILD_WELFARE, next(iter(reports)))


async def delivery_fails(task_force: TaskForce) -> CaseEvent:
    """The receivers and the mail server send back what they were sent, in every place they can."""
    report = build_event(TYPES[0], every_group(), name=CONTROL)

    async def echo(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500, reason=STEM, body=await request.read(), headers={"x-said": STEM})

    async def send_away(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": f"{request.url.origin()}/{STEM}"})

    task_force.receivers[CHILD_WELFARE].answer = echo
    task_force.receivers[ADVOCATE].answer = send_away
    task_force.mailbox.data_answer = f"451 not now, {STEM}"
    await task_force.accept(report)
    await task_force.hears(CHILD_WELFARE, report)
    await task_force.hears(ADVOCATE, report)

    async def attempted() -> bool:
        lines = task_force.logged("delivery.attempted", outcome="unavailable")
        return {"webhook", "email"} <= {line["channel"] for line in lines}

    await eventually(attempted, what="a webhook and an e-mail failed")
    await eventually(lambda: is_logged(task_force, "delivery.refused"), what="the redirect is not followed")
    task_force.receivers[CHILD_WELFARE].answer = task_force.receivers[ADVOCATE].answer = None
    task_force.mailbox.data_answer = None
    return report


async def is_logged(task_force: TaskForce, event: str) -> bool:
    return bool(task_force.logged(event))


async def events_are_quarantined(task_force: TaskForce) -> list[CaseEvent]:
    """One corrects an event of another case; one reuses an id for something else."""
    first = build_event(TYPES[0], every_group(), name=CONTROL)
    correction = build_event(TYPES[0], {**every_group(), "corrects": first["id"]}, name=CONTROL)
    reused = first | {"data": first["data"] | {"narrative": {"text": f"{STEM} changed"}}}
    await task_force.accept(first)
    await task_force.status_of(first)
    await task_force.accept(correction, reused)
    for event in (correction, first):
        await task_force.hears(COORDINATOR, event)
    return [correction, first]


async def events_are_refused(task_force: TaskForce, report: CaseEvent) -> None:
    """Every refusal of an event that intake knows, with markers in what is refused."""
    key = task_force.stack.keys["sources"][report["source"]]
    other = task_force.stack.keys["sources"]["urn:tocsin:agency:ag-kern-so:cms"]
    malformed = orjson.dumps(report)[:-40]
    long = report | {"data": report["data"] | {"narrative": {"text": STEM * 7000}}}
    batch = {"Content-Type": "application/cloudevents-batch+json"}
    expected = {
        400: [task_force.post(malformed, key=key), task_force.post(f"[{STEM}".encode(), key=key, **batch)],
        401: [task_force.post(report, key=f"tcs_{STEM}{STEM}")],
        403: [task_force.post(report, key=other)],
        413: [task_force.post(long, key=key)],
        415: [task_force.post(report, key=key, **{"Content-Type": f"text/plain; x={STEM}"})],
        422: [
            *(task_force.post(invalid) for invalid in invalid_events(report)),
            task_force.post(orjson.dumps([*invalid_events(report)]), key=key, **batch),
        ],
    }
    for status, answers in expected.items():
        for answer in await asyncio.gather(*answers):
            assert answer.status == status, answer.body


def invalid_events(report: CaseEvent) -> Iterator[CaseEvent]:
    wrong: Mapping[str, object] = {
        "age": {"band": STEM},
        "gender": STEM,
        "date_of_birth": f"{BIRTHDAY}T00:00:00{STEM}",
        "name": [STEM],
        "narrative": {"text": 7, "more": STEM},
        "citizenship": {"status": STEM},
        "language": {"tag": f"{STEM} {STEM}"},
        "last_seen": {"at": STEM},
        "operation_plan": {"expected_victims": STEM},
        "county": STEM,
        "details": {"disposition": STEM},
    }
    for key, value in wrong.items():
        yield report | {"data": report["data"] | {key: value}}
    yield report | {"type": f"org.tocsin.{STEM}.v1"}
    yield report | {"time": STEM}
    yield report | {"data": STEM}


async def people_ask_wrongly(task_force: TaskForce, report: CaseEvent) -> None:
    alert_id = (await task_force.hears(CHILD_WELFARE, report)).data["alert_id"]
    path = f"/v1/alerts/{alert_id}/acknowledge"
    asked = [
        await task_force.ask_notify("GET", f"/v1/alerts/{STEM}", agency=CHILD_WELFARE),
        await task_force.ask_notify("GET", f"/v1/alerts?after={STEM}", agency=CHILD_WELFARE),
        await task_force.ask_notify("GET", f"/a/{STEM}", agency=None),
        await task_force.ask_notify("GET", f"/{STEM}", agency=None),
        await task_force.ask_notify("POST", path, agency=CHILD_WELFARE, body={"person": [STEM]}),
        await task_force.get(f"{task_force.url('intake')}/v1/events/{STEM}", key=STEM),
        await task_force.get(f"{task_force.url('routing')}/v1/decisions/{STEM}?source={STEM}", key=STEM),
    ]
    assert all(400 <= answer.status < 500 for answer in asked)
    # A person's name is nobody's business either.
    taken = await task_force.ask_notify(
        "POST", path, agency=CHILD_WELFARE, body={"person": STEM, "role": STEM}
    )
    assert taken.status == 200


async def read_topics(task_force: TaskForce) -> AsyncIterator[bytes]:
    for topic in TOPICS:
        kafka = task_force.stack.ready["kafka"]
        for record in await read_topic_to_end(kafka, topic.name, partitions=topic.partitions):
            yield record.key or b""
            yield record.value or b""
            for name, value in record.headers:
                yield name.encode() + b"=" + value


async def test_what_is_searched_for_was_there_to_be_found(aftermath: Aftermath) -> None:
    assert all(count_markers(report) > 40 for report in aftermath.reports)
    bodies = [arrival.body for agency in (CHILD_WELFARE, ADVOCATE) for arrival in aftermath.arrivals[agency]]
    assert find_words(bodies, (*SECRETS, CONTROL)) == {*SECRETS, CONTROL}


async def test_kafka_holds_no_value_and_no_type_of_an_event(aftermath: Aftermath) -> None:
    assert aftermath.found["kafka"] == {CONTROL}


async def test_the_files_of_postgres_hold_no_value_and_no_type_of_an_event(aftermath: Aftermath) -> None:
    assert aftermath.found["postgres"] == {CONTROL}


async def test_no_log_line_holds_a_value(aftermath: Aftermath) -> None:
    log = [line.encode() for line in aftermath.log]
    assert find_words(log, (*SECRETS, CONTROL)) == {CONTROL}
    said = {orjson.loads(line)["event"] for line in aftermath.log if line.startswith("{")}
    assert {"delivery.attempted", "delivery.refused", "event.quarantined", "operator.refused"} <= said


async def test_no_log_line_joins_a_case_with_the_type_of_an_event(aftermath: Aftermath) -> None:
    about_a_case = [line for line in aftermath.log if any(ref in line for ref in aftermath.case_refs)]
    assert about_a_case
    assert not [line for line in about_a_case if any(kind in line for kind in EventType)]


async def test_no_email_holds_a_value_or_names_a_case(aftermath: Aftermath) -> None:
    chunks = list(parts_of(aftermath.mails))
    alert_id = next(arrival.data["alert_id"] for arrival in aftermath.arrivals[CHILD_WELFARE])
    assert find_words(chunks, (*SECRETS, CONTROL, *TYPES, alert_id)) == {alert_id}


def parts_of(mails: Iterable[Mail]) -> Iterator[bytes]:
    """Each mail as it went over the wire, and each of its parts decoded."""
    for mail in mails:
        yield mail.content
        for part in mail.message.walk():
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                yield payload


async def test_no_problem_repeats_what_was_wrong(aftermath: Aftermath) -> None:
    assert find_words(aftermath.problems, (*SECRETS, "/data/age/band")) == {"/data/age/band"}


async def test_no_webhook_has_a_value_outside_its_body(aftermath: Aftermath) -> None:
    for arrivals in aftermath.arrivals.values():
        for arrival in arrivals:
            headers = orjson.dumps(dict(arrival.headers))
            assert not find_words([headers], SECRETS), arrival.headers


async def test_nobody_learns_which_groups_were_kept_from_it(aftermath: Aftermath) -> None:
    seen = 0
    for arrivals in aftermath.arrivals.values():
        for arrival in arrivals:
            disclosed = arrival.data.get("disclosed", {})
            rest = arrival.event | {"data": {**arrival.data, "disclosed": {}}}
            assert not set(words_of(rest)) & (set(Group) - set(disclosed)), arrival.body
            seen += len(disclosed)
    assert seen > 20


def words_of(document: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Every key and every text of a document."""
    match document:
        case str():
            yield document
        case dict():
            for key, value in document.items():
                yield key
                yield from words_of(value)
        case list():
            for value in document:
                yield from words_of(value)
        case _:
            return


async def test_the_coordinator_is_told_of_trouble_and_sees_no_group(aftermath: Aftermath) -> None:
    told = [arrival.data for arrival in aftermath.arrivals[COORDINATOR]]
    # A delivery that ended in a dead letter is told, too: it depends on how quick this machine is.
    assert {alert["reason"] for alert in told} - {"DEAD_LETTER"} == {"QUARANTINED", "ID_REUSE"}
    assert all(alert["disclosed"] == {} for alert in told)
