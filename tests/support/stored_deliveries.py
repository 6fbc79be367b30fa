"""A past of notify's, made by SQL: as many deliveries as are wanted, and what a claim costs then."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from services.notify.repository import deliveries

NOW: Final = datetime(2026, 3, 4, 12, tzinfo=UTC)
ENDPOINTS: Final = 100
ROOM: Final = 32
ELSEWHERE: Final = 49
DUE: Final = ELSEWHERE + ROOM
"""A claim takes what one lane has room for of all that a dead endpoint did not take, and what else is due."""

# Two paths for an alert, the webhook of one of the endpoints and an e-mail. Nearly all arrived; of the rest
# some are dead letters, one in a hundred is overdue at a dead endpoint, and a few are due elsewhere.
_FILL: Final = """
WITH past AS (
    SELECT n, md5(n::text)::uuid AS alert_id, $2::timestamptz - n * interval '1 second' AS at
    FROM generate_series(1, $1::integer / 2) AS n
), stored AS (
    INSERT INTO notify.alert (
        alert_id, revision, feed_position, command, form, agency, contact, case_ref, urgency, acknowledge_by,
        exercise, mandated, decided_at, directory_version, correlation_id, key_id, sealed, stored_at
    )
    SELECT
        alert_id, 1, n, 'deliver', 'alert', 'ag-' || n % $3, 'primary', 'C' || n % 1000, 'immediate',
        at + interval '15 minutes', false, true, at, 1, n::text, alert_id,
        decode(repeat('00', 400), 'hex'), at
    FROM past
)
INSERT INTO notify.delivery (alert_id, delivery_id, revision, channel, target, lane, state, attempts, due_at)
SELECT
    alert_id, md5(channel || n)::uuid, 1, channel, target,
    CASE channel WHEN 'email' THEN 'email' ELSE target END, state, 1,
    CASE WHEN state = 'pending' THEN
        CASE
            WHEN target = 'dead' THEN $2 - interval '1 day' - n * interval '1 second'
            WHEN n <= $4 THEN $2 - interval '1 second'
            ELSE $2 + n * interval '1 second'
        END
    END
FROM past
CROSS JOIN LATERAL (VALUES
    ('webhook', CASE WHEN n % 50 = 0 THEN 'dead' ELSE 'endpoint-' || n % $3 END), ('email', 'primary')
) AS path (channel, target)
CROSS JOIN LATERAL (SELECT CASE
    WHEN channel = 'webhook' AND (n <= $4 OR n % 50 = 0 OR n % 100 = 1) THEN 'pending'
    WHEN n % 100 = 2 THEN 'refused'
    ELSE 'delivered'
END AS state) AS standing
"""


@dataclass(frozen=True)
class Cost:
    """What one claim took."""

    claimed: int
    milliseconds: float
    pages: int
    read_whole: list[str]
    """Tables that were read from end to end."""


async def fill(connection: "asyncpg.Connection[asyncpg.Record]", *, count: int) -> None:
    """So many deliveries. At `NOW` a claim has `DUE` to take; before, only those of the dead endpoint."""
    await connection.execute(_FILL, count, NOW, ENDPOINTS, ELSEWHERE)


async def prepare_claim(connection: "asyncpg.Connection[asyncpg.Record]", *, plan: str) -> None:
    """`plan` is `custom`, as for the first claims of a connection, or `generic`, as for all later ones."""
    await connection.execute(f"SET plan_cache_mode = force_{plan}_plan")
    kinds = "timestamptz, timestamptz, text, text[], integer[], integer, integer"
    await connection.execute(f"PREPARE claim ({kinds}) AS {deliveries._CLAIM}")


async def explain_claim(
    connection: "asyncpg.Connection[asyncpg.Record]", *, now: datetime = NOW, room: int = ROOM
) -> Cost:
    """Claims, says what it cost, and takes it back. `room` is what the dead endpoint's lane has."""
    lease = now + timedelta(seconds=35)
    claim = f"EXECUTE claim ('{now}', '{lease}', 'notify-0', '{{dead}}', '{{{room}}}', {ROOM}, 2000)"
    transaction = connection.transaction()
    await transaction.start()
    try:
        told = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {claim}")
    finally:
        await transaction.rollback()
    (explained,) = json.loads(told)
    top = explained["Plan"]
    return Cost(
        claimed=int(top["Actual Rows"]),
        milliseconds=explained["Planning Time"] + explained["Execution Time"],
        pages=top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        read_whole=sorted(node["Relation Name"] for node in _walk(top) if node["Node Type"] == "Seq Scan"),
    )


def _walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _walk(child)
