"""The e-mail part: the same mix, told to duty desks by e-mail only."""

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg

from tests.bench.measure import percentiles
from tests.bench.mix import build_directory, build_events
from tests.bench.stack import Receiver, read_line, run_load, running, running_stack


def measure_mail(folder: Path, *, rate: int, seconds: int) -> dict[str, Any]:
    """Return how many mails came, how many were missing, and the latency from the scheduled send instant."""
    directory, key, _ = build_directory(port=0, mail=True)
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "tests.bench.mail_sink", "-", str(folder / "mails.json")]
    with running(command, log=folder / "sink.log") as process:
        sink = Receiver(process, folder / "mails.json", int(read_line(process)))
        options = ("--smtp", f"127.0.0.1:{sink.port}")
        with running_stack(folder / "stack", directory=directory, options=options) as ready:
            plan = {
                "url": ready["intake"] + "/v1/events",
                "key": key,
                "run": "mail",
                "rate": rate,
                "seconds": seconds,
            }
            expected = sum(len(event.expected) for event in build_events(rate * seconds, run="mail"))
            sent, _ = run_load(folder, plan, module=("tests.bench.load",))
            deadline = time.monotonic() + 30
            while sink.count() < expected and time.monotonic() < deadline:
                time.sleep(0.1)
            events = asyncio.run(_events_of_alerts(ready["postgres"]))
            received = sink.finish()
    return _summarise(sent, received, events=events, expected=expected) | {"rate": rate, "seconds": seconds}


async def _events_of_alerts(url: str) -> dict[str, str]:
    """Which event each alert is about: a mail says only the alert's id."""
    connection = await asyncpg.connect(url)
    try:
        return {
            str(row[0]): row[1]
            for row in await connection.fetch("SELECT alert_id, event_id FROM routing.alert")
        }
    finally:
        await connection.close()


def _summarise(
    sent: Mapping[str, Any], received: Mapping[str, Any], *, events: Mapping[str, str], expected: int
) -> dict[str, Any]:
    due = {event_id: at for event_id, at, _, _ in sent["sent"]}
    ids = [alert_id for alert_id, _, _ in received["arrivals"]]
    return {
        "delivered": len(ids),
        "missing": expected - len(set(ids)),
        "duplicates": len(ids) - len(set(ids)),
        "scheduled_to_received_ms": percentiles(
            at - due[events[alert_id]] for alert_id, _, at in received["arrivals"]
        ),
    }
