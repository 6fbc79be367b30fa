"""When the stack may say that it is ready, and who applies the first directory."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from schemas.directory import DirectoryFile
from services.devstack.ask import Answer, ask
from services.devstack.errors import DirectoryRefusedError
from services.runtime.clock import Clock
from services.runtime.logs import get_logger

log = get_logger()

POLL_SECONDS = 0.03
COMPLAIN_EVERY_SECONDS = 5.0
_PASSING = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_GATEWAY, HTTPStatus.TOO_MANY_REQUESTS})


async def apply_directory(routing: str, directory: DirectoryFile, *, operator_key: str, clock: Clock) -> int:
    """Hands the directory to routing as soon as it answers; its version. Raises DirectoryRefusedError."""
    body = directory.model_dump_json(exclude_none=True).encode()
    answer = await _insist(
        lambda: ask("PUT", f"{routing}/v1/directory", key=operator_key, body=body),
        what="routing",
        clock=clock,
    )
    applied = answer.json()
    if answer.status != HTTPStatus.OK:
        raise DirectoryRefusedError(_render_refusal(answer.status, applied))
    log.info(
        "directory.applied",
        version=applied["version"],
        agency_count=len(directory.agencies),
        source_count=len(directory.sources),
        warning_count=len(applied.get("warnings", [])),
    )
    return int(applied["version"])


async def find_applied_version(routing: str, *, operator_key: str, clock: Clock) -> int | None:
    """The version in force, kept from an earlier start; None if there is none."""
    answer = await _insist(
        lambda: ask("GET", f"{routing}/v1/directory", key=operator_key), what="routing", clock=clock
    )
    version = answer.json().get("version")
    return version if answer.status == HTTPStatus.OK and isinstance(version, int) and version > 0 else None


async def wait_until_ready(services: Mapping[str, str], *, version: int, clock: Clock) -> None:
    """Returns when every service (name → URL) is ready with this version of the directory or a newer one."""
    began = complained = clock.monotonic()
    while True:
        names = list(services)
        answers = await asyncio.gather(*(ask("GET", f"{services[name]}/readyz") for name in names))
        failing = sorted(
            trouble
            for name, answer in zip(names, answers, strict=True)
            for trouble in list_failing(name, answer, version=version)
        )
        if not failing:
            return
        now = clock.monotonic()
        if now - complained >= COMPLAIN_EVERY_SECONDS:
            complained = now
            log.warning("stack.waiting", seconds=round(now - began), failing=failing)
        await asyncio.sleep(POLL_SECONDS)


def list_failing(name: str, answer: Answer | None, *, version: int) -> list[str]:
    """What keeps one service from being ready, in its own words; empty when it is."""
    if answer is None:
        return [f"{name}: no answer"]
    said = answer.json()
    if answer.status == HTTPStatus.OK:
        has = said.get("directory_version")
        return [] if isinstance(has, int) and has >= version else [f"{name}: directory"]
    checks = said.get("checks")
    named = (
        [check for check, state in checks.items() if not _passes(state)] if isinstance(checks, dict) else []
    )
    return [f"{name}: {check}" for check in named] or [f"{name}: HTTP {answer.status}"]


def _passes(state: object) -> bool:
    return state is True or state == "ok"


async def _insist(question: Callable[[], Awaitable[Answer | None]], *, what: str, clock: Clock) -> Answer:
    """Asks until there is an answer that is not about passing trouble."""
    began = complained = clock.monotonic()
    while True:
        answer = await question()
        if answer is not None and answer.status not in _PASSING:
            return answer
        now = clock.monotonic()
        if now - complained >= COMPLAIN_EVERY_SECONDS:
            complained = now
            log.warning("stack.waiting", seconds=round(now - began), failing=[f"{what}: no answer"])
        await asyncio.sleep(POLL_SECONDS)


def _render_refusal(status: int, problem: Mapping[str, object]) -> str:
    said = problem.get("detail") or problem.get("title") or ""
    lines = [f"Routing refused the directory (HTTP {status}): {said}"]
    errors = problem.get("errors")
    if isinstance(errors, list):
        lines += [
            f"  {error.get('path')}: {error.get('message')}" for error in errors if isinstance(error, dict)
        ]
    return "\n".join(lines)
