"""What operators and agencies have tried again, and whom operators let in."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from services.runtime.crypto import hash_api_key
from tests.integration.notify.operating import (
    AGENCY,
    KEY,
    OTHER,
    add_refusing_agencies,
    key_of,
    listed,
    make_dead_letters,
    operated_notify,
    redrive,
)
from tests.integration.notify.rig import Rig, RunningNotify, wait_until
from tests.support.receivers import Receivers, open_receivers, status

PEOPLE = "/v1/operator/people"
REPLACED = """
INSERT INTO notify.alert SELECT (json_populate_record(a, '{"revision": 2, "feed_position": 99}')).*
FROM notify.alert a WHERE alert_id = $1
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def rig(shared_rig: Rig) -> Rig:
    return shared_rig


@pytest_asyncio.fixture(loop_scope="module")
async def receivers() -> AsyncIterator[Receivers]:
    async with open_receivers() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(module_rig: Rig) -> AsyncIterator[RunningNotify]:
    async with operated_notify(module_rig) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def notify(rig: Rig, running: RunningNotify, receivers: Receivers) -> RunningNotify:
    """Two agencies whose endpoints refuse, one alert for each, and both are dead letters."""
    await add_refusing_agencies(rig, receivers)
    await running.wait_ready(rig.version)
    await make_dead_letters(rig)
    return running


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
