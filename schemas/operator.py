"""Operators: people who put protocols in force and read the ledger, and what exactly they sign."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Final

from pydantic import StringConstraints

from schemas.base import WireModel

OperatorId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]

PublicKey = Annotated[str, StringConstraints(pattern=r"^ed25519:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$")]
"""`ed25519:` and base64 of its 32 bytes, which can be written in one way only."""

SIGNATURE_HEADER: Final = "Tocsin-Signature"
"""Of a request: the public key, the instant and the base64 of the signature, with a space between."""

DEPLOYMENT: Final = "deployment"
"""Who published and approved what came with the installation; no operator may be called so."""

_SCHEME: Final = "tocsin-operator-v1"


class Operator(WireModel):
    """A person who may publish, approve and read. Two people have two keys."""

    id: OperatorId
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    public_key: PublicKey


class Purpose(StrEnum):
    """What a signature is for. One given for one purpose is worth nothing for another."""

    PUBLISH = "protocol.publish"
    APPROVE = "protocol.approve"
    READ_PROTOCOLS = "protocol.read"
    EXPLAIN = "ledger.explain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What an operator signs: for this purpose, I, at this instant, mean this subject with this content.

    The key stands for the operator: the directory says whose it is. `digest` is the SHA-256 of the content in
    hexadecimal.
    """

    purpose: Purpose
    public_key: str
    at: datetime
    subject: str
    digest: str

    def canonical(self) -> bytes:
        """The bytes that are signed: length-prefixed, so that no two statements read the same."""
        at = render_instant(self.at)
        return join_parts((_SCHEME, self.purpose.value, self.public_key, at, self.subject, self.digest))


def render_instant(at: datetime) -> str:
    """As it is signed and sent: UTC, to the microsecond."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def join_parts(parts: Sequence[str]) -> bytes:
    """Each part after its length in four bytes."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4) + part for part in encoded)


def digest_content(content: bytes) -> str:
    """SHA-256 in hexadecimal, as `sha256sum` prints it."""
    return sha256(content).hexdigest()


def digest_query(*, source: str | None, agency: str | None) -> str:
    """Stands for the content where something is asked for: what narrows the question."""
    return digest_content(join_parts((source or "", agency or "")))
