"""The open-loop load: each event has an instant at which it is due, whether or not the system keeps up."""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import uvloop

from tests.bench.http import Pool
from tests.bench.mix import LoadEvent, build_events


@dataclass(frozen=True, slots=True)
class Plan:
    """How much, how fast, where to."""

    url: str
    key: str
    run: str
    rate: int
    seconds: int

    @property
    def head(self) -> bytes:
        """The request's head, all but the length."""
        return (
            f"POST {urlsplit(self.url).path or '/'} HTTP/1.1\r\nHost: {urlsplit(self.url).netloc}\r\n"
            f"Authorization: Bearer {self.key}\r\nContent-Type: application/cloudevents+json\r\n"
        ).encode()


class Sender:
    """Sends a plan and keeps, per event, the scheduled instant, the answer's instant and the status."""

    def __init__(self, plan: Plan) -> None:
        target = urlsplit(plan.url)
        self._plan = plan
        self._head = plan.head
        self._pool = Pool(host=target.hostname or "127.0.0.1", port=target.port or 80, size=256)
        self.sent: list[tuple[str, float, float, int]] = []

    async def send(self, event: LoadEvent, due: float) -> None:
        """Send one event; an unreachable server counts as status 0."""
        try:
            status = await self._pool.post(self._head, event.body)
        except OSError:
            status = 0
        self.sent.append((event.id, due, time.time(), status))

    async def run(self) -> None:
        """Start every event when it is due, in ticks of a few milliseconds."""
        events = list(build_events(self._plan.rate * self._plan.seconds, run=self._plan.run))
        start = time.time() + 0.5
        async with asyncio.TaskGroup() as group:
            for index, event in enumerate(events):
                due = start + index / self._plan.rate
                wait = due - time.time()
                if wait > 0.001:
                    await asyncio.sleep(wait)
                group.create_task(self.send(event, due))


if __name__ == "__main__":
    _sender = Sender(Plan(**orjson.loads(sys.argv[1])))
    uvloop.run(_sender.run())
    Path(sys.argv[2]).write_bytes(orjson.dumps({"sent": _sender.sent}))
