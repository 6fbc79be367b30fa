"""The packs that come with an installation: published and approved by the deployment itself."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from schemas.operator import DEPLOYMENT, digest_content
from schemas.pack import ProtocolPack
from services.routing.handlers.attesting import Attestor
from services.routing.handlers.protocols import list_approved
from services.routing.pack_check import find_clashes_with
from services.routing.packs import PackErrors, PackSource, ReadPacks, read_sources
from services.routing.repository.packs import (
    Approval,
    Publication,
    StoredPack,
    insert_approval,
    insert_publication,
    list_packs,
    lock_packs,
)
from services.routing.settings import Seeding
from services.runtime.database import Pool, transaction
from services.runtime.logs import get_logger

log = get_logger()

OTHER_CONTENT: Final = "published with other content"
CLASHES: Final = "clashes with what is approved"
NOT_PUBLISHED: Final = "publish it"


def check_seeds(sources: Sequence[PackSource]) -> ReadPacks:
    """Raises PackErrors with every problem of every file."""
    read = read_sources(sources)
    if read.problems:
        raise PackErrors(read.problems)
    return read


async def seed_packs(pool: Pool, attestor: Attestor, seeds: ReadPacks, *, seeding: Seeding) -> None:
    """Stores what is not stored yet, all at once or nothing; says what is left out, and why.

    Any number of processes may do so at a time. Raises one of database.TRANSIENT_ERRORS.
    """
    async with transaction(pool) as connection:
        now = await lock_packs(connection)
        stored = await list_packs(connection)
        is_open = seeding is Seeding.ALWAYS or not stored
        for publication in await asyncio.to_thread(_choose, seeds, stored, now=now, is_open=is_open):
            await insert_publication(connection, attestor.attest_publication(publication))
            await insert_approval(connection, attestor.attest_approval(_approve(publication)))
            log.info("pack.seeded", pack=publication.label, sha256=publication.sha256)


def _choose(
    seeds: ReadPacks, stored: Sequence[StoredPack], *, now: datetime, is_open: bool
) -> list[Publication]:
    chosen: list[Publication] = []
    known = {each.publication.label: each.publication.sha256 for each in stored}
    approved = [(name, pack) for name, _, pack in read_sources(list_approved(stored)).packs]
    for name, document, pack in seeds.packs:
        content = document.text.encode()
        if pack.label in known:
            if known[pack.label] != digest_content(content):
                _leave_out(pack, OTHER_CONTENT)
        elif not is_open:
            _leave_out(pack, NOT_PUBLISHED)
        elif any(find_clashes_with(approved, name, document, pack)):
            _leave_out(pack, CLASHES)
        else:
            chosen.append(_publish(pack, content, now))
    return chosen


def _leave_out(pack: ProtocolPack, reason: str) -> None:
    log.warning("pack.not_seeded", pack=pack.label, reason=reason)


def _publish(pack: ProtocolPack, content: bytes, now: datetime) -> Publication:
    return Publication(
        name=pack.pack,
        version=pack.version,
        content=content,
        sha256=digest_content(content),
        in_force_from=pack.in_force_from.astimezone(UTC),
        author=DEPLOYMENT,
        author_key=None,
        signature=None,
        signed_at=None,
        published_at=now,
    )


def _approve(publication: Publication) -> Approval:
    """Of what is there from the first day each version is in force from the day it names."""
    return Approval(
        name=publication.name,
        version=publication.version,
        sha256=publication.sha256,
        in_force_from=publication.in_force_from,
        approver=DEPLOYMENT,
        approver_key=None,
        signature=None,
        signed_at=None,
        approved_at=publication.published_at,
    )
