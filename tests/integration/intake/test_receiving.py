"""POST /v1/events, as DESIGN 7 has it."""

import pytest

from tests.integration.intake.client import MemberSystem
from tests.integration.intake.events import build_event


async def test_a_valid_event_is_accepted(member: MemberSystem) -> None:
    reply = await member.send(build_event("e1"))
    assert reply.status == 202
    assert reply.media_type == "application/json"
    assert reply.body == {"durability": "memory", "events": [{"index": 0, "id": "e1", "status": 202}]}
