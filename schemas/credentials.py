"""The secrets and keys of a directory file, and their hashes: what each must look like."""

import base64
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints

SIGNING_KEY_BYTES: Final = frozenset({32, 64})
"""An ed25519 seed alone, or with its public key behind it, as most libraries write it."""


def _check_secret(value: str) -> str:
    """A secret that cannot be decoded would fail at the first alert, not at the desk that typed it."""
    try:
        base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ValueError("must be whsec_ and base64 of 24 bytes or more") from None
    return value


def _check_signing_key(value: str) -> str:
    try:
        key = base64.b64decode(value.removeprefix("whsk_"), validate=True)
    except ValueError:
        key = b""
    if len(key) not in SIGNING_KEY_BYTES:
        raise ValueError("must be whsk_ and base64 of an ed25519 key of 32 or 64 bytes")
    return value


WebhookSecret = Annotated[
    str, StringConstraints(pattern=r"^whsec_[A-Za-z0-9+/]{32,}={0,2}$"), AfterValidator(_check_secret)
]
"""Shared with the receiver: signs and verifies `v1`."""
WebhookSigningKey = Annotated[
    str, StringConstraints(pattern=r"^whsk_[A-Za-z0-9+/]{43,86}={0,2}$"), AfterValidator(_check_signing_key)
]
"""Ours alone: signs `v1a`."""
WebhookPublicKey = Annotated[str, StringConstraints(pattern=r"^whpk_[A-Za-z0-9+/]{43}=$")]
"""Everybody's: verifies `v1a`."""
AgencyKey = Annotated[str, StringConstraints(pattern=r"^tca_[A-Za-z0-9_-]{16,}$")]
SourceKey = Annotated[str, StringConstraints(pattern=r"^tcs_[A-Za-z0-9_-]{16,}$")]
KeyHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a key, in hexadecimal."""
SecretFile = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
"""Where the command that applies the directory finds a secret; relative to the directory file."""
