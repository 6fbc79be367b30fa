"""Telling rows that routing took from rows that somebody else put into the database.

Whoever can write to the database could add an approval, or change a rule. Each row therefore carries a MAC
under a key of the deployment, which is not in the database.
"""

from dataclasses import astuple, replace
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest

from schemas.operator import render_instant
from services.routing.repository.packs import Approval, Publication, StoredPack
from services.runtime.crypto import derive_key, keyed_digest

PURPOSE = "protocols"
"""What the key of the attestations is derived for."""


class AlteredPackError(Exception):
    """What is stored is not what was published or approved."""


class Attestor:
    """Attests rows, and finds out those it did not attest."""

    def __init__(self, deployment_key: bytes) -> None:
        self._key = derive_key(deployment_key, PURPOSE)

    def attest_publication(self, publication: Publication) -> Publication:
        return replace(publication, attestation=self._digest(publication))

    def attest_approval(self, approval: Approval) -> Approval:
        return replace(approval, attestation=self._digest(approval))

    def check(self, stored: StoredPack) -> None:
        """Raises AlteredPackError."""
        publication, approval = stored.publication, stored.approval
        if not self._is_own(publication) or sha256(publication.content).hexdigest() != publication.sha256:
            raise AlteredPackError(publication.label)
        if approval is not None and not (self._is_own(approval) and approval.sha256 == publication.sha256):
            raise AlteredPackError(publication.label)

    def _is_own(self, row: Publication | Approval) -> bool:
        return compare_digest(row.attestation, self._digest(row))

    def _digest(self, row: Publication | Approval) -> bytes:
        parts = [_part(value) for value in astuple(replace(row, attestation=b""))]
        return keyed_digest(self._key, type(row).__name__, *parts)


def _part(value: object) -> bytes:
    """None is told from an empty text by what comes before it."""
    match value:
        case None:
            return b"-"
        case bytes():
            return b"+" + value
        case datetime():
            return b"+" + render_instant(value).encode()
        case _:
            return b"+" + str(value).encode()
