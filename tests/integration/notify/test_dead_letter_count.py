"""How many dead letters there are is a fact beside readiness, and costs next to nothing."""

import asyncpg
import pytest

from services.notify.repository.dead_letters import COUNT_ALL
from services.runtime.crypto import hash_api_key
from tests.integration.notify.rig import Rig, RunningNotify, running_notify, wait_until
from tests.integration.notify.telling import AGENCY, KEY, send, wait_for_states
from tests.support.mailbox import Mailbox
from tests.support.receivers import Receivers, status
from tests.support.servers import Database
from tests.support.stored_deliveries import fill

STORED = 5_000
OPERATOR = "an operator's key"

_BURY = """
INSERT INTO notify.delivery (alert_id, delivery_id, revision, channel, target, lane, state, attempts)
SELECT gen_random_uuid(), gen_random_uuid(), 1, 'webhook', 'ep_one', 'ep_one', state, 1
FROM unnest(ARRAY['refused', 'exhausted', 'refused', 'delivered', 'superseded']) AS state
"""
PERSON = {"person": "J. Ortiz", "role": "duty supervisor"}


async def test_dead_letters_are_counted_beside_readiness(rig: Rig) -> None:
    await rig.add_agency("ag-kern-cw")
    await rig.query(_BURY)
    async with running_notify(rig, rig.settings()) as notify:

        async def are_counted() -> bool:
            return (await notify.ask("GET", "/readyz")).body["dead_letters"] is not None

        await wait_until(are_counted)
        facts = (await notify.ask("GET", "/readyz")).body
    # What arrived, or was replaced, is none.
    assert facts["dead_letters"] == 3


@pytest.mark.parametrize(("answer", "more"), [("acknowledge", {}), ("refuse", {"reason": "no_capacity"})])
async def test_what_a_person_answered_is_no_dead_letter_any_more(
    rig: Rig, receivers: Receivers, mailbox: Mailbox, answer: str, more: dict[str, str]
) -> None:
    receivers["one"].answer = status(422)
    await rig.add_agency(AGENCY, receivers["one"], email="duty@cw.example", key=KEY)
    settings = rig.settings(mailbox=mailbox, notify_operator_keys=hash_api_key(OPERATOR))
    async with running_notify(rig, settings) as notify:
        alert = await send(rig)
        await wait_for_states(rig, alert.alert_id, delivered=1, refused=1)
        assert await count_dead(rig, notify) == (1, 1)
        path = f"/v1/alerts/{alert.alert_id}/{answer}"
        assert (await notify.ask("POST", path, key=KEY, json=PERSON | more)).status == 200
        assert await count_dead(rig, notify) == (0, 0)


async def count_dead(rig: Rig, notify: RunningNotify) -> tuple[int, int]:
    """As the gauge counts them, and as operators have them listed."""
    [row] = await rig.query(COUNT_ALL)
    listed = await notify.ask("GET", "/v1/operator/deliveries?standing=dead", key=OPERATOR)
    assert listed.body["total"] == len(listed.body["deliveries"])
    return row["count"], listed.body["total"]


async def test_counting_them_reads_their_index_and_no_delivery_that_arrived(database: Database) -> None:
    connection = await asyncpg.connect(database.admin)
    try:
        await fill(connection, count=STORED)
        await connection.execute("ANALYZE notify.alert, notify.delivery")
        explained = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {COUNT_ALL}"))
    finally:
        await connection.close()
    assert "delivery_dead" in explained
    assert "Seq Scan" not in explained
