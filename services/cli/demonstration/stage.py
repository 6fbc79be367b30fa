"""The stage: `tocsin up` as an operator runs it, with a receiver behind every agency of the sample."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from services.devstack.keys import Keys, read_keys
from services.runtime.crypto import new_api_key

READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 40.0


class StageError(Exception):
    """The stack did not come up; the text says where to look."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A running stack and where it keeps everything."""

    ready: Mapping[str, Any]
    keys: Keys
    source_key: str
    data_dir: Path
    log_file: Path


def build_directory(
    *, source: str, source_key: str, endpoints: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    """Extend the sample with one signed endpoint per agency (id -> url and secret) and the emitter's key."""
    return {
        "extends": "sample",
        "agencies": [
            {"id": agency, "endpoints": [{"url": url, "secret": secret, "content": "disclosed"}]}
            for agency, (url, secret) in endpoints.items()
        ],
        "sources": [{"source": source, "key": source_key, "types": ["*"]}],
    }


@asynccontextmanager
async def open_stage(
    folder: Path, *, source: str, endpoints: Mapping[str, tuple[str, str]]
) -> AsyncIterator[Stage]:
    """Run the stack in a folder, its logs in a file there; end it when the block ends. Raises StageError."""
    source_key = new_api_key("tcs_")
    file, log_file, data_dir = folder / "directory.json", folder / "tocsin.log", folder / "data"
    directory = build_directory(source=source, source_key=source_key, endpoints=endpoints)
    file.write_bytes(orjson.dumps(directory))
    file.chmod(0o600)
    with log_file.open("wb") as log:
        command = ["-m", "services.cli.main", "up", "--embedded"]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            "--data-dir",
            str(data_dir),
            "--directory",
            str(file),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        ready = await _read_ready(process, log_file)
        keys = read_keys(data_dir / "keys.json")
        yield Stage(ready=ready, keys=keys, source_key=source_key, data_dir=data_dir, log_file=log_file)
    finally:
        await _stop(process)


async def _read_ready(process: asyncio.subprocess.Process, log_file: Path) -> dict[str, Any]:
    line = b""
    if process.stdout is not None:
        with suppress(TimeoutError):
            line = await asyncio.wait_for(process.stdout.readline(), READY_SECONDS)
    if not line:
        msg = f"the stack did not become ready; its log is {log_file}"
        raise StageError(msg)
    ready: dict[str, Any] = orjson.loads(line)
    return ready


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
