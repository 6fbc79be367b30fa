"""The processes of a measurement, started as an operator would and ended by id."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from tests.support.kafka_choice import CHOSEN

ROOT: Final = Path(__file__).resolve().parents[2]
TOCSIN: Final = Path(sys.executable).with_name("tocsin")
_STOP_SECONDS: Final = 30


@contextmanager
def running(command: Sequence[str], *, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process with its errors in a file; end it politely."""
    with log.open("ab") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STOP_SECONDS)


def read_line(process: subprocess.Popen[bytes]) -> bytes:
    """Read one line of a process's output; fail if it ended instead."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        msg = f"{process.args!r} ended early with {process.wait()}"
        raise RuntimeError(msg)
    return line


@contextmanager
def running_stack(
    folder: Path, *, directory: Mapping[str, Any], options: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Run `tocsin up --embedded` with a directory; yield its ready line and the seconds it took to print."""
    folder.mkdir(parents=True)
    file = folder / "directory.json"
    file.write_bytes(orjson.dumps(directory))
    data = folder / "data"
    kafka = ("--kafka", CHOSEN.value)
    command = [
        str(TOCSIN),
        "up",
        "--embedded",
        *kafka,
        "--data-dir",
        str(data),
        "--directory",
        str(file),
        *options,
    ]
    began = time.monotonic()
    with running(command, log=folder / "stack.log") as process:
        ready: dict[str, Any] = orjson.loads(read_line(process))
        yield ready | {"ready_seconds": round(time.monotonic() - began, 2)}


@contextmanager
def running_receiver(folder: Path, secrets: Mapping[str, str]) -> Iterator["Receiver"]:
    """Run the receivers' process."""
    folder.mkdir(parents=True, exist_ok=True)
    config, result = folder / "secrets.json", folder / "received.json"
    config.write_bytes(orjson.dumps(secrets))
    command = [sys.executable, "-m", "tests.bench.receiver", str(config), str(result)]
    with running(command, log=folder / "receiver.log") as process:
        yield Receiver(process, result, int(read_line(process)))


class Receiver:
    """The receivers' process from outside."""

    def __init__(self, process: subprocess.Popen[bytes], result: Path, port: int) -> None:
        self._process = process
        self._result = result
        self.port = port

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def count(self) -> int:
        """How many webhooks arrived until now."""
        self._process.send_signal(signal.SIGUSR1)
        return int(read_line(self._process))

    def finish(self) -> dict[str, Any]:
        """End it and read its record."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(_STOP_SECONDS)
        record: dict[str, Any] = orjson.loads(self._result.read_bytes())
        return record


def run_load(folder: Path, plan: Mapping[str, Any], *, module: Sequence[str]) -> tuple[dict[str, Any], float]:
    """Run a load to its end; return what it sent and the processor seconds it took."""
    folder.mkdir(parents=True, exist_ok=True)
    result = folder / f"sent-{plan['run']}.json"
    before = _children_cpu()
    command = [sys.executable, "-m", *module, orjson.dumps(plan).decode(), str(result)]
    subprocess.run(command, cwd=ROOT, check=True)
    record: dict[str, Any] = orjson.loads(result.read_bytes())
    return record, _children_cpu() - before


def _children_cpu() -> float:
    import resource  # noqa: PLC0415 - not on every platform

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
