"""GET /v1/events/{id}: what a source learns of its own event."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from schemas.receipt import Decided, EventError, EventStatus, Stored
from schemas.sealed import SealedEvent, duties_seal_context
from schemas.topics import RECEIPTS
from services.runtime.crypto import Kek, seal
from services.runtime.database import open_pool
from services.runtime.keyring import CaseKey, Keyring
from tests.integration.intake.client import MemberSystem
from tests.integration.intake.directories import ADVOCATES, FORMER, POLICE
from tests.integration.intake.events import build_event
from tests.integration.intake.stack import Servers, open_intake, wait_for

AT = datetime(2026, 3, 4, 6, 41, tzinfo=UTC)
DUTY: dict[str, Any] = {
    "duty_id": "0190f3a2-0000-8000-8000-000000000001",
    "rule": "K-03",
    "what": "telephone now; written SS 8572",
    "due": "2026-03-05T18:40:00Z",
    "authority": ["Cal. Penal Code 11166(a)"],
}

Headed = tuple[bytes, bytes, list[tuple[str, bytes]]]


def decided(event_id: str = "e1", **changes: Any) -> Decided:  # noqa: ANN401 - fields of several types
    fields = {
        "source": POLICE,
        "event_id": event_id,
        "case_ref": "case-1",
        "status": EventStatus.DECIDED,
        "at": AT,
        "correlation_id": "c1",
    }
    return Decided.model_validate(fields | changes)


def record_of(receipt: Decided | Stored) -> Headed:
    kind = receipt.kind.value.encode()
    return receipt.case_ref.encode(), receipt.model_dump_json().encode(), [("kind", kind)]


async def find_key(servers: Servers) -> CaseKey:
    """Of the only event there is."""
    [record] = await servers.read_case_events()
    key_id = SealedEvent.model_validate_json(record.value or b"").data.key_id
    async with open_pool(servers.database_url, size=1) as pool:
        key = (await Keyring(pool, Kek.load(servers.secrets / "kek.json")).find_keys([key_id]))[key_id]
    assert key is not None
    return key


async def wait_known(member: MemberSystem, event_id: str) -> None:
    async def is_known() -> bool:
        return (await member.status_of(event_id)).status == 200

    await wait_for(is_known)


async def test_an_undecided_event_is_unknown_for_now(member: MemberSystem) -> None:
    await member.send(build_event("e1"))
    for event_id in ("e1", "never-sent", "not an id", "x" * 500, "a\0b"):
        reply = await member.status_of(event_id)
        assert (reply.status, reply.media_type) == (404, "application/problem+json")
        assert int(reply.headers["retry-after"]) >= 1


async def test_a_decided_event_tells_its_duties(member: MemberSystem, servers: Servers) -> None:
    await member.send(build_event("e1"))
    key = await find_key(servers)
    context = duties_seal_context(source=POLICE, event_id="e1")
    sealed = seal(key.secret, orjson.dumps([DUTY]), context=context)
    receipt = decided(key_id=key.key_id, duties_sealed=sealed)
    await servers.publish(RECEIPTS, record_of(receipt))
    await wait_known(member, "e1")
    reply = await member.status_of("e1")
    assert reply.body == {"id": "e1", "status": "decided", "errors": [], "duties": [DUTY]}


async def test_a_refused_event_tells_where_it_was_wrong(member: MemberSystem, servers: Servers) -> None:
    errors = [EventError(path="/data/corrects", message="corrections are not supported yet")]
    await servers.publish(RECEIPTS, record_of(decided(status=EventStatus.REFUSED, errors=errors)))
    await wait_known(member, "e1")
    reply = await member.status_of("e1")
    told = [{"path": "/data/corrects", "message": "corrections are not supported yet"}]
    assert reply.body == {"id": "e1", "status": "refused", "errors": told, "duties": []}


async def test_another_source_s_event_is_unknown(member: MemberSystem, servers: Servers) -> None:
    await servers.publish(RECEIPTS, record_of(decided("e1")))
    await wait_known(member, "e1")
    assert (await member.status_of("e1", source=ADVOCATES)).status == 404
    assert (await member.status_of("e1", source=FORMER)).status == 403
    assert (await member.ask("GET", "/v1/events/e1")).status == 401


async def test_the_newest_status_counts_in_whatever_order_they_come(
    member: MemberSystem, servers: Servers
) -> None:
    late = decided("e1", status=EventStatus.SUPERSEDED, at=AT + timedelta(seconds=1))
    await servers.publish(RECEIPTS, record_of(late), record_of(decided("e1")), record_of(decided("e2")))
    await wait_known(member, "e2")
    assert (await member.status_of("e1")).body["status"] == "superseded"
    await servers.publish(RECEIPTS, record_of(decided("e1")), record_of(decided("e3", case_ref="case-1")))
    await wait_known(member, "e3")
    assert (await member.status_of("e1")).body["status"] == "superseded"


async def test_other_receipts_and_unreadable_ones_are_passed_over(
    member: MemberSystem, servers: Servers, logs: list[dict[str, object]]
) -> None:
    stored = Stored(
        alert_id=UUID(DUTY["duty_id"]),
        revision=1,
        agency="ag-a",
        case_ref="case-1",
        at=AT,
        correlation_id="c",
    )
    key, _, headers = record_of(decided("e1"))
    unreadable: Headed = (key, b'{"kind": "decided", "source": "Planted"', headers)
    await servers.publish(RECEIPTS, record_of(stored), unreadable, record_of(decided("e1")))
    await wait_known(member, "e1")
    assert [line["event"] for line in logs].count("receipt.unreadable") == 1
    assert "Planted" not in str(logs)


async def test_what_was_decided_before_a_restart_is_known_after_it(servers: Servers) -> None:
    async with open_intake(servers.settings()) as intake:
        await intake.wait_ready()
        await servers.publish(RECEIPTS, record_of(decided("e1")))
        await wait_known(intake.member, "e1")
    async with open_intake(servers.settings()) as intake:
        await intake.wait_ready()
        assert (await intake.member.status_of("e1")).status == 200
