"""Signatures of the Standard Webhooks specification, scheme `v1` (HMAC-SHA256)."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"

_LEAST_BYTES: Final = 24


class SecretError(Exception):
    """Not a webhook secret: `whsec_` and at least 24 bytes in base64."""


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


def sign(keys: Sequence[bytes], *, webhook_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers; a signature for each key, so that a receiver may verify with an old or a new one."""
    timestamp = str(int(at.timestamp()))
    content = b".".join((webhook_id.encode(), timestamp.encode(), body))
    return {
        ID_HEADER: webhook_id,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: " ".join(_signature(key, content) for key in keys),
    }


def _signature(key: bytes, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
