"""The open-loop load: each event has an instant at which it is due, whether or not the system keeps up."""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import uvloop

from tests.bench.http import Pool
from tests.bench.mix import LABOR, MIX, LoadEvent, build_events


@dataclass(frozen=True, slots=True)
class Plan:
    """How much, how fast, where to."""

    url: str
    key: str
    run: str
    rate: int
    seconds: int
    gather_ms: int = 0
    """A request carries what fell due in so many milliseconds, as a batch; 0: each event has its own."""
    is_labor_alone: bool = False
    """Labor complaints instead of the mix."""

    @property
    def head(self) -> bytes:
        """The request's head, all but the length."""
        kind = "cloudevents-batch" if self.gather_ms else "cloudevents"
        return (
            f"POST {urlsplit(self.url).path or '/'} HTTP/1.1\r\nHost: {urlsplit(self.url).netloc}\r\n"
            f"Authorization: Bearer {self.key}\r\nContent-Type: application/{kind}+json\r\n"
        ).encode()

    def requests(self, start: float) -> Iterator[list[tuple[LoadEvent, float]]]:
        """What each request carries: events, and the instants at which they fall due."""
        size = max(1, self.rate * self.gather_ms // 1000)
        mix = (LABOR,) if self.is_labor_alone else MIX
        due = [
            (event, start + index / self.rate)
            for index, event in enumerate(build_events(self.rate * self.seconds, run=self.run, mix=mix))
        ]
        for first in range(0, len(due), size):
            yield due[first : first + size]


class Sender:
    """Sends a plan and keeps, per event, the scheduled instant, the answer's instant and the status."""

    def __init__(self, plan: Plan) -> None:
        target = urlsplit(plan.url)
        self._plan = plan
        self._head = plan.head
        self._pool = Pool(host=target.hostname or "127.0.0.1", port=target.port or 80, size=256)
        self.sent: list[tuple[str, float, float, int]] = []

    async def send(self, events: Sequence[tuple[LoadEvent, float]]) -> None:
        """Send what one request carries; an unreachable server counts as status 0."""
        bodies = [event.body for event, _ in events]
        is_batch = self._plan.gather_ms > 0
        try:
            status, answer = await self._pool.post(
                self._head, b"[" + b",".join(bodies) + b"]" if is_batch else bodies[0]
            )
            statuses = [each["status"] for each in orjson.loads(answer)["events"]] if is_batch else [status]
        except (OSError, KeyError, orjson.JSONDecodeError):
            statuses = [0] * len(events)
        now = time.time()
        self.sent.extend(
            (event.id, due, now, status) for (event, due), status in zip(events, statuses, strict=True)
        )

    async def run(self) -> None:
        """Start every request when its last event is due, in ticks of a few milliseconds."""
        requests = list(self._plan.requests(time.time() + 2.0))
        async with asyncio.TaskGroup() as group:
            for events in requests:
                wait = events[-1][1] - time.time()
                if wait > 0.001:
                    await asyncio.sleep(wait)
                group.create_task(self.send(events))


if __name__ == "__main__":
    _sender = Sender(Plan(**orjson.loads(sys.argv[1])))
    uvloop.run(_sender.run())
    Path(sys.argv[2]).write_bytes(orjson.dumps({"sent": _sender.sent}))
