"""The demonstration's claims about what was sent again, and to whom nothing was."""

import pytest

from services.cli.demonstration.claims import Webhook, check_replay, check_silence
from services.cli.demonstration.receivers import Receivers
from services.cli.demonstration.story import ADVOCATE, CHILD_WELFARE, EMITTER

TOLD = (CHILD_WELFARE, ADVOCATE, EMITTER)


def webhooks(event_id: str, *agencies: str) -> list[Webhook]:
    return [
        Webhook(agency, f"{event_id}.{agency}_1", verified=True, event={"data": {"event_id": event_id}})
        for agency in agencies
    ]


def mails(arrived: list[Webhook]) -> list[str]:
    return [f"http://127.0.0.1/a/{hook.alert_id}" for hook in arrived]


FIRST, BEHIND = webhooks("first", *TOLD), webhooks("behind", *TOLD)
BOTH = FIRST + BEHIND
AGAIN = webhooks("first", ADVOCATE)


@pytest.mark.parametrize(
    ("arrived", "postcards", "held"),
    [
        (BOTH, BOTH, True),
        (BOTH + AGAIN, BOTH, False),
        (BOTH, BOTH + AGAIN, False),
        # Nothing came twice yet, but what was sent behind the replay did not arrive either.
        (FIRST, FIRST, False),
        (FIRST + BEHIND[:1], BOTH, False),
        (BOTH, FIRST + BEHIND[:1], False),
        # As many as there should be, but not of what was sent behind.
        (BOTH, FIRST + BEHIND[:2] + AGAIN, False),
        (FIRST + BEHIND[:2] + AGAIN, BOTH, False),
    ],
)
def test_a_replay_was_harmless_only_if_what_was_sent_behind_it_arrived(
    arrived: list[Webhook], postcards: list[Webhook], *, held: bool
) -> None:
    claim = check_replay(arrived, mails(postcards), behind="behind", told=len(TOLD))
    assert claim.held is held


def test_an_agency_that_the_replay_told_breaks_the_silence() -> None:
    listening = [*TOLD, "ag-other"]
    assert check_silence(BOTH, listening=listening).held
    assert not check_silence(BOTH + webhooks("first", "ag-other"), listening=listening).held


async def test_webhooks_of_another_event_are_not_waited_for() -> None:
    receivers = Receivers(TOLD)
    receivers.webhooks += FIRST
    assert await receivers.wait_for(3, event_id="first", seconds=0.01)
    assert not await receivers.wait_for(3, event_id="behind", seconds=0.01)
