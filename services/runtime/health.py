"""Liveness and readiness: named checks with a time-out, asked at most every 200 ms, and their routes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.runtime.clock import Clock, SystemClock
from services.runtime.faults import error_type
from services.runtime.logs import dropped_keys, find_tally, get_logger
from services.runtime.tally import Gauges

log = get_logger()

CHECK_SECONDS: Final = 1.0
CACHE_SECONDS: Final = 0.2

JsonFact: TypeAlias = str | int | float | bool | Sequence[str] | Mapping[str, "JsonFact"] | None
Check: TypeAlias = Callable[[], Awaitable[None]]
Fact: TypeAlias = Callable[[], JsonFact]


class NotReadyError(Exception):
    """Raised by a check; its text is shown on /readyz and must hold no data."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What /readyz answers: each check's "ok" or why not, and the facts."""

    ready: bool
    checks: Mapping[str, str]
    facts: Mapping[str, JsonFact] = field(default_factory=dict)

    @property
    def failing(self) -> list[str]:
        return [name for name, answer in self.checks.items() if answer != "ok"]

    @property
    def gauges(self) -> Gauges:
        """Checks, and those facts that are numbers; of a mapping each."""
        facts = {
            name: value
            for fact, told in self.facts.items()
            for name, value in _flatten(fact, told)
            if isinstance(value, int | float)
        }
        return Gauges({name: answer == "ok" for name, answer in self.checks.items()}, facts)


def _flatten(name: str, fact: JsonFact) -> Iterator[tuple[str, JsonFact]]:
    if isinstance(fact, Mapping):
        for key, value in fact.items():
            yield from _flatten(f"{name}.{key}", value)
    else:
        yield name, fact


class Probes:
    """The checks that this process is ready by, and the facts it tells beside them."""

    def __init__(self, *, clock: Clock | None = None, check_seconds: float = CHECK_SECONDS) -> None:
        self._check_seconds = check_seconds
        self._clock = clock or SystemClock()
        self._checks: dict[str, Check] = {}
        self._facts: dict[str, Fact] = {}
        self._last: Readiness | None = None
        self._last_at = 0.0
        self._asking = asyncio.Lock()

    def add_check(self, name: str, check: Check) -> None:
        """A coroutine function that returns if all is well and raises if not (NotReadyError to say why)."""
        self._checks[name] = check

    def add_fact(self, name: str, fact: Fact) -> None:
        """Something to tell beside the checks, such as ``directory_version``."""
        self._facts[name] = fact

    async def ask(self) -> Readiness:
        """The current readiness, at most 200 ms old."""
        async with self._asking:
            now = self._clock.monotonic()
            if self._last is not None and now - self._last_at < CACHE_SECONDS:
                return self._last
            return self._remember(await self._ask_all(), now)

    async def _ask_all(self) -> Readiness:
        # One more may be added while these answer: a process is asked from its first second.
        asked = dict(self._checks)
        answers = await asyncio.gather(*(_answer(check, self._check_seconds) for check in asked.values()))
        checks = dict(zip(asked, answers, strict=True))
        facts = {name: fact() for name, fact in self._facts.items()}
        return Readiness(ready=all(answer == "ok" for answer in answers), checks=checks, facts=facts)

    def _remember(self, readiness: Readiness, now: float) -> Readiness:
        before = self._last
        if before is None or before.ready != readiness.ready:
            log.info("readiness.changed", ready=readiness.ready, failing=readiness.failing)
        self._last, self._last_at = readiness, now
        return readiness


async def _answer(check: Check, seconds: float) -> str:
    try:
        async with asyncio.timeout(seconds):
            await check()
    except NotReadyError as error:
        return str(error)
    except TimeoutError:
        return "no answer in time"
    except Exception as error:  # noqa: BLE001 -- a check that raises is the answer
        return error_type(error)
    return "ok"


def health_routes(probes: Probes) -> list[Route]:
    """``/livez`` answers if the event loop turns; ``/readyz`` is 200 or 503 with the failing checks named.

    ``/metrics`` is for Prometheus.
    """

    async def livez(_: Request) -> Response:
        return Response(b'{"live":true}', media_type="application/json")

    async def readyz(_: Request) -> Response:
        readiness = await probes.ask()
        body = {"ready": readiness.ready, "checks": readiness.checks, **readiness.facts}
        status = 200 if readiness.ready else 503
        return Response(orjson.dumps(body), status_code=status, media_type="application/json")

    async def metrics(_: Request) -> Response:
        from services.runtime.metrics import MEDIA_TYPE, render  # noqa: PLC0415 -- 65 ms that no start waits for

        gauges = (await probes.ask()).gauges
        body = render(*find_tally(), dropped_keys=dropped_keys.total, gauges=gauges)
        return Response(body, media_type=MEDIA_TYPE)

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]
