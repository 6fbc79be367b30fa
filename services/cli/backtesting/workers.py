"""Many courses, decided by as many processes as the machine has cores."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from typing import Final

import orjson

from schemas.case_event import InvalidEventError, parse_case_event
from schemas.directory import DirectorySnapshot
from services.cli.backtesting.courses import NOT_OPENED, Course
from services.cli.backtesting.drafts import Protocols
from services.cli.backtesting.findings import Findings
from services.cli.backtesting.replay import Period, Replay
from services.cli.simulation.reading import Arrival
from services.routing.decision import Directory

CHUNK_EVENTS: Final = 500
ALONE_UP_TO: Final = 5_000
"""So many events are decided sooner than other processes are started."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What every process needs to know; `directories` are snapshots as JSON, by their version."""

    protocols: Protocols
    period: Period
    directories: Mapping[int, str] = field(repr=False)


class Worker:
    """Decides courses, each directory read once."""

    def __init__(self, job: Job) -> None:
        self._replay = Replay(job.protocols, job.period)
        self._snapshots = job.directories
        self._directories: dict[int, Directory] = {}

    def decide(self, courses: Sequence[Course]) -> Findings:
        findings = Findings()
        for course in courses:
            findings.add(self._replay.replay_events(list(self._read(course, findings))))
        return findings

    def _read(self, course: Course, findings: Findings) -> Iterator[Arrival]:
        for record in course:
            try:
                event = parse_case_event(record.raw)
            except InvalidEventError:
                findings.skip(NOT_OPENED)
                continue
            data = orjson.loads(record.raw)["data"]
            yield Arrival(record.at, event, data, self._find_directory(record.directory_version))

    def _find_directory(self, version: int) -> Directory:
        if version not in self._directories:
            snapshot = DirectorySnapshot.model_validate_json(self._snapshots[version])
            self._directories[version] = Directory(snapshot.agencies, version=version)
        return self._directories[version]


def decide_all(
    job: Job, courses: Sequence[Course], *, progress: Progress, alone_up_to: int = ALONE_UP_TO
) -> Findings:
    """What the drafts would change; `progress` is told how many events were done. Raises UndecidableError."""
    findings = Findings()
    is_little = _count(courses) <= alone_up_to
    results = _decide_alone(job, courses) if is_little else _decide_together(job, courses)
    for done, result in results:
        findings.add(result)
        progress(done)
    findings.sort()
    return findings


def _decide_alone(job: Job, courses: Iterable[Course]) -> Iterator[tuple[int, Findings]]:
    worker = Worker(job)
    for chunk in _chunks(courses):
        yield _count(chunk), worker.decide(chunk)


def _decide_together(job: Job, courses: Iterable[Course]) -> Iterator[tuple[int, Findings]]:
    """A few chunks wait for each process, and no more: what waits has been copied."""
    cores = len(os.sched_getaffinity(0))
    # Started anew, and not forked: the engine of the conditions has threads.
    with ProcessPoolExecutor(
        cores, mp_context=get_context("spawn"), initializer=_start, initargs=(job,)
    ) as pool:
        chunks = _chunks(courses)
        waiting: dict[Future[Findings], int] = {}
        while True:
            while len(waiting) < 3 * cores and (chunk := next(chunks, None)) is not None:
                waiting[pool.submit(_decide, chunk)] = _count(chunk)
            if not waiting:
                return
            for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(done), done.result()


def _chunks(courses: Iterable[Course]) -> Iterator[list[Course]]:
    """Whole courses, some hundred events together."""
    chunk: list[Course] = []
    for course in courses:
        chunk.append(course)
        if _count(chunk) >= CHUNK_EVENTS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _count(courses: Iterable[Course]) -> int:
    return sum(map(len, courses))


_JOBS: list[Job] = []


def _start(job: Job) -> None:
    _JOBS.append(job)
    _worker()


@cache
def _worker() -> Worker:
    """Of this process."""
    return Worker(_JOBS[-1])


def _decide(courses: Sequence[Course]) -> Findings:
    return _worker().decide(courses)
