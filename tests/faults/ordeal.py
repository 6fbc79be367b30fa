"""One run: cases are reported while a plan is carried out; then quiet, and ladders that climb."""

import time
from collections.abc import Iterable
from typing import Any

import asyncpg

from services.devstack.directory import load_sample
from tests.faults.evidence import Evidence, Ledgered
from tests.faults.hands import Hands
from tests.faults.load import Load, events_of
from tests.faults.plan import Planned
from tests.faults.witnesses import read_letters
from tests.support.task_force import member_agencies
from tests.support.waiting import eventually

DRAIN_SECONDS = 180.0
CLIMB_SECONDS = 1000.0
"""More than an immediate alert waits for its acknowledgement."""
JUMP_SECONDS = 10.0

_WAITING = """
SELECT
    (SELECT count(*) FROM routing.outbox) AS messages,
    (SELECT count(*) FROM notify.outbox) AS receipts,
    (SELECT count(*) FROM notify.delivery WHERE state = 'pending') AS deliveries,
    (SELECT count(*) FROM routing.ladder WHERE due <= shifted_clock.now()) AS ladders
"""
_DECIDED = "SELECT event_id, outcome, decided_at FROM routing.decision ORDER BY decided_at"
# The same reuse again is kept, and is the same alert.
_REFUSED = "SELECT DISTINCT event_id, content_digest FROM routing.quarantine WHERE reason = 'id_reused'"
_ALERTS = """
SELECT DISTINCT ON (alert_id) alert_id::text, agency, coalesce(contact, '') AS contact, command
FROM routing.alert
ORDER BY alert_id, revision DESC
"""


async def endure(load: Load, hands: Hands, plan: list[Planned]) -> None:
    """Returns when nothing is left to do and every ladder has climbed once more."""
    async with load.running():
        await hands.carry_out(plan)
        await hands.put_right()
    await drain(load)
    await load.scene.shift(CLIMB_SECONDS)
    await drain(load)


async def drain(load: Load) -> None:
    """Until every event is decided and nothing is on its way; the clock runs on for what is tried later."""
    scene = load.scene
    accepted = {event["id"] for event in events_of(load.cases)}
    jump_at = time.monotonic() + JUMP_SECONDS
    waiting: dict[str, int] = {}

    async def is_quiet() -> bool:
        nonlocal jump_at
        waiting.update((await scene.fetch(_WAITING))[0])
        waiting["events"] = len(accepted - {row["event_id"] for row in await scene.fetch(_DECIDED)})
        if any(waiting.values()) and time.monotonic() > jump_at:
            await scene.shift(CLIMB_SECONDS)
            jump_at = time.monotonic() + JUMP_SECONDS
        return not any(waiting.values())

    try:
        await eventually(is_quiet, what="nothing is on its way", seconds=DRAIN_SECONDS)
    except AssertionError as error:
        raise AssertionError(f"{error}; there still is: {waiting}") from None


async def gather_evidence(load: Load) -> Evidence:
    scene = load.scene
    decided = await scene.fetch(_DECIDED)
    return Evidence(
        cases=load.cases,
        heard=scene.endpoints.heard,
        letters=read_letters(scene.mailbox),
        acknowledged=load.acknowledged,
        contacts=_list_contacts(),
        alerts={
            row["alert_id"]: Ledgered(row["agency"], row["contact"], row["command"])
            for row in await scene.fetch(_ALERTS)
        },
        unsure={name: endpoint.unsure for name, endpoint in scene.endpoints.by_name.items()},
        cut=scene.cut,
        feeds={agency: await scene.read_feed(agency) for agency in member_agencies()},
        outcomes=_list_outcomes(decided, await scene.fetch(_REFUSED)),
        decided={row["event_id"]: row["decided_at"].isoformat() for row in decided},
        offsets=scene.offsets,
        epoch=time.time() - time.monotonic(),
    )


def _list_outcomes(
    decided: Iterable[asyncpg.Record], refused: Iterable[asyncpg.Record]
) -> dict[str, list[str]]:
    """An id that was used again has its first decision, and what came under it later is quarantined."""
    found: dict[str, list[str]] = {}
    for row in decided:
        found.setdefault(row["event_id"], []).append(row["outcome"])
    for row in refused:
        found.setdefault(row["event_id"], []).append("quarantined")
    return found


def _list_contacts() -> dict[tuple[str, str], str]:
    sample: Any = load_sample()
    return {
        (agency["id"], contact["rung"]): contact["email"]
        for agency in sample["agencies"]
        for contact in agency.get("contacts", ())
    }
