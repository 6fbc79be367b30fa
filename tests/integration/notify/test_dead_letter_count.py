"""How many dead letters there are is a fact beside readiness, and costs next to nothing."""

import asyncpg

from services.notify.repository.dead_letters import COUNT_ALL
from tests.integration.notify.rig import Rig, running_notify, wait_until
from tests.support.servers import Database
from tests.support.stored_deliveries import fill

STORED = 5_000

_BURY = """
INSERT INTO notify.delivery (alert_id, delivery_id, revision, channel, target, lane, state, attempts)
SELECT gen_random_uuid(), gen_random_uuid(), 1, 'webhook', 'ep_one', 'ep_one', state, 1
FROM unnest(ARRAY['refused', 'exhausted', 'refused', 'delivered', 'superseded']) AS state
"""


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


async def test_counting_them_reads_their_index_and_no_delivery_that_arrived(database: Database) -> None:
    connection = await asyncpg.connect(database.admin)
    try:
        await fill(connection, count=STORED)
        await connection.execute("ANALYZE")
        explained = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {COUNT_ALL}"))
    finally:
        await connection.close()
    assert "delivery_dead" in explained
    assert "Seq Scan" not in explained
