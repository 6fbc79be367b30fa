"""The directory in memory: who is active, which endpoints they have, whose key this is."""

import asyncio
import hmac
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from schemas.directory import (
    AgencyRecord,
    Contact,
    DirectorySnapshot,
    EndpointLimits,
    EndpointRecord,
    endpoint_key_context,
    endpoint_seal_context,
)
from schemas.vocabulary import AgencyStatus, EndpointContent, Role, Rung
from services.notify.people import name_contact
from services.notify.signing import Key, SecretError, parse_secret, parse_signing_key
from services.runtime.crypto import Cipher, SealError, hash_api_key


class DirectoryBehindError(TimeoutError):
    """The directory that a decision used has not arrived. It will: read the batch again."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A system of an agency. Without keys nothing can be signed for it."""

    endpoint_id: str
    url: str = field(repr=False)
    content: EndpointContent
    keys: tuple[Key, ...] = field(repr=False)
    retiring: tuple[tuple[Key, datetime], ...] = field(default=(), repr=False)
    """Replaced: what signs beside `keys` until an instant, for a receiver that has not changed over."""
    exercises: bool = False

    def keys_at(self, now: datetime) -> tuple[Key, ...]:
        """The newest first."""
        return (*self.keys, *(key for key, until in self.retiring if now < until))


@dataclass(frozen=True, slots=True)
class DirectoryView:
    """One version of the directory, ready for use."""

    version: int
    agencies: Mapping[str, AgencyRecord]
    endpoints: Mapping[tuple[str, str], Endpoint]
    agency_by_key_hash: Mapping[str, str] = field(repr=False)
    duty_desk_phone: str | None
    limits: Mapping[str, EndpointLimits] = field(default_factory=dict)
    """By endpoint, where the directory says anything of it."""

    def find_agency(self, agency: str) -> AgencyRecord | None:
        return self.agencies.get(agency)

    def find_active(self, agency: str) -> AgencyRecord | None:
        """None also for an agency that was offboarded: it gets nothing more."""
        found = self.agencies.get(agency)
        return found if found is not None and found.status is AgencyStatus.ACTIVE else None

    def has_agreement(self, agency: str, now: datetime) -> bool:
        """Whether the agency may be told what no law orders."""
        found = self.agencies.get(agency)
        return found is not None and found.has_agreement_at(now)

    def find_endpoint(self, agency: str, endpoint_id: str) -> Endpoint | None:
        return self.endpoints.get((agency, endpoint_id))

    def find_contact(self, agency: str, rung: Rung) -> Contact | None:
        found = self.agencies.get(agency)
        contacts = [] if found is None else found.contacts
        return next((contact for contact in contacts if contact.rung is rung), None)

    def find_contact_by_id(self, agency: str, contact_id: str) -> Contact | None:
        """None also where its agency was offboarded."""
        found = self.find_active(agency)
        contacts = [] if found is None else found.contacts
        return next(
            (
                contact
                for contact in contacts
                if name_contact(agency=agency, email=contact.email) == contact_id
            ),
            None,
        )

    @property
    def contact_ids(self) -> list[str]:
        """Of active agencies."""
        return [
            name_contact(agency=agency.id, email=contact.email)
            for agency in self.agencies.values()
            if agency.status is AgencyStatus.ACTIVE
            for contact in agency.contacts
        ]

    def authenticate(self, key: str) -> AgencyRecord | None:
        """The active agency that this key of the agency API belongs to."""
        given = hash_api_key(key)
        # All are compared, each in constant time: how long it takes says nothing of how close a guess was.
        found = [
            agency for known, agency in self.agency_by_key_hash.items() if hmac.compare_digest(known, given)
        ]
        return self.find_active(found[0]) if found else None

    @property
    def keyless_endpoints(self) -> list[str]:
        """Endpoints whose secret does not open."""
        return sorted(endpoint.endpoint_id for endpoint in self.endpoints.values() if not endpoint.keys)


NO_DIRECTORY: Final = DirectoryView(0, {}, {}, {}, None)


def build_view(snapshot: DirectorySnapshot, *, directory_key: bytes) -> DirectoryView:
    """Opens the endpoints' secrets; a key that two agencies share opens nothing."""
    hashes = Counter(key_hash for agency in snapshot.agencies for key_hash in set(agency.key_hashes))
    return DirectoryView(
        version=snapshot.version,
        agencies={agency.id: agency for agency in snapshot.agencies},
        endpoints={
            (agency.id, endpoint.endpoint_id): _open_endpoint(agency.id, endpoint, directory_key)
            for agency in snapshot.agencies
            for endpoint in agency.endpoints
        },
        agency_by_key_hash={
            key_hash: agency.id
            for agency in snapshot.agencies
            for key_hash in agency.key_hashes
            if hashes[key_hash] == 1
        },
        duty_desk_phone=_find_duty_desk_phone(snapshot),
        limits={
            endpoint.endpoint_id: endpoint.limits
            for agency in snapshot.agencies
            for endpoint in agency.endpoints
            if endpoint.limits is not None
        },
    )


def _open_endpoint(agency: str, record: EndpointRecord, directory_key: bytes) -> Endpoint:
    """One that does not open leaves it without keys: half of its signatures might be the wrong half."""
    opener = _Opener(agency, record.endpoint_id, Cipher(directory_key))
    sealed = [part for part in (record.secret_sealed, record.signing_key_sealed) if part is not None]
    keys = tuple(opener.open(part) for part in sealed)
    found = tuple(key for key in keys if key is not None)
    retiring = ((opener.open(kept.sealed), kept.until) for kept in record.retiring)
    return Endpoint(
        record.endpoint_id,
        record.url,
        record.content,
        found if len(found) == len(keys) else (),
        tuple((key, until) for key, until in retiring if key is not None),
        record.exercises,
    )


@dataclass(frozen=True, slots=True)
class _Opener:
    """Opens what an endpoint signs with."""

    agency: str
    endpoint_id: str
    cipher: Cipher

    def open(self, sealed: bytes) -> Key | None:
        for context, parse in (
            (endpoint_seal_context, parse_secret),
            (endpoint_key_context, parse_signing_key),
        ):
            with suppress(SealError, SecretError, UnicodeDecodeError):
                names = context(agency=self.agency, endpoint=self.endpoint_id)
                return parse(self.cipher.open(sealed, context=names).decode())
        return None


def _find_duty_desk_phone(snapshot: DirectorySnapshot) -> str | None:
    """The coordinator's; an alert does not say in clear which county it is about."""
    coordinators = (
        agency
        for agency in snapshot.agencies
        if Role.TF_COORDINATOR in agency.roles and agency.status is AgencyStatus.ACTIVE
    )
    phones = (contact.phone for agency in coordinators for contact in agency.contacts)
    return next((phone for phone in phones if phone is not None), None)


class Directory:
    """The view in force, and waiting for one that is on its way."""

    def __init__(self) -> None:
        self.view = NO_DIRECTORY
        self._replaced = asyncio.Condition()

    async def replace(self, view: DirectoryView) -> None:
        async with self._replaced:
            self.view = view
            self._replaced.notify_all()

    async def wait_for_endpoint(
        self, agency: str, endpoint_id: str, *, seconds: float
    ) -> EndpointRecord | None:
        """The endpoint as it is in force within that time."""

        def find() -> EndpointRecord | None:
            found = self.view.find_active(agency)
            endpoints = [] if found is None else found.endpoints
            return next((each for each in endpoints if each.endpoint_id == endpoint_id), None)

        try:
            async with asyncio.timeout(seconds), self._replaced:
                return await self._replaced.wait_for(find)
        except TimeoutError:
            return None

    async def wait_for(self, version: int, *, seconds: float) -> DirectoryView:
        """The view once it is at least this version. Raises DirectoryBehindError."""
        if self.view.version >= version:
            return self.view
        try:
            async with asyncio.timeout(seconds), self._replaced:
                await self._replaced.wait_for(lambda: self.view.version >= version)
        except TimeoutError as error:
            raise DirectoryBehindError from error
        return self.view
