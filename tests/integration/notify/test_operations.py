"""Operators see what did not arrive and try again; they never see what it says."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from services.notify.schedule import SCHEDULES, Schedule
from services.runtime.crypto import hash_api_key, new_api_key
from tests.integration.notify.rig import Reply, Rig, RunningNotify, running_notify, wait_until
from tests.support.receivers import Receivers, status
from tests.unit.notify.records import PLANTED

AGENCY, OTHER = "ag-kern-cw", "ag-other"
KEY = new_api_key("tco")
PATH = "/v1/operator/deliveries"
PEOPLE = "/v1/operator/people"
REPLACED = """
INSERT INTO notify.alert SELECT (json_populate_record(a, '{"revision": 2, "feed_position": 99}')).*
FROM notify.alert a WHERE alert_id = $1
"""
ONCE = dict.fromkeys(SCHEDULES, Schedule((timedelta(seconds=0.02),), repeat=None))


@pytest.fixture
async def notify(rig: Rig, receivers: Receivers) -> AsyncIterator[RunningNotify]:
    """Two agencies whose endpoints refuse, one alert for each, and both are dead letters."""
    for agency in (AGENCY, OTHER):
        receivers[agency].answer = status(422)
        await rig.add_agency(agency, receivers[agency], key=key_of(agency))
    settings = rig.settings(notify_operator_keys=hash_api_key(KEY))
    async with running_notify(rig, settings, schedules=ONCE) as running:
        for count, agency in enumerate((AGENCY, OTHER), start=1):
            # One after the other: of what is planned in one millisecond nobody is the newer.
            await rig.send_alert(agency=agency)
            await rig.wait_for_receipts(*["failed"] * count)
        yield running


async def listed(notify: RunningNotify, **query: str) -> list[dict[str, object]]:
    reply = await notify.ask("GET", f"{PATH}?{urlencode(query)}", key=KEY)
    assert reply.status == 200, reply.text
    found: list[dict[str, object]] = reply.body["deliveries"]
    return found


async def redrive(notify: RunningNotify, **criteria: object) -> Reply:
    return await notify.ask("POST", f"{PATH}/redrive", key=KEY, json=criteria)


async def test_dead_letters_are_listed_the_newest_first_and_without_content(notify: RunningNotify) -> None:
    reply = await notify.ask("GET", PATH, key=KEY)
    entries = reply.body["deliveries"]
    assert [entry["agency"] for entry in entries] == [OTHER, AGENCY]
    assert {(entry["state"], entry["attempts"], entry["status_code"]) for entry in entries} == {
        ("refused", 1, 422)
    }
    # The agency is what it is about; a name, a case, an event, its type and the county are not.
    assert not [word for word in PLANTED if word != AGENCY and word in reply.text]
    assert reply.headers["cache-control"] == "no-store"


async def test_a_page_says_where_the_next_one_begins(notify: RunningNotify) -> None:
    first = (await notify.ask("GET", f"{PATH}?limit=1", key=KEY)).body
    second = (await notify.ask("GET", f"{PATH}?limit=1&before={first['next']}", key=KEY)).body
    third = (await notify.ask("GET", f"{PATH}?limit=1&before={second['next']}", key=KEY)).body
    agencies = [entry["agency"] for page in (first, second, third) for entry in page["deliveries"]]
    assert (agencies, third["next"]) == ([OTHER, AGENCY], None)
    assert [page["total"] for page in (first, second, third)] == [2, 2, 2]
    assert (await notify.ask("GET", f"{PATH}?agency={AGENCY}", key=KEY)).body["total"] == 1
    assert (await notify.ask("GET", f"{PATH}?standing=pending", key=KEY)).body["total"] == 0


async def test_they_are_found_by_agency_endpoint_and_time(rig: Rig, notify: RunningNotify) -> None:
    (entry,) = await listed(notify, agency=AGENCY)
    decided = datetime.fromisoformat(str(entry["decided_at"]))
    after, before = (decided + timedelta(seconds=1)).isoformat(), decided.isoformat()
    assert await listed(notify, endpoint_id=str(entry["endpoint_id"])) == [entry]
    assert len(await listed(notify, since=before)) == 2
    assert await listed(notify, since=after) == await listed(notify, until=before) == []
    assert await listed(notify, standing="pending") == []


async def test_an_agency_that_nobody_knows_is_not_one_of_which_nothing_failed(notify: RunningNotify) -> None:
    listing = await notify.ask("GET", f"{PATH}?agency=ag-nobody", key=KEY)
    redriving = await redrive(notify, agency="ag-nobody", dry_run=True)
    assert (listing.status, redriving.status) == (404, 404)
    assert "`tocsin directory show` lists them" in listing.body["detail"]


async def test_one_is_shown_with_every_attempt(notify: RunningNotify) -> None:
    (entry,) = await listed(notify, agency=AGENCY)
    reply = await notify.ask("GET", f"{PATH}/{entry['delivery_id']}", key=KEY)
    assert reply.body["delivery"] == entry
    assert [(each["number"], each["outcome"], each["status_code"]) for each in reply.body["attempts"]] == [
        (1, "refused", 422)
    ]
    assert (await notify.ask("GET", f"{PATH}/{uuid4()}", key=KEY)).status == 404


async def test_a_dry_run_says_what_would_be_tried_and_changes_nothing(
    notify: RunningNotify, receivers: Receivers
) -> None:
    before = await listed(notify)
    reply = await redrive(notify, agency=AGENCY, dry_run=True)
    assert (reply.body["count"], reply.body["dry_run"], reply.body["is_whole"]) == (1, True, True)
    assert reply.body["delivery_ids"] == [
        entry["delivery_id"] for entry in before if entry["agency"] == AGENCY
    ]
    assert await listed(notify) == before
    assert len(receivers[AGENCY].arrivals) == 1


async def test_what_is_redriven_arrives_under_the_same_id_and_others_are_left_alone(
    rig: Rig, notify: RunningNotify, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    for agency in (AGENCY, OTHER):
        receivers[agency].answer = None
    (entry,) = await listed(notify, agency=AGENCY)
    reply = await redrive(notify, endpoint_id=entry["endpoint_id"])
    assert reply.body["count"] == 1
    await rig.wait_for_receipts("failed", "failed", "delivered")
    assert len({arrival.webhook_id for arrival in receivers[AGENCY].arrivals}) == 1
    assert [each["agency"] for each in await listed(notify)] == [OTHER]
    (line,) = [line for line in logs if line["event"] == "deliveries.redriven"]
    assert (line["delivery_count"], line["operator"]) == (1, hash_api_key(KEY)[:8])


async def test_a_redriven_delivery_begins_its_schedule_anew(
    rig: Rig, notify: RunningNotify, receivers: Receivers
) -> None:
    receivers[AGENCY].answer = status(503)
    (entry,) = await listed(notify, agency=AGENCY)
    await redrive(notify, delivery_ids=[entry["delivery_id"]])
    # Its schedule has two attempts: without a new beginning the first of them would be its last.
    await rig.wait_for_row(
        "SELECT 1 FROM notify.delivery WHERE state = 'exhausted' AND attempts = 3 AND delivery_id = $1",
        entry["delivery_id"],
    )


async def test_what_somebody_acknowledged_or_replaced_is_not_sent_again(
    rig: Rig, notify: RunningNotify, receivers: Receivers
) -> None:
    (mine,) = await listed(notify, agency=AGENCY)
    (others,) = await listed(notify, agency=OTHER)
    await notify.ask(
        "POST",
        f"/v1/alerts/{mine['alert_id']}/acknowledge",
        key=key_of(AGENCY),
        json={"person": "J. Ortiz", "role": "supervisor"},
    )
    await rig.query(REPLACED, others["alert_id"])
    reply = await redrive(notify, delivery_ids=[mine["delivery_id"], others["delivery_id"]])
    assert (reply.status, reply.body["count"]) == (200, 0)


def key_of(agency: str) -> str:
    return f"tca_key-of-{agency}"


async def test_an_agency_has_what_its_own_endpoint_missed_sent_again(
    rig: Rig, notify: RunningNotify, receivers: Receivers
) -> None:
    receivers[AGENCY].answer = None
    (endpoint,) = (await notify.ask("GET", "/v1/endpoints", key=key_of(AGENCY))).body["endpoints"]
    (other,) = (await notify.ask("GET", "/v1/endpoints", key=key_of(OTHER))).body["endpoints"]
    assert (endpoint["url"], endpoint["is_suspended"]) == (receivers[AGENCY].url, False)
    since, late = "2026-03-01T00:00:00Z", "2199-01-01T00:00:00Z"
    path = f"/v1/endpoints/{endpoint['endpoint_id']}/recover?since="
    assert (await notify.ask("POST", path + late, key=key_of(AGENCY))).body == {"count": 0}
    foreign = await notify.ask(
        "POST", f"/v1/endpoints/{other['endpoint_id']}/recover?since={since}", key=key_of(AGENCY)
    )
    assert foreign.status == 404
    assert (await notify.ask("POST", path + since, key=key_of(AGENCY))).body == {"count": 1}
    await rig.wait_for_receipts("failed", "failed", "delivered")
    assert [each["agency"] for each in await listed(notify)] == [OTHER]


async def test_reconciliation_lists_what_an_agency_should_have_of_a_day(
    rig: Rig, notify: RunningNotify, receivers: Receivers
) -> None:
    (row,) = await rig.query(
        "SELECT (stored_at AT TIME ZONE 'America/Los_Angeles')::date AS day FROM notify.alert"
        " WHERE agency = $1",
        AGENCY,
    )
    day = row["day"]
    path = "/v1/reconciliation?date="
    today = (await notify.ask("GET", f"{path}{day}", key=key_of(AGENCY))).body
    assert today["date"] == str(day)
    assert [alert["webhook_id"] for alert in today["alerts"]] == [
        arrival.webhook_id for arrival in receivers[AGENCY].arrivals
    ]
    for other in (day - timedelta(days=1), day + timedelta(days=1)):
        assert (await notify.ask("GET", f"{path}{other}", key=key_of(AGENCY))).body["alerts"] == []
    assert (await notify.ask("GET", f"{path}someday", key=key_of(AGENCY))).status == 422


@pytest.mark.parametrize(
    ("criteria", "status_code"),
    [
        ({}, 422),
        ({"dry_run": True}, 422),
        ({"delivery_ids": []}, 422),
        ({"agency": "no agency"}, 422),
        ({"since": "yesterday"}, 422),
        ({"everything": True}, 422),
    ],
)
async def test_a_redrive_of_nothing_in_particular_is_refused(
    notify: RunningNotify, criteria: dict[str, object], status_code: int
) -> None:
    assert (await redrive(notify, **criteria)).status == status_code


@pytest.mark.parametrize("key", [None, "tco_somebody-else-s-key", f"tca_key-of-{AGENCY}"])
async def test_only_operators_are_let_in(notify: RunningNotify, key: str | None) -> None:
    replies = [
        await notify.ask("GET", PATH, key=key),
        await notify.ask("GET", f"{PATH}/{uuid4()}", key=key),
        await notify.ask("POST", f"{PATH}/redrive", key=key, json={"agency": AGENCY}),
    ]
    assert [reply.status for reply in replies] == [401] * 3


async def test_an_operator_is_no_agency(notify: RunningNotify) -> None:
    assert (await notify.ask("GET", "/v1/alerts", key=KEY)).status == 401


async def test_who_looked_at_what_and_had_it_tried_again_is_recorded(rig: Rig, notify: RunningNotify) -> None:
    (entry,) = await listed(notify, agency=AGENCY)
    await notify.ask("GET", f"{PATH}/{entry['delivery_id']}", key=KEY)
    await redrive(notify, agency=AGENCY, dry_run=True)
    await notify.ask("GET", PATH, key="tco_nobody")
    rows = await rig.query("SELECT what, detail, operator FROM notify.read ORDER BY at")
    assert [(row["what"], row["detail"]) for row in rows] == [
        ("deliveries.listed", f"agency={AGENCY} standing=dead limit=100"),
        ("delivery.shown", f"delivery_id={entry['delivery_id']}"),
        ("deliveries.redriven", f"agency={AGENCY} dry_run=True"),
    ]
    assert {row["operator"] for row in rows} == {hash_api_key(KEY)[:8]}


async def test_whom_an_operator_let_sign_in_is_recorded(rig: Rig, notify: RunningNotify) -> None:
    """By a code an operator could sign in as anybody's duty desk, and read what operators never see."""
    await rig.add_agency(AGENCY, key=key_of(AGENCY), email="duty@cw.example")

    async def is_invited() -> bool:
        asked = {"agency": AGENCY, "rung": "primary"}
        return (await notify.ask("POST", f"{PEOPLE}/invite", key=KEY, json=asked)).status == 200

    await wait_until(is_invited)
    await notify.ask("GET", f"{PEOPLE}?agency={AGENCY}", key=KEY)
    misspelt = await notify.ask("GET", f"{PEOPLE}?agency=ag-nobody", key=KEY)
    assert (misspelt.status, "tocsin directory show" in misspelt.body["detail"]) == (404, True)
    gone = uuid4()
    replies = [await notify.ask("DELETE", f"{PEOPLE}/{each}", key=KEY) for each in (gone, "nobody")]
    assert [reply.status for reply in replies] == [404, 404]

    [enrolment] = await rig.query("SELECT person_id FROM notify.enrolment")
    rows = await rig.query("SELECT what, detail, operator FROM notify.read ORDER BY at")
    assert [(row["what"], row["detail"]) for row in rows] == [
        ("person.invited", f"agency={AGENCY} contact=primary person_id={enrolment['person_id']}"),
        ("people.listed", f"agency={AGENCY}"),
        ("person.removed", f"person_id={gone}"),
    ]
    assert {row["operator"] for row in rows} == {hash_api_key(KEY)[:8]}
