"""`tocsin up --embedded` as a user runs it: a process with two streams, and files in its data directory."""

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, cast

import orjson

from services.devstack.apache.broker import node_names
from services.devstack.build import CONTROLLER, PORTS
from services.devstack.datadir import DataDirectory
from tests.support.kafka_choice import CHOSEN, ON_APACHE
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "services.cli.main")

_READY_SECONDS = 150.0 if ON_APACHE else 90.0
_STOP_SECONDS = 60.0
MOST_BROKERS = 3


@dataclass
class Lines:
    """Everything a stream said, read in the background, to be waited for by content."""

    stream: TextIO
    seen: list[str] = field(default_factory=list)
    _fresh: "queue.Queue[str | None]" = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def next_line(self, *, seconds: float) -> str | None:
        """None when the stream ended. Raises queue.Empty when nothing came in time."""
        line = self._fresh.get(timeout=seconds)
        if line is not None:
            self.seen.append(line)
        return line

    def read_all(self) -> list[str]:
        """To the end of the stream, which must come."""
        while self.next_line(seconds=_STOP_SECONDS) is not None:
            pass
        return self.seen

    def _read(self) -> None:
        for line in self.stream:
            self._fresh.put(line.rstrip("\n"))
        self._fresh.put(None)


class RunningStack:
    """A stack in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", data_dir: Path) -> None:
        self.process = process
        self.data_dir = data_dir
        self.output = Lines(cast("TextIO", process.stdout))
        self.log = Lines(cast("TextIO", process.stderr))
        self.ready: dict[str, Any] = {}

    def wait_until_ready(self) -> dict[str, Any]:
        """The ready line; an AssertionError with the log when the process ends instead."""
        line = self.output.next_line(seconds=_READY_SECONDS)
        assert line is not None, "\n".join(self.log.read_all())
        self.ready = orjson.loads(line)
        return self.ready

    def wait_for_log(self, event: str, **keys: object) -> dict[str, Any]:
        """The next log line of this event with these values."""
        while True:
            line = self.log.next_line(seconds=_READY_SECONDS)
            assert line is not None, f"ended without {event} {keys}"
            entry = _parse(line)
            if entry.get("event") == event and all(entry.get(key) == value for key, value in keys.items()):
                return entry

    @property
    def pids(self) -> dict[str, int]:
        """As `pids.json` tells them now."""
        return cast("dict[str, int]", orjson.loads((self.data_dir / "pids.json").read_bytes()))

    @property
    def keys(self) -> dict[str, Any]:
        return cast("dict[str, Any]", orjson.loads((self.data_dir / "keys.json").read_bytes()))

    def kill(self, name: str) -> int:
        """SIGKILL to one process; the pid it had."""
        pid = self.pids[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code after an orderly stop."""
        self.process.send_signal(number)
        return self.process.wait(_STOP_SECONDS)


def _parse(line: str) -> dict[str, Any]:
    try:
        entry = orjson.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


@contextlib.contextmanager
def running_stack(
    *options: str, data_dir: Path | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[RunningStack]:
    """Runs `tocsin up --embedded` until the end of the block. Call `wait_until_ready` in it."""
    folder = data_dir or Path(tempfile.mkdtemp(prefix="tocsin-test-"))
    _reserve_ports(DataDirectory(folder))
    stack = RunningStack(start_up(["--data-dir", str(folder), *options], environment=environment), folder)
    try:
        yield stack
    finally:
        _end(stack.process)
        if data_dir is None:
            shutil.rmtree(folder)


def _reserve_ports(directory: DataDirectory) -> None:
    """A stack takes the ports that it had: so two that start at once never choose the same."""
    if not directory.ports_file.exists():
        brokers = [name for node in node_names(MOST_BROKERS) for name in (node, CONTROLLER.format(node))]
        directory.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.ports_file.write_bytes(orjson.dumps({name: free_port() for name in (*PORTS, *brokers)}))


def start_up(
    options: Sequence[str], *, environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, "up", "--embedded", "--kafka", CHOSEN.value, *options],
        cwd=ROOT,
        env={**os.environ, "TOCSIN_LOG_FORMAT": "json", **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
