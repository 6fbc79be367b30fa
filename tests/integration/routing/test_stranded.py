"""What routing would never look at again is found: alerts without a way out, ladders that nobody climbs."""

import pytest
import pytest_asyncio

from services.routing.handlers.stranding import Stranding
from services.routing.repository.stranded import StrandedRepository
from tests.integration.routing.events import build_event, lay_out
from tests.integration.routing.rig import Rig, Routing

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTHING = {
    "alerts_not_published": 0,
    "alerts_without_ladder": 0,
    "ladders_not_climbed": 0,
    "messages_not_taken": 0,
}
TOLD = """
INSERT INTO routing.receipt
SELECT alert_id, 1, 'delivered', alert_id, 'webhook', NULL, now() FROM routing.alert
"""


@pytest_asyncio.fixture(loop_scope="module")
async def decided(rig: Rig, routing: Routing) -> Routing:
    """An alert that somebody has, decided six minutes ago."""
    await routing.events.handle(lay_out(await rig.sealer.seal(build_event())))
    await rig.admin.execute("UPDATE routing.alert SET decided_at = now() - interval '6 minutes'")
    await rig.admin.execute(TOLD)
    await rig.admin.execute("DELETE FROM routing.outbox")
    return routing


async def look(routing: Routing) -> dict[str, int]:
    return dict(await Stranding(StrandedRepository(routing.pool)).count())


async def test_what_was_told_and_climbs_is_not_stranded(decided: Routing) -> None:
    assert await look(decided) == NOTHING


async def test_nor_is_what_was_just_decided(rig: Rig, routing: Routing) -> None:
    await routing.events.handle(lay_out(await rig.sealer.seal(build_event())))
    assert await look(routing) == NOTHING


async def test_an_alert_that_nobody_will_publish_is_found(rig: Rig, decided: Routing) -> None:
    count = await rig.count("alert")
    await rig.admin.execute("DELETE FROM routing.receipt")
    assert await look(decided) == {**NOTHING, "alerts_not_published": count}


async def test_an_alert_that_will_never_climb_is_found(rig: Rig, decided: Routing) -> None:
    count = await rig.count("ladder")
    await rig.admin.execute("DELETE FROM routing.ladder")
    assert await look(decided) == {**NOTHING, "alerts_without_ladder": count}


@pytest.mark.parametrize("kind", ["acknowledged", "unreachable", "refused"])
async def test_unless_somebody_took_it_or_its_rungs_failed(rig: Rig, decided: Routing, kind: str) -> None:
    await rig.admin.execute("DELETE FROM routing.ladder")
    await rig.admin.execute(TOLD.replace("delivered", kind))
    assert await look(decided) == NOTHING


async def test_a_ladder_that_nobody_climbs_is_found(rig: Rig, decided: Routing) -> None:
    await rig.admin.execute("UPDATE routing.ladder SET due = now() - interval '6 minutes'")
    assert (await look(decided))["ladders_not_climbed"] == await rig.count("ladder")


async def test_a_message_that_nobody_takes_over_is_found(rig: Rig, routing: Routing) -> None:
    await routing.events.handle(lay_out(await rig.sealer.seal(build_event())))
    await rig.admin.execute("UPDATE routing.outbox SET created_at = now() - interval '6 minutes'")
    assert (await look(routing))["messages_not_taken"] == await rig.count("outbox")
