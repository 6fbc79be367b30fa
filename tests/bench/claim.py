"""What a claim costs among a million stored deliveries, in a PostgreSQL of its own."""

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final

import asyncpg

from services.devstack.database import ADMIN
from services.devstack.migrations import migrate_all
from tests.support.servers import build_postgres, build_surroundings
from tests.support.stored_deliveries import DUE, NOW, explain_claim, fill, prepare_claim

STORED: Final = 1_000_000
WANTED_MS: Final = 5.0
_ROUNDS: Final = 21


def measure_claim(*, stored: int = STORED) -> dict[str, Any]:
    """With nothing due, and with some; planning included, as the first claims of a connection pay for it."""
    return asyncio.run(_measure(stored))


async def _measure(stored: int) -> dict[str, Any]:
    home = Path(tempfile.mkdtemp(prefix="tocsin-bench-"))
    postgres = build_postgres(home, surroundings=build_surroundings())
    try:
        await postgres.start()
        await migrate_all(postgres.url(ADMIN))
        return {"stored": stored} | await _claim(postgres.url(ADMIN), stored)
    finally:
        await postgres.stop()
        shutil.rmtree(home)


async def _claim(url: str, stored: int) -> dict[str, Any]:
    connection = await asyncpg.connect(url)
    try:
        await fill(connection, count=stored)
        await connection.execute("ANALYZE")
        await prepare_claim(connection, plan="generic")
        idle = [await explain_claim(connection, now=NOW - timedelta(hours=1), room=0) for _ in range(_ROUNDS)]
        busy = [await explain_claim(connection) for _ in range(_ROUNDS)]
    finally:
        await connection.close()
    return {
        name: {
            "claimed": costs[0].claimed,
            "median_ms": round(median(cost.milliseconds for cost in costs), 2),
            "max_ms": round(max(cost.milliseconds for cost in costs), 2),
            "pages": costs[-1].pages,
            "read_whole": costs[-1].read_whole,
        }
        for name, costs in (("nothing_due", idle), (f"{DUE}_due", busy))
    }


def compare_claim(claim: Mapping[str, Any]) -> dict[str, bool]:
    figures = [claim["nothing_due"], claim[f"{DUE}_due"]]
    return {
        f"a claim among {claim['stored']} deliveries <= {WANTED_MS:.0f} ms (median)": all(
            figure["median_ms"] <= WANTED_MS and not figure["read_whole"] for figure in figures
        )
    }


if __name__ == "__main__":
    import json
    import sys

    sys.stdout.write(json.dumps(measure_claim(), indent=2) + "\n")
