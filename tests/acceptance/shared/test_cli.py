"""`tocsin` on a running stack, as a newcomer types it."""

import asyncio
import time
from pathlib import Path

import aiohttp
import orjson
import pytest
import pytest_asyncio

from services.notify.totp import STEP_SECONDS, make_code
from services.routing.packs import SHIPPED
from services.runtime.crypto import hash_api_key
from services.runtime.ed25519 import SigningKey
from tests.support.command import Done, tocsin
from tests.support.examples import EXAMPLES
from tests.support.kafka_choice import DURABILITY
from tests.support.receivers import status
from tests.support.story import (
    ADVOCATE,
    CHILD_WELFARE,
    POLICE,
    CaseEvent,
    adult_found_by_police,
    expected_alerts,
    found_by_police,
)
from tests.support.task_force import TaskForce
from tests.support.visiting import NAME, Visitor, begin_to_enrol
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.json"


def write(file: Path, *events: CaseEvent) -> Path:
    file.write_bytes(orjson.dumps(events))
    return file


async def test_what_emit_sends_is_delivered(task_force: TaskForce, file: Path) -> None:
    events = [found_by_police(name="emitted"), adult_found_by_police(name="emitted")]
    done = await tocsin("emit", write(file, *events), "--json", "--data-dir", task_force.stack.data_dir)
    assert (done.exit_code, done.json()["accepted"], done.json()["durability"]) == (0, 2, DURABILITY)
    for event in events:
        await task_force.hears(ADVOCATE, event)


async def test_the_example_of_the_readme_is_delivered_as_often_as_it_is_tried(task_force: TaskForce) -> None:
    example = EXAMPLES / "accepted" / "victim.potential_identified.json"
    options = ("--new-id", "--json", "--data-dir", task_force.stack.data_dir)
    for _ in range(2):
        done = await tocsin("emit", example, *options)
        (event,) = done.json()["events"]
        assert (done.exit_code, event["status"]) == (0, 202)
        await task_force.hears(CHILD_WELFARE, event)


async def test_emit_says_what_to_mend_and_sends_the_rest(task_force: TaskForce, file: Path) -> None:
    good, bad = adult_found_by_police(name="good"), adult_found_by_police(name="bad")
    bad["data"]["age"] = {"band": "grown-up"}
    done = await tocsin("emit", write(file, bad, good), "--data-dir", task_force.stack.data_dir)
    assert done.exit_code == 1
    assert "data.age.band" in done.output
    assert "grown-up" not in done.output
    await task_force.hears(ADVOCATE, good)


async def test_emit_sends_again_what_intake_could_not_take(harsh_task_force: TaskForce, file: Path) -> None:
    event = adult_found_by_police(name="again")
    harsh_task_force.freeze("kafka")
    try:
        words = ("emit", write(file, event), "--data-dir", harsh_task_force.stack.data_dir)
        emitting = asyncio.create_task(tocsin(*words))
        await eventually(lambda: is_told_503(harsh_task_force), what="intake could not take it")
    finally:
        harsh_task_force.thaw("kafka")
    done = await emitting
    assert (done.exit_code, done.errors) == (0, "")
    await harsh_task_force.hears(ADVOCATE, event)


async def is_told_503(task_force: TaskForce) -> bool:
    return bool(task_force.logged("events.received", status=503))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def explained(task_force: TaskForce) -> CaseEvent:
    """An event whose every alert was delivered."""
    event = found_by_police(name="explained")
    await task_force.accept(event)

    async def delivered() -> bool:
        alerts = (await task_force.explain(event))["alerts"]
        return all(any(fact["kind"] == "delivered" for fact in alert["facts"]) for alert in alerts)

    await eventually(delivered, what="everything is delivered")
    return event


async def explain(task_force: TaskForce, event: CaseEvent, *options: str) -> Done:
    words = ("explain", event["id"], "--source", POLICE, "--data-dir", task_force.stack.data_dir)
    return await tocsin(*words, *options)


async def test_explain_says_why_an_agency_was_told(task_force: TaskForce, explained: CaseEvent) -> None:
    expected = expected_alerts()[CHILD_WELFARE]
    done = await explain(task_force, explained, "--agency", CHILD_WELFARE)
    assert done.exit_code == 0
    assert "K-03 (ca-kern-httf@2.2.0, CHILD_WELFARE in 06029): told" in done.output
    assert f"saw: {', '.join(sorted(expected.disclosed))}" in done.output
    assert f"did not see: {', '.join(sorted(expected.withheld))}" in done.output
    assert "delivered by webhook" in done.output


async def test_explain_says_why_another_was_not(task_force: TaskForce, explained: CaseEvent) -> None:
    done = await explain(task_force, explained, "--agency", "ag-kern-so")
    assert done.exit_code == 0
    assert "no rule that matched this event names a role that ag-kern-so holds there" in done.output
    assert "What ag-kern-so was told\n  nothing" in done.output


async def test_explain_names_every_rule_that_was_considered_and_no_value(
    task_force: TaskForce, explained: CaseEvent
) -> None:
    done = await explain(task_force, explained, "--json")
    (decision,) = done.json()["decisions"]
    verdicts = {(rule["rule"], rule["verdict"]) for rule in decision["rules"]}
    # Every rule about this type of event: two fire, the others say that they did not.
    assert {("K-03", "alerted"), ("K-07", "alerted")} <= verdicts
    assert {("K-04", "not_matched"), ("F-01", "not_matched")} <= verdicts
    assert {alert["agency"] for alert in decision["alerts"]} == {*expected_alerts(), "ag-bpd"}
    assert explained["data"]["name"]["full"] not in done.output
    assert explained["data"]["narrative"]["text"] not in done.output


async def test_explain_says_which_part_of_a_condition_stopped_a_rule(
    task_force: TaskForce, explained: CaseEvent
) -> None:
    done = await explain(task_force, explained)
    assert "F-01 (fed-baseline@1.0.0, for HHS_OTIP): its condition did not hold" in done.output
    assert (
        'not so: citizenship.status == "foreign_national" (citizenship.status was "unknown")' in done.output
    )


async def test_explain_takes_the_key_of_an_operator_and_records_who_read(
    task_force: TaskForce, explained: CaseEvent, tmp_path: Path
) -> None:
    stranger, ben = tmp_path / "eve.pem", tmp_path / "ben.pem"
    SigningKey.generate_file(stranger)
    ben.write_text(task_force.stack.keys["operators"]["op-ben"])
    ben.chmod(0o600)
    refused = await explain(task_force, explained, "--key", str(stranger))
    read = await explain(task_force, explained, "--key", str(ben), "--agency", CHILD_WELFARE)
    async with task_force.database() as database:
        rows = await database.fetch(
            "SELECT operator, what, detail FROM routing.read WHERE operator = 'op-ben'"
        )

    assert (refused.exit_code, refused.output, read.exit_code) == (2, "", 0)
    assert "operator of the directory" in refused.errors
    detail = f"event {explained['id']}, of {POLICE}, for {CHILD_WELFARE}"
    assert [tuple(row) for row in rows] == [("op-ben", "decision.explained", detail)]


async def test_explain_of_an_unknown_event_ends_with_1(task_force: TaskForce) -> None:
    done = await tocsin("explain", "never-sent", "--data-dir", task_force.stack.data_dir)
    assert (done.exit_code, done.output) == (1, "")
    assert "never accepted" in done.errors


def without_the_advocate(folder: Path) -> Path:
    """A draft of the county pack that does not tell the advocate of a person found."""
    text = (SHIPPED / "ca-kern-httf" / "2.2.0.yaml").read_text()
    before, _, after = text.partition("  - id: K-07")
    draft = folder / "draft.yaml"
    draft.write_text(before + after[after.index("  - id: ") :])
    return draft


def lost_of(done: Done, event: CaseEvent) -> list[str]:
    return [
        entry["agency"]
        for entry in done.json()["agencies"]
        for alert in entry["alerts"]
        if alert["effect"] == "lost" and alert["event"] == event["id"]
    ]


async def test_a_backtest_decides_what_was_really_processed_with_a_draft(
    task_force: TaskForce, explained: CaseEvent, tmp_path: Path
) -> None:
    words = ("protocol", "backtest", without_the_advocate(tmp_path), "--from-ledger", "--json")
    done = await tocsin(*words, "--data-dir", task_force.stack.data_dir)
    assert (done.exit_code, done.errors) == (0, "")
    assert lost_of(done, explained) == [ADVOCATE]
    assert explained["data"]["name"]["full"] not in done.output
    assert explained["data"]["narrative"]["text"] not in done.output
    assert explained["subject"] not in done.output


async def test_a_backtest_reads_the_deployment_that_the_environment_names(
    task_force: TaskForce, explained: CaseEvent, tmp_path: Path
) -> None:
    stack = task_force.stack
    operator = stack.keys["operator"]
    environment = {
        "TOCSIN_DATABASE_URL": stack.ready["postgres"],
        "TOCSIN_KAFKA": stack.ready["kafka"],
        "TOCSIN_KEK_FILE": str(stack.data_dir / "secrets" / "kek.json"),
        "TOCSIN_ROUTING_OPERATOR_KEYS": hash_api_key(operator),
        "TOCSIN_OPERATOR_KEY": operator,
    }
    words = ("protocol", "backtest", without_the_advocate(tmp_path), "--from-ledger", "--json")
    done = await tocsin(*words, environment=environment)
    assert (done.exit_code, lost_of(done, explained)) == (0, [ADVOCATE])
    stranger = await tocsin(*words, environment=environment | {"TOCSIN_OPERATOR_KEY": "tco_another"})
    assert (stranger.exit_code, stranger.output) == (2, "")
    assert "TOCSIN_OPERATOR_KEY is no operator's key of this deployment" in stranger.errors
    missing = await tocsin(*words, environment={"TOCSIN_DATABASE_URL": stack.ready["postgres"]})
    assert missing.exit_code != 0
    assert "TOCSIN_KAFKA: it is missing" in missing.errors


async def test_what_an_endpoint_refused_is_listed_shown_and_redriven(task_force: TaskForce) -> None:
    receiver, event = task_force.receivers[ADVOCATE], adult_found_by_police(name="refused")
    receiver.answer = status(422)
    data_dir = ("--data-dir", task_force.stack.data_dir)
    words = ("deliveries", "list", "--agency", ADVOCATE, "--since", "1h", "--json", *data_dir)
    try:
        await task_force.accept(event)
        alert_id = (await task_force.hears(ADVOCATE, event)).data["alert_id"]

        async def find_dead() -> str | None:
            listed = (await tocsin(*words)).json()["deliveries"]
            return next((dead["delivery_id"] for dead in listed if dead["alert_id"] == alert_id), None)

        delivery = await eventually(find_dead, what="the refused delivery is a dead letter")
    finally:
        receiver.answer = None
    shown = await tocsin("deliveries", "show", delivery, *data_dir)
    assert shown.exit_code == 0
    assert "refused  422" in shown.output
    counted = await tocsin("deliveries", "list", "--agency", ADVOCATE, "--since", "1h", *data_dir)
    assert counted.output.endswith("\nDead letters: 1.\n")
    dry = await tocsin("deliveries", "redrive", delivery, "--dry-run", *data_dir)
    assert (dry.exit_code, dry.output) == (0, f"{delivery}\n1 would be tried again.\n")
    assert (await tocsin("deliveries", "redrive", delivery, *data_dir)).output == "1 are due again.\n"
    await task_force.hears_often(ADVOCATE, event, 2)


async def test_what_deliveries_cannot_do_is_said(task_force: TaskForce) -> None:
    data_dir = ("--data-dir", task_force.stack.data_dir)
    nothing = await tocsin("deliveries", "redrive", *data_dir)
    assert (nothing.exit_code, nothing.output) == (1, "")
    assert "say which: delivery_ids, agency, endpoint_id, since or until" in nothing.errors
    odd = await tocsin("deliveries", "redrive", "0199", *data_dir)
    assert (odd.exit_code, "/delivery_ids/0: must be an id" in odd.errors) == (1, True)
    unknown = await tocsin("deliveries", "show", "0199a000-0000-7000-8000-000000000000", *data_dir)
    assert (unknown.exit_code, unknown.output) == (1, "")
    wrong = await tocsin("deliveries", "list", "--since", "yesterday", *data_dir)
    assert (wrong.exit_code, wrong.output) == (2, "")


async def test_a_person_enrols_by_the_code_of_an_operator_and_is_removed(task_force: TaskForce) -> None:
    data_dir = ("--data-dir", task_force.stack.data_dir)
    made = (await tocsin("contact", "enrol", CHILD_WELFARE, "--json", *data_dir)).json()
    assert made["link"] == f"{task_force.stack.ready['notify']}/enrol"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        visitor = Visitor(task_force.stack.ready["notify"], http)
        page = await begin_to_enrol(visitor, made["code"])
        digits = make_code(page.marked["code"][0], step=int(time.time()) // STEP_SECONDS)
        done = await visitor.submit(page.find_form("/enrol/confirm"), code=digits)
    assert done.marked["h1"] == ["Enrolled"]
    [person] = (await tocsin("contact", "list", CHILD_WELFARE, "--json", *data_dir)).json()["people"]
    assert (person["name"], person["contact"]) == (NAME, "primary")
    for expected in (0, 1):
        removed = await tocsin("contact", "remove", person["person_id"], *data_dir)
        assert removed.exit_code == expected, removed.errors
    assert (await tocsin("contact", "list", CHILD_WELFARE, *data_dir)).output == "Nobody.\n"
    missing = await tocsin("contact", "enrol", "ag-nobody", *data_dir)
    assert (missing.exit_code, missing.output) == (1, "")
    for words in (("contact", "list", "ag-nobody"), ("duties", "--agency", "ag-nobody")):
        misspelt = await tocsin(*words, *data_dir)
        assert (misspelt.exit_code, misspelt.output) == (1, "")
        assert "`tocsin directory show` lists them" in misspelt.errors
