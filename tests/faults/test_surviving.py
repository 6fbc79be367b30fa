"""Whatever is killed, restarted, frozen or set to another hour: nobody misses what they must know."""

import os
from collections.abc import Callable
from random import SystemRandom

import pytest

from tests.faults.hands import Hands
from tests.faults.load import Load
from tests.faults.ordeal import endure, gather_evidence
from tests.faults.plan import Size, count_kills, count_restarts, plan_faults
from tests.faults.scene import open_scene
from tests.faults.stories import load_stories
from tests.faults.verdict import judge
from tests.support.task_force import member_agencies

SHORT = Size(kills=15, restarts=3, others=4, seconds=45)
FULL = Size(kills=210, restarts=14, others=30, seconds=780)

SIZE = FULL if os.environ.get("TOCSIN_TEST_FAULTS") == "full" else SHORT
SEED = int(os.environ.get("TOCSIN_TEST_SEED") or SystemRandom().randrange(10**9))

ENVIRONMENT = {"TOCSIN_NOTIFY_TIMEOUT": "PT5S", "TOCSIN_ROUTING_REALERT_MOST": "0"}
"""A frozen receiver is found out sooner, and so is tried again while the run lasts; and ladders end as the
protocol says, whatever an installation may add."""


@pytest.mark.apache_only("it restarts the broker, and only Apache's keeps its log")
@pytest.mark.timeout(1200)
async def test_nothing_is_lost_whatever_goes_wrong(say: Callable[[str], None]) -> None:
    plan = plan_faults(SEED, SIZE, agencies=list(member_agencies()))
    say(f"\nSEED={SEED}: {count_kills(plan)} kills, {count_restarts(plan)} restarts")
    async with open_scene(ENVIRONMENT, note=f"SEED={SEED}") as scene:
        load, hands = Load(scene, load_stories(), SEED), Hands(scene)
        await endure(load, hands, plan)
        evidence = await gather_evidence(load)
        wrong = judge(evidence)
        assert not wrong, "\n".join(wrong)
    assert (hands.kills, hands.restarts) == (SIZE.kills, SIZE.restarts)
    # What nobody was told, nobody can have been told wrongly.
    assert len(evidence.heard) > len(load.cases)
    assert evidence.letters
    assert load.acknowledged
    say(
        f"{len(load.cases)} cases, {len(evidence.outcomes)} events, {len(evidence.heard)} webhooks,"
        f" {len(evidence.letters)} e-mails, {len(load.acknowledged)} acknowledgements"
    )
