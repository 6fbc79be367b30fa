"""What looks for work again and again finds it by an index, however much is not due yet."""

import orjson
import pytest

from services.routing.repository.follow_ups import _CLAIM_LADDERS
from services.routing.repository.outbox import _CLAIM_DUE
from tests.integration.routing.rig import Rig

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEW_BLOCKS = 40

# Not soon: to make them takes seconds on a busy machine, and what is due by then is looked at.
MANY_LADDERS = """
INSERT INTO routing.ladder (alert_id, source, event_id, agency, cause, told_at, case_ref, due)
SELECT gen_random_uuid(), 's', 'e', 'a', 'rules', now(), 'c',
    now() + interval '1 hour' + number * interval '1 second'
FROM generate_series(1, 100000) AS number
"""
MANY_MESSAGES = """
INSERT INTO routing.outbox (
    message_id, revision, topic, key, record, cluster_id, partition, "offset", published_to, created_at,
    publish_after
)
SELECT gen_random_uuid(), 1, 't', 'k', '', 'c', 0, number, 'c', now(),
    now() + interval '1 hour' + number * interval '1 second'
FROM generate_series(1, 100000) AS number
"""


@pytest.fixture
def rig(own_rig: Rig) -> Rig:
    """Whose tables never held anything: what was deleted is looked at, too."""
    return own_rig


@pytest.mark.parametrize(
    ("fill", "table", "claim", "arguments"),
    [
        (MANY_LADDERS, "ladder", _CLAIM_LADDERS, {"$1": "100"}),
        (MANY_MESSAGES, "outbox", _CLAIM_DUE, {"$1": "'c'", "$2": "100"}),
    ],
    ids=["ladders", "outbox"],
)
async def test_what_is_not_due_is_not_looked_at(
    rig: Rig, fill: str, table: str, claim: str, arguments: dict[str, str]
) -> None:
    await rig.admin.execute(fill)
    await rig.admin.execute(f"ANALYZE routing.{table}")
    for name, value in arguments.items():
        claim = claim.replace(name, value)

    plan = orjson.loads(await rig.admin.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {claim}"))

    top = plan[0]["Plan"]
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < FEW_BLOCKS, plan
