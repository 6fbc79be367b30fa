"""Work without a next step is alarmed when it appears, and shown as long as it is there."""

from collections.abc import Mapping

import asyncpg

from services.runtime.logs import capture_logs
from services.runtime.stranded import StrandedWatch


class Counts:
    """Says what it was told, one look after the other."""

    def __init__(self, *looks: Mapping[str, int]) -> None:
        self._looks = list(looks)

    async def __call__(self) -> Mapping[str, int]:
        return self._looks.pop(0)


async def test_what_appears_alarms_and_what_stays_does_not_again() -> None:
    watch = StrandedWatch(Counts({"rows": 0}, {"rows": 2}, {"rows": 2}, {"rows": 3}, {"rows": 0}))
    shown = []
    with capture_logs({}) as lines:
        for _ in range(5):
            await watch.look()
            shown.append(watch.describe())
    alarms = [(line["level"], line["kind"], line["found_count"]) for line in lines]
    assert alarms == [("error", "rows", 2), ("error", "rows", 3)]
    assert shown == [{}, {"rows": 2}, {"rows": 2}, {"rows": 3}, {}]


async def test_what_comes_back_alarms_again() -> None:
    watch = StrandedWatch(Counts({"rows": 1}, {"rows": 0}, {"rows": 1}))
    with capture_logs({}) as lines:
        for _ in range(3):
            await watch.look()
    assert [line["event"] for line in lines] == ["work.stranded"] * 2


def test_what_passes_is_no_reason_to_end() -> None:
    from services.runtime.kafka import is_passing_trouble  # noqa: PLC0415 -- what the watch asks

    assert is_passing_trouble(asyncpg.ConnectionDoesNotExistError())
