"""Processes of their own, ended as a supervisor or an operator would end them."""

import asyncio
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import orjson
import pytest

from services.runtime.lifecycle import ExitCode, Lifetime, background, unless_stopped
from services.runtime.logs import capture_logs
from tests.support.waiting import SECONDS

PRELUDE = """
import asyncio
from services.runtime.lifecycle import ExitCode, background, run, unless_stopped
from services.runtime.logbook import LogEntry
from services.runtime.logs import LogFormat, configure, get_logger
catalogue = {"work.done": LogEntry("info", "Done.")}
configure(service="demo", catalogue=catalogue, format=LogFormat.JSON)
log = get_logger()
"""


@contextmanager
def process(body: str, *, drain_seconds: float = 5) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs ``main`` and has said that it is up."""
    code = f"{PRELUDE}{textwrap.dedent(body)}\nraise SystemExit(run(main, drain_seconds={drain_seconds}))"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as running:
        try:
            assert running.stderr is not None
            assert b"service.started" in running.stderr.readline()
            yield running
        finally:
            running.kill()


def end_of(running: subprocess.Popen[bytes]) -> tuple[int, list[dict[str, Any]]]:
    assert running.stderr is not None
    lines = [orjson.loads(line) for line in running.stderr.read().splitlines()]
    return running.wait(SECONDS), lines


WAITING = """
async def main(lifetime):
    log.info("service.started")
    await lifetime.wait()
    log.info("work.done")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_in_order_with_0(number: signal.Signals) -> None:
    with process(WAITING) as running:
        running.send_signal(number)
        code, lines = end_of(running)
    assert code == 0
    assert [line["event"] for line in lines] == ["service.stopping", "work.done", "service.stopped"]
    assert (lines[0]["reason"], lines[-1]["exit_code"]) == (number.name, 0)


def test_a_changed_cluster_ends_the_process_with_75() -> None:
    body = """
    async def main(lifetime):
        log.info("service.started")
        lifetime.stop(reason="cluster_changed", exit_code=ExitCode.CLUSTER_CHANGED)
        await lifetime.wait()
    """
    with process(body) as running:
        code, lines = end_of(running)
    assert code == 75
    assert lines[-1]["exit_code"] == 75


@pytest.mark.parametrize(
    "body",
    [
        """
        async def main(lifetime):
            log.info("service.started")
            raise ValueError("Maria")
        """,
        """
        async def crash():
            raise ValueError("Maria")

        async def main(lifetime):
            log.info("service.started")
            async with background(lifetime, crash()):
                await lifetime.wait()
        """,
    ],
)
def test_a_fault_ends_the_process_with_1_and_its_text_is_not_logged(body: str) -> None:
    with process(body) as running:
        code, lines = end_of(running)
    assert code == 1
    failed = next(line for line in lines if line["event"] == "service.failed")
    assert (failed["level"], failed["error_type"]) == ("error", "ValueError")
    assert "Maria" not in str(lines)


def test_work_that_does_not_end_in_time_is_cut_off_and_counts_as_a_fault() -> None:
    body = """
    async def main(lifetime):
        log.info("service.started")
        await asyncio.Event().wait()
    """
    with process(body, drain_seconds=0.2) as running:
        running.terminate()
        code, lines = end_of(running)
    assert code == 1
    assert [line["event"] for line in lines] == [
        "service.stopping",
        "service.drain_cut_short",
        "service.stopped",
    ]


def test_a_main_that_returns_by_itself_is_a_clean_end() -> None:
    body = """
    async def main(lifetime):
        log.info("service.started")
    """
    with process(body) as running:
        assert end_of(running)[0] == 0


def test_an_error_in_a_task_that_nobody_awaits_is_logged_without_its_text() -> None:
    body = """
    async def forgotten():
        raise KeyError("Maria")

    async def main(lifetime):
        log.info("service.started")
        task = asyncio.create_task(forgotten())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
    """
    with process(body) as running:
        code, lines = end_of(running)
    assert code == 0
    assert (lines[0]["event"], lines[0]["error_type"]) == ("task.failed", "KeyError")
    assert "Maria" not in str(lines)


def test_a_signal_does_not_wait_for_what_is_still_being_opened() -> None:
    body = """
    async def main(lifetime):
        log.info("service.started")
        await unless_stopped(lifetime, asyncio.Event().wait())
    """
    with process(body, drain_seconds=60) as running:
        running.terminate()
        assert end_of(running)[0] == 0


async def test_a_fault_after_an_orderly_stop_still_shows_in_the_exit_code() -> None:
    lifetime = Lifetime()
    with capture_logs({}):
        lifetime.stop(reason="SIGTERM")
        lifetime.fail(ValueError())
    assert lifetime.exit_code is ExitCode.FAULT


async def test_the_first_reason_to_stop_counts() -> None:
    lifetime = Lifetime()
    with capture_logs({}) as lines:
        lifetime.stop(reason="cluster_changed", exit_code=ExitCode.CLUSTER_CHANGED)
        lifetime.stop(reason="SIGTERM")
    assert lifetime.exit_code is ExitCode.CLUSTER_CHANGED
    assert [line["reason"] for line in lines] == ["cluster_changed"]


async def test_background_work_ends_with_its_block() -> None:
    lifetime, ended = Lifetime(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with background(lifetime, work()):
        await asyncio.sleep(0)
    assert ended.is_set()
    assert not lifetime.is_stopping


async def test_what_was_opened_in_time_is_handed_on() -> None:
    async def open_it() -> str:
        return "opened"

    assert await unless_stopped(Lifetime(), open_it()) == "opened"


async def test_what_fails_to_open_raises() -> None:
    async def open_it() -> None:
        raise ConnectionRefusedError

    with pytest.raises(ConnectionRefusedError):
        await unless_stopped(Lifetime(), open_it())


async def test_work_that_loses_the_first_request_to_end_is_asked_again() -> None:
    """As aiokafka's clients do when it meets them while they are closed: a stop would wait for ever."""
    lost = asyncio.Event()

    async def work() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        lost.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(SECONDS):
        async with background(Lifetime(), work()):
            await asyncio.sleep(0)
    assert lost.is_set()
