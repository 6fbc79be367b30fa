"""An agency's register of duties: told in alerts and notices, closed by evidence and by nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import orjson
import pytest
import pytest_asyncio

from schemas.alert import AlertContent, AlertForm, AlertRecord, Command, DutyItem, DutyReview, NoticeDuty
from schemas.duty import DutyEvidence
from schemas.receipt import Evidence
from schemas.sealed import alert_seal_context, evidence_seal_context
from services.runtime.crypto import open_sealed, seal
from tests.integration.notify.rig import Reply, Rig, RunningNotify, wait_until
from tests.integration.notify.standing.at_work import Standing
from tests.support.receivers import Receivers
from tests.unit.notify.records import DECIDED_AT, alert_content, duty_notice

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENCY, KEY = "ag-kern-cw", "tca_key_of_child_welfare"
OTHER, OTHER_KEY = "ag-other", "tca_key_of_another"
DUE = datetime(2126, 3, 5, 18, 10, tzinfo=UTC)
EVIDENCE = {
    "who": "J. Ortiz",
    "channel": "telephone",
    "reference": "hotline 4711",
    "at": "2026-03-04T07:10:00-08:00",
}
_DEFAULT_CASE = "01JNF0Z6W3"


@pytest_asyncio.fixture(loop_scope="module")
async def agencies(rig: Rig) -> None:
    await rig.add_agency(AGENCY, key=KEY)
    await rig.add_agency(OTHER, key=OTHER_KEY)


def item(duty_id: UUID, *, holder: str = AGENCY, due: object = DUE) -> DutyItem:
    return DutyItem.model_validate(
        {
            "duty_id": duty_id,
            "rule": "K-03",
            "holder": holder,
            "what": "telephone now; written SS 8572",
            "due": due,
            "authority": ["Cal. Penal Code 11166(a)"],
        }
    )


async def seal_content(rig: Rig, record: AlertRecord, content: bytes) -> AlertRecord:
    _, key = await rig._find_key(_DEFAULT_CASE, for_operations=False)
    context = alert_seal_context(
        alert_id=str(record.alert_id), agency=record.agency, revision=record.revision
    )
    return record.model_copy(update={"sealed": seal(key, content, context=context)})


async def send_alert(rig: Rig, *duties: DutyItem, agency: str = AGENCY, **changes: object) -> AlertRecord:
    record = (await rig.seal_alert(agency=agency)).model_copy(update=changes)
    content: AlertContent = alert_content(record).model_copy(update={"duties": list(duties)})
    sealed = await seal_content(rig, record, content.model_dump_json().encode())
    await rig.publish_alerts(sealed)
    return sealed


async def send_notice(rig: Rig, duty_id: UUID) -> AlertRecord:
    record = await rig.seal_alert(form=AlertForm.DUTY_NOTICE)
    own = NoticeDuty.model_validate(item(duty_id).model_dump(exclude={"holder"}))
    content = duty_notice(record).model_copy(update={"duties": [own]})
    sealed = await seal_content(rig, record, content.model_dump_json().encode())
    await rig.publish_alerts(sealed)
    return sealed


async def send_review(rig: Rig, *duty_ids: UUID) -> AlertRecord:
    record = (await rig.seal_alert()).model_copy(update={"command": Command.REVIEW})
    content = DutyReview(duty_ids=list(duty_ids)).model_dump_json().encode()
    sealed = await seal_content(rig, record, content)
    await rig.publish_alerts(sealed)
    return sealed


async def wait_stored(rig: Rig, count: int) -> None:
    await rig.wait_for_row("SELECT 1 FROM notify.alert HAVING count(*) = $1", count)


async def list_duties(notify: RunningNotify, *, key: str = KEY, after: str = "0") -> dict[str, Any]:
    reply = await notify.ask("GET", f"/v1/duties?after={after}", key=key)
    assert reply.status == 200, reply.text
    return cast("dict[str, Any]", reply.body)


async def close(notify: RunningNotify, duty_id: object, *, key: str = KEY, **changes: object) -> Reply:
    return await notify.ask("POST", f"/v1/duties/{duty_id}/evidence", key=key, json={**EVIDENCE, **changes})


async def test_a_duty_is_listed_for_its_holder_as_its_alert_shows_it_and_for_nobody_else(
    rig: Rig, standing: Standing, agencies: None
) -> None:
    mine, theirs = uuid4(), uuid4()
    async with standing.at_work() as notify:
        await send_alert(rig, item(mine), item(theirs, holder="ag-bpd"))
        await send_alert(rig, item(mine), agency=OTHER)
        await wait_stored(rig, 2)
        listed = await list_duties(notify)
        others = await list_duties(notify, key=OTHER_KEY)
    (duty,) = listed["duties"]
    assert duty == {
        "duty_id": str(mine),
        "status": "open",
        "rule": "K-03",
        "what": "telephone now; written SS 8572",
        "due": "2126-03-05T18:10:00Z",
        "authority": ["Cal. Penal Code 11166(a)"],
        "event_id": "cad-2026-0001",
        "case_ref": _DEFAULT_CASE,
        "evidence": None,
        "closed_at": None,
    }
    assert others["duties"] == []


async def test_the_cursor_brings_what_is_new_and_what_changed_and_never_skips(
    rig: Rig, standing: Standing, agencies: None
) -> None:
    first, second, third = uuid4(), uuid4(), uuid4()
    async with standing.at_work() as notify:
        await send_alert(rig, item(first), item(second))
        await wait_stored(rig, 1)
        page = (await notify.ask("GET", "/v1/duties?limit=1", key=KEY)).body
        rest = await list_duties(notify, after=page["next"])
        assert {duty["duty_id"] for duty in page["duties"] + rest["duties"]} == {str(first), str(second)}
        assert await list_duties(notify, after=rest["next"]) == {"duties": [], "next": rest["next"]}
        await send_notice(rig, third)
        await wait_stored(rig, 2)
        new = await list_duties(notify, after=rest["next"])
        assert [duty["duty_id"] for duty in new["duties"]] == [str(third)]
        await close(notify, first)
        changed = await list_duties(notify, after=new["next"])
    assert [(duty["duty_id"], duty["status"]) for duty in changed["duties"]] == [(str(first), "closed")]


async def test_many_who_ask_at_once_get_all_of_a_long_feed(
    rig: Rig, standing: Standing, agencies: None
) -> None:
    ids = [uuid4() for _ in range(450)]
    async with standing.at_work() as notify:
        records = []
        for duty_id in ids:
            record = await rig.seal_alert()
            content = alert_content(record).model_copy(update={"duties": [item(duty_id)]})
            records.append(await seal_content(rig, record, content.model_dump_json().encode()))
        await rig.publish_alerts(*records)
        await wait_stored(rig, len(ids))
        replies = await asyncio.gather(
            *(notify.ask("GET", "/v1/duties?limit=500", key=KEY) for _ in range(6))
        )
    assert [reply.status for reply in replies] == [200] * 6
    for reply in replies:
        assert sorted(duty["duty_id"] for duty in reply.body["duties"]) == sorted(map(str, ids))


async def test_acknowledging_an_alert_closes_no_duty(rig: Rig, standing: Standing, agencies: None) -> None:
    duty_id = uuid4()
    async with standing.at_work() as notify:
        alert = await send_alert(rig, item(duty_id))
        await wait_stored(rig, 1)
        path = f"/v1/alerts/{alert.alert_id}/acknowledge"
        taken = await notify.ask("POST", path, key=KEY, json={"person": "J. Ortiz", "role": "officer"})
        assert taken.status == 200
        listed = await list_duties(notify)
    assert [duty["status"] for duty in listed["duties"]] == ["open"]


async def test_evidence_closes_a_duty_once_and_the_first_counts(
    rig: Rig, standing: Standing, agencies: None, logs: list[dict[str, object]]
) -> None:
    duty_id = uuid4()
    async with standing.at_work() as notify:
        alert = await send_alert(rig, item(duty_id))
        await wait_stored(rig, 1)
        # Without having been listed before.
        first = await close(notify, duty_id)
        again = await close(notify, duty_id, who="Somebody Else", reference="4712")
        listed = await list_duties(notify)
        told = await rig.wait_for_receipts("stored", "evidence")
    assert (first.status, again.status) == (200, 200)
    assert first.body == again.body == listed["duties"][0]
    assert first.body["status"] == "closed"
    assert first.body["evidence"] == {**EVIDENCE, "at": first.body["evidence"]["at"]}
    assert datetime.fromisoformat(first.body["evidence"]["at"]) == datetime.fromisoformat(EVIDENCE["at"])
    (receipt,) = [receipt for receipt in told if isinstance(receipt, Evidence)]
    assert (receipt.duty_id, receipt.agency, receipt.case_ref) == (duty_id, AGENCY, _DEFAULT_CASE)
    _, key = await rig._find_key(_DEFAULT_CASE, for_operations=False)
    context = evidence_seal_context(duty_id=str(duty_id), agency=AGENCY)
    opened = DutyEvidence.model_validate_json(open_sealed(key, receipt.sealed, context=context))
    assert (opened.who, opened.reference) == ("J. Ortiz", "hotline 4711")
    assert (receipt.key_id, receipt.correlation_id) == (alert.key_id, alert.correlation_id)
    assert [line["is_first"] for line in logs if line["event"] == "duty.closed"] == [True]
    kept = await rig.query("SELECT * FROM notify.evidence")
    for place in (str(logs), str(kept), str(receipt.model_dump(exclude={"sealed"}))):
        assert "Ortiz" not in place
        assert "4711" not in place


async def test_evidence_given_twice_at_once_is_recorded_once(
    rig: Rig, standing: Standing, agencies: None
) -> None:
    duty_id = uuid4()
    async with standing.at_work() as notify:
        await send_alert(rig, item(duty_id))
        await wait_stored(rig, 1)
        replies = await asyncio.gather(*(close(notify, duty_id, who=f"Person {n}") for n in range(8)))
        await rig.wait_for_receipts("stored", "evidence")
    assert {reply.status for reply in replies} == {200}
    assert len({orjson.dumps(reply.body) for reply in replies}) == 1


async def test_nobody_closes_another_agencys_duty_nor_learns_that_it_exists(
    rig: Rig, standing: Standing, agencies: None
) -> None:
    duty_id = uuid4()
    async with standing.at_work() as notify:
        await send_alert(rig, item(duty_id))
        await wait_stored(rig, 1)
        replies = [
            await close(notify, duty_id, key=OTHER_KEY),
            await close(notify, uuid4(), key=OTHER_KEY),
            await close(notify, "no-id", key=OTHER_KEY),
        ]
        unknown = await close(notify, duty_id, key="tca_of_nobody")
        listed = await list_duties(notify)
    assert [reply.status for reply in replies] == [404] * 3
    assert len({reply.text for reply in replies}) == 1
    assert unknown.status == 401
    assert listed["duties"][0]["status"] == "open"


async def test_evidence_is_whole_and_of_the_past_or_refused_by_path(
    rig: Rig, standing: Standing, agencies: None
) -> None:
    duty_id = uuid4()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    async with standing.at_work() as notify:
        await send_alert(rig, item(duty_id))
        await wait_stored(rig, 1)
        future = await close(notify, duty_id, at=tomorrow)
        wrong: dict[str, Any] = {"who": "", "channel": " ", "reference": None, "at": "Marisol"}
        replies = {name: await close(notify, duty_id, **{name: value}) for name, value in wrong.items()}
        extra = await close(notify, duty_id, note="Marisol")
        listed = await list_duties(notify)
    assert (future.status, future.body["errors"][0]["path"]) == (422, "/at")
    for name, reply in replies.items():
        assert (reply.status, [error["path"] for error in reply.body["errors"]]) == (422, [f"/{name}"])
    assert (extra.status, extra.body["errors"][0]["path"]) == (422, "/note")
    assert "Marisol" not in "".join(reply.text for reply in [*replies.values(), extra])
    assert listed["duties"][0]["status"] == "open"


async def test_a_cancel_or_a_review_puts_a_duty_in_doubt_and_evidence_still_closes_it(
    rig: Rig, standing: Standing, agencies: None
) -> None:
    cancelled, reviewed, untouched = uuid4(), uuid4(), uuid4()
    async with standing.at_work() as notify:
        await send_alert(rig, item(cancelled), item(reviewed), item(untouched))
        await wait_stored(rig, 1)
        before = await list_duties(notify)
        await send_alert(rig, item(cancelled, due="needs_review"))
        await send_review(rig, reviewed, uuid4())
        await wait_stored(rig, 3)
        after = await list_duties(notify, after=before["next"])
        found = {duty["duty_id"]: duty for duty in after["duties"]}
        assert {duty_id: duty["status"] for duty_id, duty in found.items()} == {
            str(cancelled): "needs_review",
            str(reviewed): "needs_review",
        }
        # The time the law names is still told.
        assert found[str(cancelled)]["due"] == "2126-03-05T18:10:00Z"
        await send_alert(rig, item(cancelled), decided_at=DECIDED_AT + timedelta(hours=1))
        # An earlier alert that comes again changes nothing.
        await send_alert(rig, item(cancelled, due="needs_review"))
        await wait_stored(rig, 5)
        renewed_duty = (await list_duties(notify, after=after["next"]))["duties"][0]
        assert (renewed_duty["duty_id"], renewed_duty["status"]) == (str(cancelled), "open")
        closed = await close(notify, reviewed)
        await send_review(rig, reviewed)
        await wait_stored(rig, 6)
        listed = await list_duties(notify)
        feed = (await notify.ask("GET", "/v1/alerts", key=KEY)).body
    assert closed.body["status"] == "closed"
    assert {duty["duty_id"]: duty["status"] for duty in listed["duties"]}[str(reviewed)] == "closed"
    # A review is no alert.
    assert len(feed["alerts"]) == 4


async def test_a_review_is_handed_over_and_delivers_nothing(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with standing.at_work():
        review, alert = await send_review(rig, uuid4()), await rig.send_alert()

        async def are_told() -> bool:
            """That the alert was stored may be told, too."""
            told = {
                (receipt.kind.value, getattr(receipt, "alert_id", None))
                for receipt in await rig.read_receipts()
            }
            return told - {("stored", alert.alert_id)} == {
                ("stored", review.alert_id),
                ("delivered", alert.alert_id),
            }

        await wait_until(are_told)
    assert len(receivers["one"].arrivals) == 1


async def test_a_duty_of_a_withdrawn_alert_is_not_listed(
    rig: Rig, standing: Standing, agencies: None
) -> None:
    duty_id = uuid4()
    async with standing.at_work() as notify:
        alert = await send_alert(rig, item(duty_id))
        await wait_stored(rig, 1)
        assert len((await list_duties(notify))["duties"]) == 1
        await rig.send_alert(alert_id=alert.alert_id, revision=2, command=Command.STOP)
        await wait_stored(rig, 2)
        listed, reply = await list_duties(notify), await close(notify, duty_id)
    assert (listed["duties"], reply.status) == ([], 404)
