"""The register of duties, as operators read it from the ledger."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from schemas.duty import DutyEvidence
from schemas.receipt import Evidence
from schemas.sealed import evidence_seal_context
from schemas.topics import RECEIPTS
from services.routing.handlers.register import RegisteredDuties, RegisteredDuty
from services.routing.repository.views import ViewRepository
from services.runtime.crypto import seal
from services.runtime.kafka import Record
from tests.integration.routing.events import CORRELATION_ID, build_event, lay_out
from tests.integration.routing.rig import OPERATOR, Rig, Routing

pytestmark = pytest.mark.asyncio(loop_scope="module")

DONE = DutyEvidence.model_validate(
    {"who": "J. Ortiz", "channel": "Telephone", "reference": "hotline 4711", "at": "2026-03-04T07:10:00Z"}
)
RECORDED_AT = datetime(2026, 3, 4, 8, tzinfo=UTC)


async def decide(rig: Rig, routing: Routing, *events: dict[str, Any]) -> None:
    await routing.events.handle(lay_out(await rig.sealer.seal(*events)))


async def read(
    routing: Routing,
    *,
    agency: str | None = None,
    event_id: str | None = None,
    only_overdue: bool = False,
    limit: int = 100,
) -> RegisteredDuties:
    return await routing.register.list_duties(
        agency=agency, event_id=event_id, only_overdue=only_overdue, limit=limit, operator=OPERATOR
    )


async def evidence_record(
    rig: Rig, duty: RegisteredDuty, *, agency: str | None = None, done: DutyEvidence = DONE
) -> Record:
    found = await rig.admin.fetchval("SELECT key_id FROM routing.decision WHERE event_id = $1", duty.event_id)
    key_id = UUID(int=found.int)
    key = await rig._find_key(key_id)
    holder = agency or duty.holder or ""
    context = evidence_seal_context(duty_id=str(duty.duty_id), agency=holder)
    receipt = Evidence(
        duty_id=duty.duty_id,
        agency=holder,
        case_ref=duty.case_ref,
        key_id=key_id,
        sealed=seal(key, done.model_dump_json().encode(), context=context),
        at=RECORDED_AT,
        correlation_id=CORRELATION_ID,
    )
    return Record(
        RECEIPTS.name, duty.case_ref.encode(), receipt.model_dump_json().encode(), (("kind", b"evidence"),)
    )


async def test_every_duty_of_the_ledger_is_listed_with_who_must_do_what_by_when(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, build_event("e1"), build_event("e2", subject="case-2"))
    listed = await read(routing)
    rows = await rig.rows("duty")
    assert {duty.duty_id for duty in listed.duties} == {UUID(int=row["duty_id"].int) for row in rows}
    assert (listed.total, len(listed.duties)) == (len(rows), len(rows))
    assert {duty.status for duty in listed.duties} == {"open"}
    dues = [duty.due for duty in listed.duties if duty.due is not None]
    assert dues == sorted(dues)


async def test_one_agency_and_one_event_can_be_asked_for_and_a_limit_says_what_it_left_out(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, build_event("e1"), build_event("e2", subject="case-2"))
    everything = await read(routing)
    holder = everything.duties[0].holder
    own = await read(routing, agency=holder)
    assert {duty.holder for duty in own.duties} == {holder}
    assert {duty.event_id for duty in (await read(routing, event_id="e2")).duties} == {"e2"}
    assert (await read(routing, agency="ag-nobody")).duties == []
    one = await read(routing, limit=1)
    assert (len(one.duties), one.total) == (1, everything.total)


async def test_what_is_overdue_is_open_and_its_time_has_passed(rig: Rig, routing: Routing) -> None:
    await decide(rig, routing, build_event("e1"))
    await rig.admin.execute("UPDATE routing.duty SET due = now() + interval '1 hour' WHERE due IS NOT NULL")
    assert (await read(routing, only_overdue=True)).duties == []
    await rig.admin.execute("UPDATE routing.duty SET due = now() - interval '1 hour' WHERE due IS NOT NULL")
    late = (await read(routing, only_overdue=True)).duties
    assert late
    assert all(duty.overdue and duty.due is not None for duty in late)
    await routing.receipts.handle(lay_out([await evidence_record(rig, late[0])]))
    left = (await read(routing, only_overdue=True)).duties
    assert {duty.duty_id for duty in left} == {duty.duty_id for duty in late[1:]}


async def test_evidence_closes_the_duty_and_shows_its_time_and_kind_of_channel_alone(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, build_event("e1"))
    duty, *others = (await read(routing)).duties
    record = await evidence_record(rig, duty)
    later = DONE.model_copy(update={"channel": "portal"})
    again = await evidence_record(rig, duty, done=later)
    # Told twice, and a second one that comes after all: the first counts.
    await routing.receipts.handle(lay_out([record, record, again]))

    listed = (await read(routing)).duties
    # Closed ones come last.
    closed = listed[-1]
    assert (closed.duty_id, closed.status, closed.overdue) == (duty.duty_id, "closed", False)
    assert closed.evidence is not None
    assert (closed.evidence.channel, closed.evidence.at) == ("telephone", DONE.at)
    assert closed.evidence.recorded_at == RECORDED_AT
    assert "Ortiz" not in closed.model_dump_json()
    assert "4711" not in closed.model_dump_json()
    assert {other.status for other in listed[:-1]} <= {"open"}
    assert len(listed) == len(others) + 1
    # `explain` says so too.
    view = await ViewRepository(routing.pool).read_event(event_id="e1", source=None)
    assert {each.status for each in view.duties if each.duty_id == duty.duty_id} == {"closed"}


async def test_evidence_of_somebody_who_does_not_hold_the_duty_closes_nothing(
    rig: Rig, routing: Routing
) -> None:
    await decide(rig, routing, build_event("e1"))
    duty = (await read(routing)).duties[0]
    await routing.receipts.handle(lay_out([await evidence_record(rig, duty, agency="ag-kern-da")]))
    assert {each.status for each in (await read(routing)).duties} == {"open"}


async def test_free_words_for_a_channel_are_shown_to_nobody(rig: Rig, routing: Routing) -> None:
    await decide(rig, routing, build_event("e1"))
    duty = (await read(routing)).duties[0]
    done = DONE.model_copy(update={"channel": "told Marisol's mother"})
    await routing.receipts.handle(lay_out([await evidence_record(rig, duty, done=done)]))
    closed = (await read(routing)).duties[-1]
    assert closed.evidence is not None
    assert closed.evidence.channel == "other"


async def test_a_shredded_case_leaves_that_its_duty_was_done(rig: Rig, routing: Routing) -> None:
    await decide(rig, routing, build_event("e1"))
    duty = (await read(routing)).duties[0]
    await routing.receipts.handle(lay_out([await evidence_record(rig, duty)]))
    await rig.admin.execute("UPDATE keyring.case_key SET wrapped = NULL")
    async with rig.open_routing() as restarted:
        closed = (await read(restarted)).duties[-1]
    assert closed.status == "closed"
    assert closed.evidence is not None
    assert (closed.evidence.channel, closed.evidence.at, closed.evidence.recorded_at) == (
        None,
        None,
        RECORDED_AT,
    )


@pytest.mark.parametrize("again", [False, True], ids=["once", "read again"])
async def test_evidence_that_is_read_again_changes_nothing(rig: Rig, routing: Routing, again: bool) -> None:  # noqa: FBT001 -- pytest's way
    await decide(rig, routing, build_event("e1"))
    duty = (await read(routing)).duties[0]
    log = lay_out([await evidence_record(rig, duty)])
    await routing.receipts.handle(log)
    if again:
        async with rig.open_routing() as restarted:
            await restarted.receipts.handle(log)
    assert await rig.count("evidence") == 1
    assert await rig.count("receipt") == 0


async def test_who_read_the_register_is_recorded_for_good(rig: Rig, routing: Routing) -> None:
    await read(routing, agency="ag-kern-cw")

    rows = await rig.admin.fetch("SELECT operator, what, detail FROM routing.read")
    assert [tuple(row) for row in rows] == [(OPERATOR, "duties.listed", "for ag-kern-cw")]
