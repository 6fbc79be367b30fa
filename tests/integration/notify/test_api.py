"""The agencies' API and the page behind an e-mail's link."""

from collections.abc import AsyncIterator
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio

from schemas.alert import AlertData, AlertForm, AlertPointer, Command, DutyNotice
from tests.integration.notify.rig import Reply, Rig, RunningNotify, running_notify
from tests.support.receivers import Receivers, open_receivers, status
from tests.unit.notify.records import PLANTED

AGENCY, KEY = "ag-kern-cw", "tca_key_of_child_welfare"
OTHER, OTHER_KEY = "ag-other", "tca_key_of_another"
PERSON = {"person": "J. Ortiz", "role": "duty supervisor"}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def notify(module_rig: Rig) -> AsyncIterator[RunningNotify]:
    await module_rig.add_agency(AGENCY, key=KEY)
    await module_rig.add_agency(OTHER, key=OTHER_KEY)
    async with running_notify(module_rig, module_rig.settings()) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def rig(shared_rig: Rig, notify: RunningNotify) -> Rig:
    # A test may have had its database away.
    await notify.wait_ready(shared_rig.version)
    return shared_rig


@pytest_asyncio.fixture(loop_scope="module")
async def receivers() -> AsyncIterator[Receivers]:
    async with open_receivers() as opened:
        yield opened


async def test_an_agency_reads_its_alerts_in_full_and_where_to_go_on(rig: Rig, notify: RunningNotify) -> None:
    alerts = [await rig.seal_alert() for _ in range(3)]
    notice = await rig.seal_alert(form=AlertForm.DUTY_NOTICE)
    await rig.publish_alerts(await rig.seal_alert(agency=OTHER), *alerts, notice)
    await rig.wait_for_receipts(*["stored"] * 5)
    first = (await notify.ask("GET", "/v1/alerts?limit=3", key=KEY)).body
    second = (await notify.ask("GET", f"/v1/alerts?after={first['next']}", key=KEY)).body
    third = (await notify.ask("GET", f"/v1/alerts?after={second['next']}", key=KEY)).body
    read = [AlertData.model_validate_json(_json(alert)) for alert in first["alerts"]]
    assert [alert.alert_id for alert in read] == [alert.alert_id for alert in alerts]
    assert read[0].disclosed == {"name": {"full": "Marisol Ejemplovich"}}
    assert DutyNotice.model_validate_json(_json(second["alerts"][0])).notice_id == notice.alert_id
    assert third == {"alerts": [], "next": second["next"]}


async def test_an_alert_is_read_by_its_agency_and_nobody_else(rig: Rig, notify: RunningNotify) -> None:
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")
    path = f"/v1/alerts/{alert.alert_id}"
    own = await notify.ask("GET", path, key=KEY)
    others = await notify.ask("GET", path, key=OTHER_KEY)
    unknown = await notify.ask("GET", f"/v1/alerts/{uuid4()}", key=OTHER_KEY)
    no_id = await notify.ask("GET", "/v1/alerts/1", key=OTHER_KEY)
    assert AlertData.model_validate_json(_json(own.body)).alert_id == alert.alert_id
    assert own.headers["cache-control"] == "no-store"
    # Nothing tells an alert of another agency from one that never was.
    assert others.status == unknown.status == no_id.status == 404
    assert others.body == unknown.body == no_id.body
    assert others.headers["content-type"] == "application/problem+json"


async def test_without_the_key_of_an_agency_there_is_nothing(rig: Rig, notify: RunningNotify) -> None:
    keys = [None, "tca_of_nobody_at_all", "", KEY.upper()]
    replies = [
        reply
        for key in keys
        for reply in (
            await notify.ask("GET", "/v1/alerts", key=key),
            await notify.ask("GET", f"/v1/alerts/{uuid4()}", key=key),
            await notify.ask("POST", f"/v1/alerts/{uuid4()}/acknowledge", key=key, json=PERSON),
        )
    ]
    assert [reply.status for reply in replies] == [401] * 12
    assert {reply.headers["www-authenticate"] for reply in replies} == {"Bearer"}
    assert {reply.headers["content-type"] for reply in replies} == {"application/problem+json"}


async def test_a_shredded_case_leaves_the_pointer_alone(rig: Rig, notify: RunningNotify) -> None:
    alert = await rig.seal_alert()
    await rig.shred(alert.key_id)
    await rig.publish_alerts(alert)
    await rig.wait_for_receipts("stored")
    feed = (await notify.ask("GET", "/v1/alerts", key=KEY)).body
    taken = await acknowledge(notify, alert.alert_id)
    assert AlertPointer.model_validate_json(_json(feed["alerts"][0])).alert_id == alert.alert_id
    assert (taken.status, taken.body["person"]) == (200, None)


async def test_a_person_acknowledges_and_the_first_one_counts(
    rig: Rig, notify: RunningNotify, logs: list[dict[str, object]]
) -> None:
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")
    first = await acknowledge(notify, alert.alert_id, person=" J. Ortiz ")
    again = await acknowledge(notify, alert.alert_id, person="Somebody Else")
    await rig.wait_for_receipts("stored", "acknowledged")
    assert first.status == again.status == 200
    assert first.body == again.body
    assert (first.body["person"], first.body["role"]) == ("J. Ortiz", "duty supervisor")
    assert [line["is_first"] for line in logs if line["event"] == "alert.acknowledged"] == [True, False]
    assert "Ortiz" not in str(logs)
    (row,) = await rig.query("SELECT * FROM notify.acknowledgement")
    assert b"Ortiz" not in row["person_sealed"]
    receipts = await rig.read_receipts()
    assert "Ortiz" not in str(receipts)


async def test_an_acknowledgement_ends_the_retries(
    rig: Rig, notify: RunningNotify, receivers: Receivers
) -> None:
    receivers["one"].answer = status(503)
    agency, key = "ag-retried", "tca_key_of_who_is_asked_again"
    await rig.add_agency(agency, receivers["one"], key=key)
    await notify.wait_ready(rig.version)
    alert = await rig.send_alert(agency=agency)
    await receivers["one"].wait_for(2)
    assert (await acknowledge(notify, alert.alert_id, key=key)).status == 200
    await rig.wait_for_row("SELECT 1 FROM notify.delivery WHERE state = 'acknowledged'")
    other = await rig.send_alert(agency=agency)
    before = [a for a in receivers["one"].arrivals if a.data["alert_id"] == str(alert.alert_id)]
    while len([a for a in receivers["one"].arrivals if a.data["alert_id"] == str(other.alert_id)]) < 4:
        await receivers["one"].wait_for(len(receivers["one"].arrivals) + 1)
    after = [a for a in receivers["one"].arrivals if a.data["alert_id"] == str(alert.alert_id)]
    # One attempt may have been under way when it was acknowledged.
    assert len(after) <= len(before) + 1
    # Nothing is retried beyond this test.
    assert (await acknowledge(notify, other.alert_id, key=key)).status == 200


BODIES = [
    (b"{}", 422, ["/person", "/role"]),
    (b'{"person": "  ", "role": ""}', 422, ["/person", "/role"]),
    (b'{"person": "J. Ortiz", "role": null}', 422, ["/role"]),
    (b'{"person": "J.\\u0000 Ortiz", "role": "duty\\nsupervisor"}', 422, ["/person", "/role"]),
    (b'{"person": "J. Ortiz", "role": "x", "note": "Marisol"}', 422, ["/note"]),
    (b'{"person": 7, "role": ["Marisol"]}', 422, ["/person", "/role"]),
    (b'["Marisol"]', 422, [""]),
    (b"", 422, [""]),
    (b'{"person": "Marisol', 400, []),
]


async def test_an_acknowledgement_names_a_person_and_a_role(rig: Rig, notify: RunningNotify) -> None:
    path = f"/v1/alerts/{uuid4()}/acknowledge"
    replies = [await notify.ask("POST", path, key=KEY, data=body) for body, _, _ in BODIES]
    assert [
        (reply.status, sorted(error["path"] for error in reply.body.get("errors", []))) for reply in replies
    ] == [(expected, paths) for _, expected, paths in BODIES]
    assert {reply.headers["content-type"] for reply in replies} == {"application/problem+json"}
    assert "Marisol" not in "".join(reply.text for reply in replies)


async def test_nobody_acknowledges_for_another_agency(rig: Rig, notify: RunningNotify) -> None:
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")
    reply = await acknowledge(notify, alert.alert_id, key=OTHER_KEY)
    assert reply.status == 404
    assert await rig.query("SELECT 1 FROM notify.acknowledgement") == []


async def test_a_cursor_or_limit_that_is_none_is_refused_by_name(rig: Rig, notify: RunningNotify) -> None:
    queries = ["after=x", "after=-1", "after=1e3", "limit=0", "limit=501", "limit=x"]
    replies = [await notify.ask("GET", f"/v1/alerts?{query}", key=KEY) for query in queries]
    assert [reply.status for reply in replies] == [422] * len(queries)
    paths = [[error["path"] for error in reply.body["errors"]] for reply in replies]
    assert paths == [[f"/query/{query.partition('=')[0]}"] for query in queries]


async def test_the_page_shows_urgency_id_and_deadline_and_acknowledges_nothing(
    rig: Rig, notify: RunningNotify
) -> None:
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")
    page = await notify.ask("GET", f"/a/{alert.alert_id}")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    for shown in ("IMMEDIATE", alert.alert_id.hex[:8].upper(), "2126-03-03 22:55 PST (2126-03-04 06:55 UTC)"):
        assert shown in page.text
    assert not [word for word in PLANTED if word in page.text]
    assert "<script" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "noindex" in page.headers["x-robots-tag"]
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert page.headers["referrer-policy"] == "same-origin"
    assert await rig.query("SELECT 1 FROM notify.acknowledgement") == []


async def test_what_is_unknown_withdrawn_or_no_id_shows_the_same_page(
    rig: Rig, notify: RunningNotify
) -> None:
    alert = await rig.send_alert()
    await rig.send_alert(alert_id=alert.alert_id, revision=2, command=Command.STOP)
    await rig.wait_for_receipts("stored", "stored")
    paths = [f"/a/{alert.alert_id}", f"/a/{uuid4()}", "/a/1A2B3C4D", "/a/%00"]
    pages = [await notify.ask("GET", path) for path in paths]
    feed = (await notify.ask("GET", "/v1/alerts", key=KEY)).body
    assert {(page.status, page.text) for page in pages} == {(404, pages[0].text)}
    assert feed["alerts"] == []


async def test_other_paths_and_methods_are_problems_too(rig: Rig, notify: RunningNotify) -> None:
    nowhere = await notify.ask("GET", "/v1/nowhere", key=KEY)
    slash = await notify.ask("GET", "/v1/alerts/", key=KEY)
    deleted = await notify.ask("DELETE", "/v1/alerts", key=KEY)
    assert (nowhere.status, slash.status) == (404, 404)
    assert (deleted.status, deleted.headers["allow"]) == (405, "GET")
    assert nowhere.headers["content-type"] == deleted.headers["content-type"] == "application/problem+json"


async def acknowledge(
    notify: RunningNotify, alert_id: object, *, key: str = KEY, person: str = "J. Ortiz"
) -> Reply:
    path = f"/v1/alerts/{alert_id}/acknowledge"
    return await notify.ask("POST", path, key=key, json={**PERSON, "person": person})


def _json(document: object) -> bytes:
    return orjson.dumps(document)


async def test_while_the_database_is_away_the_agency_is_asked_to_come_again(
    rig: Rig, notify: RunningNotify
) -> None:
    async with rig.database_away():
        await notify.wait_unready()
        reply = await notify.ask("GET", f"/v1/alerts/{uuid4()}", key=KEY)
        page = await notify.ask("GET", f"/a/{uuid4()}")
    assert (reply.status, page.status) == (503, 503)
    assert reply.headers["retry-after"] == "1"
