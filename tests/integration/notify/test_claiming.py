"""What a claim costs does not depend on how many deliveries were ever made."""

from datetime import timedelta

import asyncpg
import pytest

from tests.support.servers import Database
from tests.support.stored_deliveries import DUE, ENDPOINTS, NOW, explain_claim, fill, prepare_claim

STORED = 100_000
MOST_PAGES_A_LANE = 4
MOST_PAGES_A_DELIVERY = 25


@pytest.mark.parametrize("plan", ["custom", "generic"])
@pytest.mark.parametrize("knowledge", ["planned before it grew", "analyzed"])
async def test_a_claim_reads_what_is_due_and_nothing_else(
    plan: str, knowledge: str, database: Database
) -> None:
    connection = await asyncpg.connect(database.admin)
    try:
        if knowledge == "analyzed":
            await fill(connection, count=STORED)
            await connection.execute("ANALYZE")
            await prepare_claim(connection, plan=plan)
        else:
            await prepare_claim(connection, plan=plan)
            await explain_claim(connection)
            await fill(connection, count=STORED)
        idle = await explain_claim(connection, now=NOW - timedelta(hours=1), room=0)
        busy = await explain_claim(connection)
    finally:
        await connection.close()
    assert (idle.claimed, busy.claimed) == (0, DUE)
    assert (idle.read_whole, busy.read_whole) == ([], [])
    assert idle.pages <= MOST_PAGES_A_LANE * ENDPOINTS
    assert busy.pages <= idle.pages + MOST_PAGES_A_DELIVERY * DUE
