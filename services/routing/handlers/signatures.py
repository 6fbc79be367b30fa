"""Whether a request is signed by an operator, for this purpose and content, and just now."""

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from pydantic import TypeAdapter, ValidationError

from schemas.base import Instant
from schemas.operator import Purpose, Statement
from services.routing.handlers.directories import Directories
from services.runtime.clock import Clock
from services.runtime.ed25519 import is_signed

FRESH_FOR: Final = timedelta(minutes=5)
"""How far a signer's clock may be from ours."""

_INSTANT: Final[TypeAdapter[datetime]] = TypeAdapter(Instant)
_PARTS: Final = 3
_NOBODY: Final = "This is not the signature of an operator of the directory under this request."
_LONGEST: Final = 400


class SignatureRefusedError(Exception):
    """The request is not signed as it must be; the text says what to do and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Signed:
    """Who signed, and what it takes to prove it later. `digest` names the statement, and so the request."""

    operator: str
    public_key: str
    at: datetime
    signature: bytes = field(repr=False)
    digest: bytes = field(repr=False)


class Signatures:
    """Checks signatures by the operators of the newest directory."""

    def __init__(self, directories: Directories, clock: Clock) -> None:
        self._directories = directories
        self._clock = clock

    async def expect(self, header: str | None) -> None:
        """Whether it is worth reading what is signed: the key is an operator's, and the instant is now.

        Raises SignatureRefusedError, or one of database.TRANSIENT_ERRORS.
        """
        public_key, at, _ = _parse(header)
        self._refuse_stale(at)
        if await self._directories.find_operator(public_key) is None:
            raise SignatureRefusedError(_NOBODY)

    async def check(self, header: str | None, *, purpose: Purpose, subject: str, digest: str) -> Signed:
        """Raises SignatureRefusedError, or one of database.TRANSIENT_ERRORS."""
        public_key, at, signature = _parse(header)
        self._refuse_stale(at)
        statement = Statement(purpose=purpose, public_key=public_key, at=at, subject=subject, digest=digest)
        canonical = statement.canonical()
        operator = await self._directories.find_operator(public_key)
        if operator is None or not is_signed(canonical, signature, public_key=public_key):
            raise SignatureRefusedError(_NOBODY)
        return Signed(operator, public_key, at, signature, sha256(canonical).digest())

    def _refuse_stale(self, at: datetime) -> None:
        if abs(self._clock.now() - at) > FRESH_FOR:
            raise SignatureRefusedError("The signature is too old, or ahead of our clock. Sign again.")


def _parse(header: str | None) -> tuple[str, datetime, bytes]:
    if header is None:
        raise SignatureRefusedError("This must be signed by an operator.")
    parts = header.split(" ")
    if len(parts) != _PARTS or len(header) > _LONGEST:
        raise SignatureRefusedError("The signature is not a public key, an instant and a signature.")
    try:
        at = _INSTANT.validate_python(parts[1])
        return parts[0], at, base64.b64decode(parts[2], validate=True)
    except (ValidationError, ValueError):
        raise SignatureRefusedError(
            "The signature is not a public key, an instant and a signature."
        ) from None
