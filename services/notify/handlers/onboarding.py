"""Adding an endpoint: tried first, and then told to routing, which owns the directory."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from schemas.directory import (
    AgencyRecord,
    EndpointLimits,
    EndpointRecord,
    endpoint_id,
    endpoint_seal_context,
)
from schemas.vocabulary import EndpointContent
from services.notify import receipts
from services.notify.directory import Directory
from services.notify.handlers.limiting import Counted, Limits
from services.notify.handlers.ports import Outgoing
from services.notify.onboarding import Probe, ProbeResult, build_test
from services.notify.repository.onboarding import OnboardingRepository
from services.runtime.clock import Clock
from services.runtime.crypto import Cipher
from services.runtime.logs import get_logger

log = get_logger()

MOST_AT_ONCE: Final = 4
BY_AGENCY: Final = "agency"
MOST_ENDPOINTS: Final = 10
"""Of an agency; more are for the directory file."""
IN_FORCE_SECONDS: Final = 3.0
TRYING: Final = timedelta(minutes=1)
"""Longer than any probe takes: a process that died in between keeps nobody waiting longer."""


class EndpointRefusedError(Exception):
    """It is not added; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEndpoint:
    """What is asked for."""

    url: str
    secret: str = field(repr=False)
    content: EndpointContent
    exercises: bool
    limits: EndpointLimits | None


@dataclass(frozen=True, slots=True)
class Added:
    """An endpoint that passed; `in_force` once the directory has it here."""

    endpoint_id: str
    results: Sequence[ProbeResult]
    in_force: bool


class ProbeFailedError(Exception):
    """A probe did not come to what it must."""

    def __init__(self, results: Sequence[ProbeResult]) -> None:
        super().__init__("probes failed")
        self.results = results


class UnderWayError(Exception):
    """Another request adds an endpoint at this address, or has just done so."""


class TooOftenError(Exception):
    """Not tried: ask again after this while."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__("too often")
        self.wait = wait


class Prober(Protocol):
    """What reaches the receiver."""

    async def probe(
        self, probe: Probe, url: str, *, secret: str, webhook_id: str, body: bytes
    ) -> ProbeResult: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OnboardingDesk:
    """Raises one of database.TRANSIENT_ERRORS when PostgreSQL is away."""

    directory: Directory
    prober: Prober
    onboarding: OnboardingRepository
    limits: Limits
    publish: Outgoing
    cipher: Cipher = field(repr=False)
    member: str
    clock: Clock
    new_id: Callable[[], UUID]
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))

    def find_agency(self, agency: str) -> AgencyRecord | None:
        return self.directory.view.find_active(agency)

    async def add_own(self, agency: AgencyRecord, asked: NewEndpoint) -> Added:
        """By the agency itself, which may try so often and no more. Raises as `add`, and TooOftenError."""
        wait = await self.limits.count({Counted.ENDPOINT: agency.id})
        if wait is not None:
            log.warning("endpoint.limited", agency=agency.id)
            raise TooOftenError(wait)
        return await self.add(agency, asked, by=BY_AGENCY)

    async def add(self, agency: AgencyRecord, asked: NewEndpoint, *, by: str) -> Added:
        """Raises EndpointRefusedError, ProbeFailedError or UnderWayError."""
        name = endpoint_id(agency=agency.id, url=asked.url)
        _check(agency, name)
        request = self.new_id()
        async with self._room:
            now = self.clock.now()
            if not await self.onboarding.claim(name, request=request, now=now, until=now + TRYING):
                raise UnderWayError
            results = await self._try(agency.id, name, asked)
        has_passed = all(result.has_passed for result in results)
        log.info("endpoint.tested", agency=agency.id, endpoint_id=name, operator=by, passed=has_passed)
        if not has_passed:
            await self.onboarding.release(name, request=request)
            raise ProbeFailedError(results)
        record = self._seal(agency.id, name, asked)
        await self._tell(agency.id, record, request=request, by=by)
        found = await self.directory.wait_for_endpoint(agency.id, name, seconds=IN_FORCE_SECONDS)
        if found is not None and found.secret_sealed != record.secret_sealed:
            # Routing had taken over another's before, and the directory here did not have it yet.
            raise UnderWayError
        return Added(name, results, in_force=found is not None)

    async def _tell(self, agency: str, record: EndpointRecord, *, request: UUID, by: str) -> None:
        now = self.clock.now()
        receipt = receipts.endpoint_added(agency, record, at=now, by=by)
        batch = await self.onboarding.tell(
            record.endpoint_id, receipt, request=request, member=self.member, now=now
        )
        if batch is None:
            raise UnderWayError
        self.publish(batch)

    async def _try(self, agency: str, name: str, asked: NewEndpoint) -> list[ProbeResult]:
        webhook_id = f"test_{self.new_id()}"
        body = build_test(webhook_id=webhook_id, agency=agency, endpoint_id=name, at=self.clock.now())
        return await asyncio.gather(
            *(
                self.prober.probe(
                    probe, asked.url, secret=asked.secret, webhook_id=f"{webhook_id}_{probe.value}", body=body
                )
                for probe in Probe
            )
        )

    def _seal(self, agency: str, name: str, asked: NewEndpoint) -> EndpointRecord:
        context = endpoint_seal_context(agency=agency, endpoint=name)
        record = EndpointRecord(
            endpoint_id=name,
            url=asked.url,
            content=asked.content,
            exercises=asked.exercises,
            secret_sealed=self.cipher.seal(asked.secret.encode(), context=context),
            added=True,
        )
        return record if asked.limits is None else record.model_copy(update={"limits": asked.limits})


def _check(agency: AgencyRecord, name: str) -> None:
    if agency.external:
        raise EndpointRefusedError("an external body is told through the duty's holder and has no endpoint")
    if name in {endpoint.endpoint_id for endpoint in agency.endpoints}:
        raise EndpointRefusedError("the agency has an endpoint at this address; rotate its secret instead")
    if len(agency.endpoints) >= MOST_ENDPOINTS:
        raise EndpointRefusedError(f"the agency has {MOST_ENDPOINTS} endpoints; remove one first")
