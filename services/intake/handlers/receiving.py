"""Receiving events: judge each, seal what may be stored, publish, and only then say accepted."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from services.intake.handlers.keydesk import KeyDesk
from services.intake.handlers.sealing import seal_event
from services.intake.ingress.access import Caller
from services.intake.ingress.answer import Outcome
from services.intake.ingress.judgement import Admitted, find_event_id, judge_event
from services.intake.ingress.rate import RateLimiter
from services.intake.ingress.refusals import (
    Refusal,
    refuse_destroyed_case,
    refuse_too_many,
    refuse_unavailable,
    refuse_unconfirmed,
)
from services.runtime.clock import Clock
from services.runtime.database import TRANSIENT_ERRORS
from services.runtime.health import Check, NotReadyError
from services.runtime.kafka import GatheringPublisher, ProducerDeadError, PublishError, Record
from services.runtime.keyring import CaseKey
from services.runtime.logs import get_logger

log = get_logger()

T = TypeVar("T")
U = TypeVar("U")

EVENTS_AT_A_TIME: Final = 50
"""Some 3 ms of work, which is how long one request may hold up all others."""

_AWAY: Final[tuple[type[Exception], ...]] = (NotReadyError, *TRANSIENT_ERRORS)


@dataclass(frozen=True, slots=True)
class Submission:
    """The events of one request, as parsed JSON, and who sent them."""

    caller: Caller
    events: Sequence[object]
    correlation_id: str


class Receiver:
    """The path of an event from a request to Kafka."""

    def __init__(
        self,
        *,
        limiter: RateLimiter,
        keys: KeyDesk,
        publisher: GatheringPublisher,
        kafka: Check,
        clock: Clock,
        fail: Callable[[Exception], None],
    ) -> None:
        self._limiter = limiter
        self._keys = keys
        self._publisher = publisher
        self._kafka = kafka
        self._clock = clock
        self._fail = fail

    async def receive(self, submission: Submission) -> list[Outcome]:
        """One outcome for each event, in order. An accepted one is on every in-sync replica."""
        judged = await self._judge(submission)
        admitted = {index: event for index, event in enumerate(judged) if isinstance(event, Admitted)}
        refused = {index: event for index, event in enumerate(judged) if isinstance(event, Refusal)}
        if admitted:
            refused.update(await self._store(admitted, submission.correlation_id))
        return [
            _outcome(index, event, raw=submission.events[index], refusal=refused.get(index))
            for index, event in enumerate(judged)
        ]

    async def _judge(self, submission: Submission) -> list[Admitted | Refusal]:
        """Events beyond the source's rate are not looked at."""
        events = submission.events
        allowance = self._limiter.take(submission.caller.source, len(events), now=self._clock.monotonic())
        granted = events[: allowance.granted_count]
        judged = await _for_each(granted, lambda raw: judge_event(raw, caller=submission.caller))
        beyond = len(events) - len(judged)
        return [*judged, *[refuse_too_many(allowance.retry_after)] * beyond] if beyond else judged

    async def _store(self, admitted: Mapping[int, Admitted], correlation_id: str) -> dict[int, Refusal]:
        """The refusals of what could not be stored."""
        try:
            await self._kafka()
            keys = await self._keys.ensure_keys({each.event.subject for each in admitted.values()})
            open_cases = {index: each for index, each in admitted.items() if each.event.subject in keys}
            await self._publisher.publish(await self._seal(open_cases.values(), keys, correlation_id))
        except _AWAY as error:
            return _refuse_all(admitted, refuse_unavailable(), error, correlation_id)
        except (PublishError, ProducerDeadError) as error:
            if isinstance(error, ProducerDeadError):
                self._fail(error)
            return _refuse_all(admitted, refuse_unconfirmed(), error, correlation_id)
        return {index: refuse_destroyed_case() for index in admitted.keys() - open_cases.keys()}

    async def _seal(
        self, admitted: Iterable[Admitted], keys: Mapping[str, CaseKey], correlation_id: str
    ) -> list[Record]:
        received_at = self._clock.now()

        def seal(each: Admitted) -> Record:
            key = keys[each.event.subject]
            return seal_event(each, key=key, correlation_id=correlation_id, received_at=received_at)

        return await _for_each(admitted, seal)


async def _for_each(items: Iterable[T], work: Callable[[T], U]) -> list[U]:
    """The work on every item; a long list lets other requests in between."""
    done: list[U] = []
    for item in items:
        if done and len(done) % EVENTS_AT_A_TIME == 0:
            await asyncio.sleep(0)
        done.append(work(item))
    return done


def _outcome(index: int, judged: Admitted | Refusal, *, raw: object, refusal: Refusal | None) -> Outcome:
    if isinstance(judged, Admitted):
        return Outcome(index, judged.event.id, refusal, case_ref=judged.event.subject)
    return Outcome(index, find_event_id(raw), judged)


def _refuse_all(
    admitted: Mapping[int, Admitted], refusal: Refusal, error: Exception, correlation_id: str
) -> dict[int, Refusal]:
    log.warning("events.not_stored", event_count=len(admitted), correlation_id=correlation_id, exc_info=error)
    return dict.fromkeys(admitted, refusal)
