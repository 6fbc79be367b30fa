"""Signatures of the Standard Webhooks specification: `v1` (HMAC-SHA256) and `v1a` (ed25519)."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeAlias, assert_never

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"

Key: TypeAlias = bytes | Ed25519PrivateKey
"""What signs `v1`, or what signs `v1a`."""

_LEAST_BYTES: Final = 24
_SEED_BYTES: Final = 32


class SecretError(Exception):
    """Neither `whsec_` and at least 24 bytes in base64 nor `whsk_` and an ed25519 key."""


def parse_secret(text: str) -> bytes:
    """The key that a `whsec_…` secret stands for. Raises SecretError."""
    encoded = text.removeprefix("whsec_")
    try:
        # Some write base64 without its padding.
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecretError("not base64") from error
    if len(key) < _LEAST_BYTES:
        raise SecretError("too short")
    return key


def parse_signing_key(text: str) -> Ed25519PrivateKey:
    """The ed25519 key of a `whsk_…`: its seed, whether or not the public key follows. Raises SecretError."""
    try:
        key = base64.b64decode(text.removeprefix("whsk_"), validate=True)
        return Ed25519PrivateKey.from_private_bytes(key[:_SEED_BYTES])
    except ValueError as error:
        raise SecretError("not an ed25519 key in base64") from error


def sign(keys: Sequence[Key], *, webhook_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers; a signature for each key, so that a receiver may verify with an old or a new one."""
    timestamp = str(int(at.timestamp()))
    content = b".".join((webhook_id.encode(), timestamp.encode(), body))
    return {
        ID_HEADER: webhook_id,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: " ".join([_signature(key, content) for key in keys]),
    }


def _signature(key: Key, content: bytes) -> str:
    match key:
        case bytes():
            return "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
        case Ed25519PrivateKey():
            return "v1a," + base64.b64encode(key.sign(content)).decode()
        case _:
            assert_never(key)
