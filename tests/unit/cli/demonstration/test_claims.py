"""The demonstration's claims about what was sent again, and to whom nothing was."""

import pytest

from services.cli.demonstration.claims import Webhook, check_replay, check_silence
from services.cli.demonstration.receivers import Receivers
from services.cli.demonstration.story import ADVOCATE, CHILD_WELFARE, EMITTER

TOLD = (CHILD_WELFARE, ADVOCATE, EMITTER)


def webhooks(event_id: str, *agencies: str) -> list[Webhook]:
    return [Webhook(agency, "msg", True, {"data": {"event_id": event_id}}) for agency in agencies]  # noqa: FBT003 -- a record


FIRST, BEHIND = webhooks("first", *TOLD), webhooks("behind", *TOLD)


@pytest.mark.parametrize(
    ("arrived", "mails", "held"),
    [
        (FIRST + BEHIND, 3, True),
        (FIRST + BEHIND + webhooks("first", ADVOCATE), 3, False),
        (FIRST + BEHIND, 4, False),
        # Nothing came twice yet, but what was sent behind the replay did not arrive either.
        (FIRST, 0, False),
        (FIRST + webhooks("behind", ADVOCATE), 3, False),
        (FIRST + BEHIND, 2, False),
    ],
)
def test_a_replay_was_harmless_only_if_what_was_sent_behind_it_arrived(
    arrived: list[Webhook], mails: int, *, held: bool
) -> None:
    claim = check_replay(arrived, of="first", behind="behind", told=len(TOLD), mails=mails)
    assert claim.held is held


def test_an_agency_that_the_replay_told_breaks_the_silence() -> None:
    listening = [*TOLD, "ag-other"]
    assert check_silence(FIRST + BEHIND, listening=listening).held
    assert not check_silence(FIRST + BEHIND + webhooks("first", "ag-other"), listening=listening).held


async def test_webhooks_of_another_event_are_not_waited_for() -> None:
    receivers = Receivers(TOLD)
    receivers.webhooks += FIRST
    assert await receivers.wait_for(3, event_id="first", seconds=0.01)
    assert not await receivers.wait_for(3, event_id="behind", seconds=0.01)
