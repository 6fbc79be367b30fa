"""Reminders of duties: to the holder once a step, to coordinators once overdue, and to nobody in vain."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from schemas.alert import AlertForm, Command, DutyNotice
from schemas.directory import DirectoryFile
from schemas.receipt import Acknowledged
from services.runtime.crypto import seal
from tests.integration.routing.events import CORRELATION_ID, Json, build_event, lay_out
from tests.integration.routing.rig import OPERATOR, Rig, Routing, sample_directory
from tests.integration.routing.test_cases import CONSENT, of_type
from tests.integration.routing.test_climbing import receive
from tests.integration.routing.test_duties import decide, evidence_record, read

pytestmark = pytest.mark.asyncio(loop_scope="module")

TFC, SO = "ag-kern-tfc", "ag-kern-so"
OVERDUE = timedelta(hours=-100), timedelta(seconds=-1)
QUARTER_LEFT = timedelta(hours=-80), timedelta(hours=20)
"""When it was decided and is due, from now."""


async def set_clock(rig: Rig, times: tuple[timedelta, timedelta]) -> str:
    """One duty of the event is left, at this point of its time; its id."""
    duty_id = await rig.admin.fetchval("SELECT duty_id FROM routing.duty WHERE due IS NOT NULL LIMIT 1")
    await rig.admin.execute("UPDATE routing.duty SET remind_at = NULL")
    await rig.admin.execute(
        "UPDATE routing.duty SET decided_at = now() + $2, due = now() + $3, remind_at = now() "
        "WHERE duty_id = $1",
        duty_id,
        *times,
    )
    return str(duty_id)


async def reminders(rig: Rig) -> list[dict[str, Any]]:
    """In the order of the topic."""
    contents = [
        await rig.open_content(alert)
        for alert in await rig.published_alerts()
        if alert.form is AlertForm.DUTY_NOTICE
    ]
    return [dict(content) for content in contents if "reminder" in content]


async def test_a_duty_with_a_quarter_of_its_time_left_reminds_its_holder_alone(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, build_event("e1"))
    duty_id = await set_clock(rig, QUARTER_LEFT)
    assert await routing.reminders.remind() == 1
    assert await routing.reminders.remind() == 0
    [content] = await reminders(rig)
    notice = DutyNotice.model_validate(content)
    assert (notice.reminder, notice.percent_left, notice.overdue) == ("due_soon", 25, None)
    [duty] = notice.duties
    [kept] = [each for each in (await read(routing)).duties if str(each.duty_id) == duty_id]
    assert (duty.duty_id, notice.agency, duty.what, duty.due) == (
        kept.duty_id,
        kept.holder,
        kept.what,
        kept.due,
    )
    assert duty.authority
    [times] = await rig.admin.fetch(
        "SELECT due, remind_at, decided_at FROM routing.duty WHERE duty_id = $1", kept.duty_id
    )
    left = (times["due"] - times["remind_at"]) / (times["due"] - times["decided_at"])
    assert left == pytest.approx(0.1)


async def test_an_overdue_duty_is_told_to_its_holder_and_to_the_coordinator_without_what_it_is(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, build_event("e1"))
    duty_id = await set_clock(rig, OVERDUE)
    await routing.reminders.remind()
    told = {content["agency"]: content for content in await reminders(rig)}
    [kept] = [each for each in (await read(routing)).duties if str(each.duty_id) == duty_id]
    assert set(told) == {kept.holder, TFC}
    assert {content["reminder"] for content in told.values()} == {"overdue"}
    assert told[kept.holder]["duties"][0]["what"] == kept.what
    notice = DutyNotice.model_validate(told[TFC])
    assert (notice.duties, notice.percent_left) == ([], None)
    assert [(each.duty_id, each.holder) for each in notice.overdue or ()] == [(kept.duty_id, kept.holder)]
    assert kept.what not in str(told[TFC])
    assert kept.rule not in str(told[TFC])
    rows = await rig.rows("alert")
    ledger = [row for row in rows if row["form"] == "duty_notice" and row["agency"] in told]
    assert len(ledger) >= 2
    assert await rig.admin.fetchval("SELECT count(*) FROM routing.duty WHERE remind_at IS NOT NULL") == 0


async def test_several_processes_and_a_crash_between_commit_and_publishing_tell_each_step_once(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, build_event("e1"))
    await set_clock(rig, OVERDUE)
    async with rig.open_routing() as other:
        await asyncio.gather(*(each.reminders.remind() for each in (routing, other) * 3))
    sent = [content["notice_id"] for content in await reminders(rig)]
    assert len(sent) == len(set(sent)) == 2


async def test_what_evidence_closed_or_a_correction_put_in_doubt_is_not_reminded_of(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, build_event("e1"))
    duty_id = await set_clock(rig, OVERDUE)
    [duty] = [each for each in (await read(routing)).duties if str(each.duty_id) == duty_id]
    await routing.receipts.handle(lay_out([await evidence_record(rig, duty)]))
    assert await routing.reminders.remind() == 1
    await rig.admin.execute(
        "UPDATE routing.duty SET status = 'needs_review', remind_at = now() "
        "WHERE due IS NOT NULL AND status = 'open'"
    )
    await routing.reminders.remind()
    assert await reminders(rig) == []


async def test_a_duty_that_the_case_does_not_have_any_more_is_not_reminded_of(
    rig: Rig, routing: Routing
) -> None:
    """As one by agreement alone, whose event was retracted: the ledger keeps it, the case does not."""
    await decide(rig, routing, build_event("e1"))
    await set_clock(rig, OVERDUE)
    await rig.admin.execute("UPDATE routing.case_state SET state = NULL")
    assert await routing.reminders.remind() == 1
    assert await reminders(rig) == []


async def test_acknowledging_an_alert_closes_no_duty_and_silences_no_reminder(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, build_event("e1"))
    alerts = [a for a in await rig.published_alerts() if a.form is AlertForm.ALERT]
    acknowledged = [
        Acknowledged(
            alert_id=alert.alert_id,
            revision=1,
            agency=alert.agency,
            case_ref=alert.case_ref,
            at=alert.decided_at,
            correlation_id=CORRELATION_ID,
        )
        for alert in alerts
    ]
    await receive(routing, *acknowledged)
    await set_clock(rig, OVERDUE)
    assert {duty.status for duty in (await read(routing)).duties} == {"open"}
    await routing.reminders.remind()
    assert len(await reminders(rig)) == 2


async def test_a_holder_that_is_conflicted_hears_nothing_and_the_coordinator_does(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, build_event("e1"))
    await set_clock(rig, OVERDUE)
    holder = await rig.admin.fetchval("SELECT holder FROM routing.duty WHERE remind_at IS NOT NULL")
    conflict = build_event(
        "e2",
        type="org.tocsin.case.conflict_declared.v1",
        data={"county": "06029", "details": {"conflict_agencies": [holder]}},
    )
    conflict["source"] = "urn:tocsin:agency:ag-kern-da:cms"
    await routing.events.handle(lay_out(await rig.sealer.seal(conflict), first_offset=1))
    await rig.admin.execute("UPDATE routing.duty SET remind_at = NULL WHERE event_id <> 'e1'")
    await routing.reminders.remind()
    assert [content["agency"] for content in await reminders(rig)] == [TFC]


def ask_for_declaration() -> list[Json]:
    """K-18: the police are asked for a T visa's declaration, by agreement and consent, and hold the duty."""
    consent = {**CONSENT, "recipients": ["LEA_LEAD"]}
    asked = of_type("immigration.lea_declaration_requested", "e1", name={"full": "Marigold"})
    asked["source"] = "urn:tocsin:agency:ag-kern-ils:cms"
    return [of_type("consent.granted", "grant", consent=consent), asked]


async def test_what_no_law_orders_is_not_reminded_of_once_its_holder_has_no_agreement(
    rig: Rig, routing: Routing
) -> None:
    """Its alert may never have arrived: the reminder would be the first to tell of a T visa."""
    await decide(rig, routing, *ask_for_declaration())
    await set_clock(rig, QUARTER_LEFT)
    await routing.reminders.remind()
    [told] = [alert for alert in await rig.published_alerts() if alert.form is AlertForm.DUTY_NOTICE]
    assert (told.agency, told.mandated) == (SO, False)
    file = sample_directory()
    lapsed = [
        agency.model_copy(update={"agreement_until": None}) if agency.id == SO else agency
        for agency in file.agencies
    ]
    await routing.desk.apply(DirectoryFile(agencies=lapsed, sources=[]), operator=OPERATOR)
    await set_clock(rig, OVERDUE)

    await routing.reminders.remind()

    assert [content["agency"] for content in await reminders(rig)] == [SO, TFC]


async def test_an_alert_that_was_stopped_before_it_arrived_is_not_made_good_by_a_reminder(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, *ask_for_declaration())
    revoked = of_type("consent.revoked", "revoke", consent={"consent_id": "cn-1"})
    await routing.events.handle(lay_out(await rig.sealer.seal(revoked), first_offset=2))
    [stopped] = [alert for alert in await rig.published_alerts() if alert.command is Command.STOP]
    assert stopped.agency == SO
    await set_clock(rig, QUARTER_LEFT)

    await routing.reminders.remind()

    assert await reminders(rig) == []


async def test_a_case_that_cannot_be_judged_holds_up_no_other(
    rig: Rig, routing: Routing, logs: list[dict[str, Any]]
) -> None:
    """Its seal opens, and what it opens to is no case: routing must not end of it, again and again."""
    await decide(rig, routing, build_event("e1"), build_event("e2", subject="case-2"))
    key_id = await rig.admin.fetchval("SELECT key_id FROM routing.decision WHERE event_id = 'e1'")
    state = seal(await rig._find_key(UUID(int=key_id.int)), b"[1]", context=("case-state", "case-1"))
    await rig.admin.execute("UPDATE routing.case_state SET state = $1 WHERE case_ref = 'case-1'", state)
    await rig.admin.execute(
        "UPDATE routing.duty SET decided_at = now() - interval '9 hours', due = now() - interval '1 second', "
        "remind_at = now() WHERE due IS NOT NULL"
    )

    await routing.reminders.remind()

    assert {content["event_id"] for content in await reminders(rig)} == {"e2"}
    assert {line["level"] for line in logs if line["event"] == "reminder.failed"} == {"error"}
    assert await routing.reminders.remind() == 0
