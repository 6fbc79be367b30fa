"""Rows that routing wrote are told from rows that somebody else put into the database."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.operator import digest_content
from services.routing.handlers.attesting import AlteredPackError, Attestor
from services.routing.repository.packs import Approval, Publication, StoredPack

AT = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
OURS, ANOTHER = Attestor(b"k" * 32), Attestor(b"o" * 32)

PUBLICATION = OURS.attest_publication(
    Publication(
        name="a-test",
        version="1.0.0",
        content=b"pack: a-test",
        sha256=digest_content(b"pack: a-test"),
        in_force_from=AT,
        author="ana",
        author_key="ed25519:ana",
        signature=b"signed",
        signed_at=AT,
        published_at=AT,
    )
)
APPROVAL = OURS.attest_approval(
    Approval(
        name="a-test",
        version="1.0.0",
        sha256=PUBLICATION.sha256,
        in_force_from=AT,
        approver="ben",
        approver_key="ed25519:ben",
        signature=b"signed",
        signed_at=AT,
        approved_at=AT,
    )
)


def others_of(value: object) -> list[Any]:
    match value:
        case datetime():
            return [value + timedelta(microseconds=1)]
        case bytes():
            return [value + b"x", b""]
        case _:
            return [f"{value}x", ""]


def altered(row: Publication | Approval) -> list[Any]:
    """The row with each of its fields changed, or taken away."""
    return [
        replace(row, **{each.name: other})
        for each in fields(row)
        for other in [*others_of(getattr(row, each.name)), None]
        if not (each.name == "attestation" and other is None)
    ]


def test_what_routing_wrote_is_genuine_approved_or_not() -> None:
    OURS.check(StoredPack(PUBLICATION, None))
    OURS.check(StoredPack(PUBLICATION, APPROVAL))


@pytest.mark.parametrize("publication", altered(PUBLICATION))
def test_no_field_of_a_publication_can_be_changed(publication: Publication) -> None:
    with pytest.raises(AlteredPackError):
        OURS.check(StoredPack(publication, None))


@pytest.mark.parametrize("approval", altered(APPROVAL))
def test_no_field_of_an_approval_can_be_changed(approval: Approval) -> None:
    with pytest.raises(AlteredPackError):
        OURS.check(StoredPack(PUBLICATION, approval))


def test_without_the_deployments_key_nothing_can_be_added() -> None:
    forged = ANOTHER.attest_approval(replace(APPROVAL, attestation=b""))
    with pytest.raises(AlteredPackError):
        OURS.check(StoredPack(PUBLICATION, forged))


def test_an_approval_of_other_content_approves_nothing() -> None:
    other = OURS.attest_publication(
        replace(PUBLICATION, content=b"other", sha256=digest_content(b"other"), attestation=b"")
    )
    with pytest.raises(AlteredPackError):
        OURS.check(StoredPack(other, APPROVAL))
