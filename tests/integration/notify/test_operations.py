"""Operators see what did not arrive; they never see what it says. Nothing here changes what they see."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio

from services.runtime.crypto import hash_api_key
from tests.integration.notify.operating import (
    AGENCY,
    KEY,
    OTHER,
    PATH,
    add_refusing_agencies,
    key_of,
    listed,
    make_dead_letters,
    operated_notify,
    redrive,
)
from tests.integration.notify.rig import Rig, RunningNotify
from tests.support.receivers import Receivers, open_receivers
from tests.unit.notify.records import PLANTED

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def rig(module_rig: Rig) -> Rig:
    return module_rig


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receivers() -> AsyncIterator[Receivers]:
    async with open_receivers() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def notify(rig: Rig, receivers: Receivers) -> AsyncIterator[RunningNotify]:
    """Two agencies whose endpoints refuse, one alert for each, and both are dead letters."""
    await add_refusing_agencies(rig, receivers)
    async with operated_notify(rig) as running:
        await make_dead_letters(rig)
        yield running


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


async def test_a_nul_in_a_request_is_the_senders_mistake(notify: RunningNotify) -> None:
    reply = await notify.ask("GET", f"{PATH}?endpoint_id=a%00", key=KEY)
    assert (reply.status, reply.headers["content-type"]) == (422, "application/problem+json")


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
    # Of the tests before this one.
    await rig.query("DELETE FROM notify.read")
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
