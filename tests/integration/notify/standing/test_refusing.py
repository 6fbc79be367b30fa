"""A person at the agency does not take an alert over: recorded, told to routing, and no more sent."""

import asyncio
from uuid import uuid4

import pytest
import pytest_asyncio

from schemas.alert import AlertForm, Command
from schemas.receipt import Refused
from schemas.vocabulary import AlertKind, RefusalReason
from tests.integration.notify.rig import Reply, Rig, RunningNotify
from tests.integration.notify.standing.at_work import Standing
from tests.integration.notify.telling import send
from tests.support.receivers import Receivers, status

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENCY, KEY = "ag-kern-cw", "tca_key_of_child_welfare"
OTHER, OTHER_KEY = "ag-other", "tca_key_of_another"
PERSON = {"person": "J. Ortiz", "role": "duty supervisor"}
NOTE = "The family of Ejemplovich\nis known to me."


@pytest_asyncio.fixture(loop_scope="module")
async def agencies(rig: Rig) -> None:
    await rig.add_agency(AGENCY, key=KEY)
    await rig.add_agency(OTHER, key=OTHER_KEY)


async def refuse(notify: RunningNotify, alert_id: object, *, key: str = KEY, **given: str | None) -> Reply:
    body = {**PERSON, "reason": "no_capacity", **given}
    return await notify.ask("POST", f"/v1/alerts/{alert_id}/refuse", key=key, json=body)


async def test_routing_hears_why_and_nothing_else_and_what_was_typed_is_sealed(
    rig: Rig, standing: Standing, agencies: None, logs: list[dict[str, object]]
) -> None:
    async with standing.at_work() as notify:
        alert = await rig.send_alert()
        await rig.wait_for_receipts("stored")
        first = await refuse(notify, alert.alert_id, reason="conflict_of_interest", note=NOTE)
        again = await refuse(notify, alert.alert_id, person="Somebody Else")
        receipts = await rig.wait_for_receipts("stored", "refused")
    assert (first.status, again.status) == (200, 200)
    assert first.body == again.body
    assert (first.body["reason"], first.body["note"]) == ("conflict_of_interest", NOTE)
    assert [receipt.reason for receipt in receipts if isinstance(receipt, Refused)] == [
        RefusalReason.CONFLICT_OF_INTEREST
    ]
    assert [line["is_recorded"] for line in logs if line["event"] == "alert.refused"] == [True, False]
    (row,) = await rig.query("SELECT * FROM notify.refusal")
    for where in (logs, receipts, row):
        assert "Ortiz" not in str(where)
        assert "Ejemplovich" not in str(where)


async def test_a_conflict_of_interest_takes_the_place_of_another_reason_once(
    rig: Rig, standing: Standing, agencies: None
) -> None:
    async with standing.at_work() as notify:
        alert = await rig.send_alert()
        await rig.wait_for_receipts("stored")
        await refuse(notify, alert.alert_id, note="Nobody is in.")
        conflicts = await asyncio.gather(
            *(
                refuse(notify, alert.alert_id, person=person, reason="conflict_of_interest")
                for person in ("A. Doe", "B. Roe")
            )
        )
        weaker = await refuse(notify, alert.alert_id, reason="duplicate")
        receipts = await rig.wait_for_receipts("stored", "refused", "refused")
        await notify.ask("POST", f"/v1/alerts/{alert.alert_id}/acknowledge", key=KEY, json=PERSON)
        again = await refuse(notify, alert.alert_id)
    assert [reply.body for reply in conflicts] == [weaker.body, weaker.body]
    assert (weaker.body["reason"], weaker.body["note"]) == ("conflict_of_interest", None)
    assert weaker.body["person"] in {"A. Doe", "B. Roe"}
    assert again.body == weaker.body
    assert [receipt.reason for receipt in receipts if isinstance(receipt, Refused)] == [
        RefusalReason.NO_CAPACITY,
        RefusalReason.CONFLICT_OF_INTEREST,
    ]


async def test_a_conflict_of_interest_takes_no_place_once_somebody_acknowledged(
    rig: Rig, standing: Standing, agencies: None
) -> None:
    async with standing.at_work() as notify:
        alert = await rig.send_alert()
        await rig.wait_for_receipts("stored")
        await refuse(notify, alert.alert_id)
        await notify.ask("POST", f"/v1/alerts/{alert.alert_id}/acknowledge", key=KEY, json=PERSON)
        late = await refuse(notify, alert.alert_id, reason="conflict_of_interest")
    assert late.status == 409
    assert [row["reason"] for row in await rig.query("SELECT reason FROM notify.refusal")] == ["no_capacity"]


async def test_nothing_more_is_sent_and_nobody_is_waited_for(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    receivers["one"].answer = status(503)
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with standing.at_work() as notify:
        alert = await rig.send_alert()
        await receivers["one"].wait_for(2)
        assert (await refuse(notify, alert.alert_id)).status == 200
        await rig.wait_for_row("SELECT 1 FROM notify.delivery WHERE state = 'declined'")
        assert await rig.query("SELECT 1 FROM notify.awaited") == []
        await rig.send_alert(alert_id=alert.alert_id, revision=2, command=Command.AMEND)
        await rig.wait_for_row("SELECT 1 FROM notify.delivery WHERE revision = 2 AND state = 'declined'")


async def test_an_acknowledgement_may_follow_and_a_refusal_may_not_follow_one(
    rig: Rig, standing: Standing, agencies: None
) -> None:
    async with standing.at_work() as notify:
        changed, kept = await rig.send_alert(), await rig.send_alert()
        await rig.wait_for_receipts("stored", "stored")
        await refuse(notify, changed.alert_id)
        after = await notify.ask("POST", f"/v1/alerts/{changed.alert_id}/acknowledge", key=KEY, json=PERSON)
        await notify.ask("POST", f"/v1/alerts/{kept.alert_id}/acknowledge", key=KEY, json=PERSON)
        late = await refuse(notify, kept.alert_id)
        await rig.wait_for_receipts("stored", "stored", "refused", "acknowledged", "acknowledged")
    assert (after.status, late.status) == (200, 409)
    assert [row["alert_id"] for row in await rig.query("SELECT alert_id FROM notify.refusal")] == [
        changed.alert_id
    ]


async def test_a_notice_of_a_duty_cannot_be_refused(rig: Rig, standing: Standing, agencies: None) -> None:
    async with standing.at_work() as notify:
        notice = await rig.send_alert(form=AlertForm.DUTY_NOTICE)
        await rig.wait_for_receipts("stored")
        reply = await refuse(notify, notice.alert_id)
    assert (reply.status, await rig.query("SELECT 1 FROM notify.refusal")) == (409, [])


@pytest.mark.parametrize("kind", [AlertKind.CANCEL, AlertKind.ERROR])
async def test_what_takes_back_or_tells_of_a_problem_cannot_be_refused(
    rig: Rig, standing: Standing, agencies: None, kind: AlertKind
) -> None:
    async with standing.at_work() as notify:
        alert = await send(rig, kind=kind)
        await rig.wait_for_receipts("stored")
        reply = await refuse(notify, alert.alert_id)
    assert (reply.status, await rig.query("SELECT 1 FROM notify.refusal")) == (409, [])


async def test_nobody_refuses_for_another_agency(rig: Rig, standing: Standing, agencies: None) -> None:
    async with standing.at_work() as notify:
        alert = await rig.send_alert()
        await rig.wait_for_receipts("stored")
        others = await refuse(notify, alert.alert_id, key=OTHER_KEY)
        unknown = await refuse(notify, uuid4(), key=OTHER_KEY)
    assert (others.status, others.body) == (404, unknown.body)
    assert await rig.query("SELECT 1 FROM notify.refusal") == []


async def test_a_refusal_says_who_and_why(rig: Rig, standing: Standing, agencies: None) -> None:
    given: list[tuple[dict[str, str | None], str]] = [
        ({"reason": "busy"}, "/reason"),
        ({"reason": None}, "/reason"),
        ({"person": " "}, "/person"),
        ({"role": ""}, "/role"),
        ({"reason": "other"}, "/note"),
        ({"reason": "other", "note": " \n "}, "/note"),
        ({"note": None}, "/note"),
        ({"note": "Marisol\x07"}, "/note"),
        ({"note": "M" * 2001}, "/note"),
    ]
    async with standing.at_work() as notify:
        replies = [await refuse(notify, uuid4(), key=KEY, **body) for body, _ in given]
    assert [(reply.status, [error["path"] for error in reply.body["errors"]]) for reply in replies] == [
        (422, [path]) for _, path in given
    ]
    assert "M" not in "".join(str(reply.body["errors"]) for reply in replies)
