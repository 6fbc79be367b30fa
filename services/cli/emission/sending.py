"""Sending events to intake: in order, in batches, and again with the same id while that can help."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import orjson
from pydantic import ValidationError

from schemas.case_event import MAX_BATCH_BYTES
from schemas.problem import IntakeResponse, Problem
from services.cli.emission.reading import EventToSend

ACCEPTED: Final = 202
AGAIN: Final = frozenset({429, 503})
TRIES: Final = 6
LONGEST_WAIT_SECONDS: Final = 30
ANSWER_SECONDS: Final = 30.0
MAX_EVENTS: Final = 100
_STRUCTURED: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"


@dataclass(frozen=True, slots=True)
class Addressed:
    """An event and the key to send it with."""

    event: EventToSend
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one event. Without a status nobody answered."""

    event: EventToSend
    status: int | None
    problem: Problem | None = None
    correlation_id: str | None = None

    @property
    def is_accepted(self) -> bool:
        return self.status == ACCEPTED

    @property
    def may_help_again(self) -> bool:
        """Whether the same event may be accepted later."""
        return self.status is None or self.status in AGAIN


@dataclass(frozen=True, slots=True)
class Report:
    """What became of every event, and what an acceptance is worth."""

    results: Sequence[Sent]
    durability: str | None

    @property
    def accepted_count(self) -> int:
        return sum(1 for sent in self.results if sent.is_accepted)

    @property
    def is_all_accepted(self) -> bool:
        return self.accepted_count == len(self.results)

    @property
    def is_any_refused(self) -> bool:
        """Intake said no to one, which sending again will not change unless it said later."""
        return any(sent.status is not None and not sent.is_accepted for sent in self.results)


async def send_events(intake: str, events: Sequence[Addressed], *, tries: int = TRIES) -> Report:
    """One result for each event, in order."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        sender = _Sender(session, f"{intake.rstrip('/')}/v1/events")
        results = [sent for batch in _batches(events) for sent in await sender.insist(batch, tries=tries)]
    return Report(results, sender.durability)


class _Sender:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._wait_seconds = 1
        self.durability: str | None = None

    async def insist(self, batch: Sequence[Addressed], *, tries: int) -> list[Sent]:
        """Sends what was not taken again, as long as told to; then gives the last answers."""
        results = dict(enumerate(await self._send(batch)))
        for _ in range(tries - 1):
            again = [index for index, sent in results.items() if sent.may_help_again]
            if not again:
                break
            await asyncio.sleep(self._wait_seconds)
            answers = await self._send([batch[index] for index in again])
            results.update(zip(again, answers, strict=True))
        return list(results.values())

    async def _send(self, batch: Sequence[Addressed]) -> list[Sent]:
        headers = {"Authorization": f"Bearer {batch[0].key}"}
        documents = [addressed.event.document for addressed in batch]
        if len(documents) == 1:
            headers["Content-Type"], body = _STRUCTURED, orjson.dumps(documents[0])
        else:
            headers["Content-Type"], body = _BATCH, orjson.dumps(documents)
        try:
            async with self._session.post(self._url, data=body, headers=headers) as response:
                self._wait_seconds = _read_wait(response.headers)
                return self._read(batch, response, await response.read())
        except (aiohttp.ClientError, TimeoutError):
            self._wait_seconds = 1
            return [Sent(addressed.event, None) for addressed in batch]

    def _read(self, batch: Sequence[Addressed], response: aiohttp.ClientResponse, body: bytes) -> list[Sent]:
        correlation_id = response.headers.get("Tocsin-Correlation-Id")
        answer = _parse(body)
        if answer is not None and len(answer.events) == len(batch):
            self.durability = answer.durability
            return [
                Sent(addressed.event, result.status, result.problem, correlation_id)
                for addressed, result in zip(batch, answer.events, strict=True)
            ]
        problem = _parse_problem(body)
        return [Sent(addressed.event, response.status, problem, correlation_id) for addressed in batch]


def _batches(events: Sequence[Addressed]) -> Iterator[Sequence[Addressed]]:
    """Neighbours with the same key, as many as fit into a request."""
    batch: list[Addressed] = []
    size = 0
    for addressed in events:
        length = len(orjson.dumps(addressed.event.document)) + 1
        is_full = len(batch) == MAX_EVENTS or size + length > MAX_BATCH_BYTES // 2
        if batch and (is_full or addressed.key != batch[0].key):
            yield batch
            batch, size = [], 0
        batch.append(addressed)
        size += length
    if batch:
        yield batch


def _read_wait(headers: Mapping[str, str]) -> int:
    given = headers.get("Retry-After", "")
    return min(LONGEST_WAIT_SECONDS, max(1, int(given))) if given.isdecimal() else 1


def _parse(body: bytes) -> IntakeResponse | None:
    try:
        document = orjson.loads(body)
        return IntakeResponse.model_validate(
            {"durability": document["durability"], "events": document["events"]}
        )
    except (ValueError, KeyError, TypeError, ValidationError):
        return None


def _parse_problem(body: bytes) -> Problem | None:
    try:
        return Problem.model_validate_json(body)
    except ValidationError:
        return None
