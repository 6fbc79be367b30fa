"""Resting between batches: neither after a few records nor after a batch that is full anyway."""

import asyncio
from collections.abc import Sequence

import pytest

from services.routing.subscribers import BUSY_FROM, FULL_FROM, resting
from services.runtime.kafka import ReceivedRecord

RECORD = ReceivedRecord("tocsin.case-events", 0, 0, None, None)
AN_HOUR = 3600.0


async def take(records: Sequence[ReceivedRecord]) -> None:
    assert records


@pytest.mark.parametrize("count", [1, BUSY_FROM - 1, FULL_FROM, FULL_FROM + 1])
async def test_the_next_batch_is_taken_at_once(count: int) -> None:
    await resting(take, seconds=AN_HOUR, full_from=FULL_FROM)([RECORD] * count)


@pytest.mark.parametrize("count", [BUSY_FROM, FULL_FROM - 1])
async def test_a_busy_consumer_rests_so_that_the_next_batch_carries_more(count: int) -> None:
    rests = asyncio.ensure_future(resting(take, seconds=AN_HOUR, full_from=FULL_FROM)([RECORD] * count))
    done, _ = await asyncio.wait([rests], timeout=0.05)
    assert not done
    rests.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rests
