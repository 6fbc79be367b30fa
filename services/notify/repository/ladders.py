"""Ladders as notify knows them: alerts that nobody acknowledged, and what was told because of that."""

from typing import Final

from schemas.alert import RungTo
from services.notify.ladder import LadderFacts
from services.notify.repository.rows import Due
from services.runtime.database import Pool, connection


class LadderRepository:
    """Reads, and locks nothing: what is found here stays so."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get_facts(self, due: Due) -> LadderFacts:
        """What became of the ladder, as far as it matters for this delivery."""
        async with connection(self._pool) as acquired:
            row = await acquired.fetchrow(_FACTS, due.record.alert_id, due.delivery_id)
        if row is None:
            raise LookupError("a delivery that was claimed is not there")
        return LadderFacts(
            takers=frozenset(map(RungTo, row["takers"])),
            has_conflict=row["has_conflict"],
            overtaken_by=row["overtaken_by"],
        )


# Of the delivery `d`. A coordinator's rung has nothing of the case, and so does not stand for an alert; what
# was stopped stands for nothing. The alert that climbs comes before its rungs, in whatever revision. A system
# that took a rung may have had the alert before: only a later e-mail makes an e-mail needless.
OVERTAKEN_BY: Final = """
SELECT later.alert_id
FROM notify.alert own
JOIN notify.alert later ON later.rung_of = coalesce(own.rung_of, own.alert_id)
WHERE own.alert_id = d.alert_id AND own.revision = d.revision
    AND later.agency = own.agency AND later.rung_to = coalesce(own.rung_to, 'agency')
    AND later.alert_id <> own.alert_id AND (own.rung_of IS NULL OR later.decided_at > own.decided_at)
    AND EXISTS (
        SELECT FROM notify.delivery came
        WHERE came.alert_id = later.alert_id AND came.state = 'delivered'
            AND (d.channel = 'webhook' OR came.channel = 'email')
    )
    AND NOT EXISTS (
        SELECT FROM notify.alert ended WHERE ended.alert_id = later.alert_id AND ended.command = 'stop'
    )
ORDER BY later.decided_at DESC
LIMIT 1
"""

# An agency in conflict, whose alerts are stopped, has no say any more.
_FACTS: Final = f"""
WITH own AS (
    SELECT a.agency, coalesce(a.rung_of, a.alert_id) AS root, d.alert_id, d.revision, d.channel
    FROM notify.delivery d JOIN notify.alert a USING (alert_id, revision)
    WHERE d.alert_id = $1 AND d.delivery_id = $2
), ladder AS (
    SELECT a.alert_id, a.agency, a.rung_to FROM own JOIN notify.alert a ON a.alert_id = own.root
    UNION
    SELECT a.alert_id, a.agency, a.rung_to FROM own JOIN notify.alert a ON a.rung_of = own.root
)
SELECT
    ARRAY (
        SELECT coalesce(ladder.rung_to, 'agency')
        FROM ladder JOIN notify.acknowledgement USING (alert_id)
        WHERE NOT EXISTS (
            SELECT FROM notify.alert ended WHERE ended.alert_id = ladder.alert_id AND ended.command = 'stop'
        )
    ) AS takers,
    EXISTS (
        SELECT FROM ladder JOIN notify.refusal refused USING (alert_id)
        WHERE refused.reason = 'conflict_of_interest' AND ladder.agency = d.agency
    ) AS has_conflict,
    ({OVERTAKEN_BY}) AS overtaken_by
FROM own d
"""  # noqa: S608 -- text of ours
