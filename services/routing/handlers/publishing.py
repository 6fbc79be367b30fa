"""Putting protocols in force: one operator publishes, another approves."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.operator import digest_content
from schemas.pack import ProtocolPack
from services.routing.handlers.attesting import Attestor
from services.routing.handlers.protocols import Protocols, list_approved
from services.routing.handlers.signatures import Signed
from services.routing.pack_check import PackProblem, find_clashes_with
from services.routing.pack_file import PackDocument
from services.routing.packs import PackSource, read_sources
from services.routing.publication import PackState, Release, find_effective, find_overtaking, find_states
from services.routing.repository.packs import (
    Approval,
    PackRepository,
    Publication,
    StoredPack,
    find_pack,
    insert_approval,
    insert_publication,
    list_packs,
    lock_packs,
)
from services.runtime.clock import Clock
from services.runtime.database import Connection, Pool, transaction
from services.runtime.logs import get_logger

log = get_logger()


class PackRefusedError(Exception):
    """The pack is faulty, or cannot stand beside what is approved."""

    def __init__(self, problems: Sequence[PackProblem]) -> None:
        super().__init__(f"{len(problems)} problem(s)")
        self.problems = tuple(problems)


class UnknownPackError(Exception):
    """No such version was published."""


class PublicationConflictError(Exception):
    """It contradicts what was published or approved before; the text says how."""


@dataclass(frozen=True, slots=True)
class PackEntry:
    """One published version, where it stands, and whether the request changed that."""

    stored: StoredPack
    state: PackState
    changed: bool = False


class ProtocolDesk:
    """Publishes, approves and lists. What was published or approved never changes."""

    def __init__(self, pool: Pool, protocols: Protocols, attestor: Attestor, *, clock: Clock) -> None:
        self._pool = pool
        self._protocols = protocols
        self._attestor = attestor
        self._clock = clock

    async def publish(self, label: str, content: bytes, *, signed: Signed) -> PackEntry:
        """Stored, and nothing decides by it yet. The same content again changes nothing.

        Raises PackRefusedError, PublicationConflictError, or one of database.TRANSIENT_ERRORS.
        """
        document, pack = await asyncio.to_thread(_read, label, content)
        async with transaction(self._pool) as connection:
            now = await lock_packs(connection)
            stored = await list_packs(connection)
            publication = _build_publication(pack, content, signed, now)
            before = next((each for each in stored if each.publication.label == label), None)
            if before is not None:
                _refuse_other_content(before, publication.sha256)
                return self._enter(before, stored, changed=False)
            await asyncio.to_thread(_refuse_clashes, stored, label, document, pack)
            publication = self._attestor.attest_publication(publication)
            await insert_publication(connection, publication)
        log.info("pack.published", pack=label, sha256=publication.sha256, operator=signed.operator)
        fresh = StoredPack(publication, None)
        return self._enter(fresh, [*stored, fresh], changed=True)

    async def approve(self, label: str, *, sha256: str, signed: Signed) -> PackEntry:
        """Comes into force when it says, or now if that is past. Approved again, it stays as it was approved.

        Raises UnknownPackError, PublicationConflictError, PackRefusedError, or one of
        database.TRANSIENT_ERRORS.
        """
        async with transaction(self._pool) as connection:
            now = await lock_packs(connection)
            before = await _get(connection, label)
            _refuse_other_content(before, sha256)
            _refuse_own(before.publication, signed)
            stored = await list_packs(connection)
            if before.approval is not None:
                return self._enter(before, stored, changed=False)
            approval = self._attestor.attest_approval(_build_approval(before.publication, signed, now))
            approved = StoredPack(before.publication, approval)
            others = [each for each in stored if each.publication.label != label]
            _refuse_overtaken(approved, others)
            await asyncio.to_thread(self._refuse_unsound, [*others, approved])
            await insert_approval(connection, approval)
        log.info("pack.approved", pack=label, sha256=sha256, operator=signed.operator)
        await self._protocols.refresh()
        return self._enter(approved, [*others, approved], changed=True)

    async def list_entries(self) -> list[PackEntry]:
        """Every version ever published. Raises one of database.TRANSIENT_ERRORS."""
        stored = await PackRepository(self._pool).list_packs()
        states = find_states([_release(each) for each in stored], now=self._clock.now())
        return [PackEntry(each, state) for each, state in zip(stored, states, strict=True)]

    async def get_content(self, label: str) -> bytes:
        """As it was published. Raises UnknownPackError, or one of database.TRANSIENT_ERRORS."""
        name, _, version = label.partition("@")
        found = await PackRepository(self._pool).find_pack(name=name, version=version)
        if found is None:
            raise UnknownPackError(label)
        return found.publication.content

    def _enter(self, one: StoredPack, stored: Sequence[StoredPack], *, changed: bool) -> PackEntry:
        states = find_states([_release(each) for each in stored], now=self._clock.now())
        labels = [each.publication.label for each in stored]
        return PackEntry(one, states[labels.index(one.publication.label)], changed=changed)

    def _refuse_unsound(self, stored: Sequence[StoredPack]) -> None:
        """What could not be loaded afterwards is not approved."""
        for each in stored:
            self._attestor.check(each)
        read = read_sources(list_approved(stored))
        if read.problems:
            raise PackRefusedError(read.problems)


async def _get(connection: Connection, label: str) -> StoredPack:
    name, _, version = label.partition("@")
    found = await find_pack(connection, name=name, version=version)
    if found is None:
        raise UnknownPackError(label)
    return found


def _read(label: str, content: bytes) -> tuple[PackDocument, ProtocolPack]:
    read = read_sources([PackSource(label, content)])
    if read.problems:
        raise PackRefusedError(read.problems)
    [(_, document, pack)] = read.packs
    if pack.label != label:
        place = document.place_of(("version",))
        message = f"this is {pack.label}, and it was sent as another"
        raise PackRefusedError([PackProblem(label, place.line, place.column, None, message)])
    return document, pack


def _refuse_other_content(stored: StoredPack, sha256: str) -> None:
    if stored.publication.sha256 != sha256:
        label = stored.publication.label
        raise PublicationConflictError(
            f"{label} was published with other content, which never changes. Give yours another version."
        )


def _refuse_own(publication: Publication, signed: Signed) -> None:
    if signed.operator == publication.author or signed.public_key == publication.author_key:
        raise PublicationConflictError(
            "Who published a version cannot approve it: another operator must, with another key."
        )


def _refuse_clashes(
    stored: Sequence[StoredPack], label: str, document: PackDocument, pack: ProtocolPack
) -> None:
    """Beside what is approved: what nobody approved is in nobody's way."""
    others = [(name, other) for name, _, other in read_sources(list_approved(stored)).packs]
    if problems := list(find_clashes_with(others, label, document, pack)):
        raise PackRefusedError(problems)


def _refuse_overtaken(approved: StoredPack, others: Sequence[StoredPack]) -> None:
    overtaking = find_overtaking(_release(approved), [_release(each) for each in others])
    if overtaking is not None:
        raise PublicationConflictError(
            f"{overtaking.label}, which was to follow it, would be in force before it. Publish a new version."
        )


def _release(stored: StoredPack) -> Release:
    publication, approval = stored.publication, stored.approval
    effective = None if approval is None else approval.in_force_from
    return Release(publication.name, publication.version, publication.in_force_from, effective)


def _build_publication(pack: ProtocolPack, content: bytes, signed: Signed, now: datetime) -> Publication:
    return Publication(
        name=pack.pack,
        version=pack.version,
        content=content,
        sha256=digest_content(content),
        in_force_from=pack.in_force_from.astimezone(UTC),
        author=signed.operator,
        author_key=signed.public_key,
        signature=signed.signature,
        signed_at=signed.at,
        published_at=now,
    )


def _build_approval(publication: Publication, signed: Signed, now: datetime) -> Approval:
    return Approval(
        name=publication.name,
        version=publication.version,
        sha256=publication.sha256,
        in_force_from=find_effective(publication.in_force_from, approved_at=now),
        approver=signed.operator,
        approver_key=signed.public_key,
        signature=signed.signature,
        signed_at=signed.at,
        approved_at=now,
    )
