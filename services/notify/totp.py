"""Time-based codes (RFC 6238) as authenticator apps make them: six digits, thirty seconds, SHA-1. Pure."""

import base64
import hmac
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP_SECONDS: Final = 30
DIGITS: Final = 6
SECRET_BYTES: Final = 20
TOLERATED_STEPS: Final = 1
"""A clock that is half a minute off, or a code typed as it changes."""

ISSUER: Final = "Tocsin"


def encode_secret(random: bytes) -> str:
    """In base32, from at least SECRET_BYTES of chance."""
    return base64.b32encode(random[:SECRET_BYTES]).decode()


def find_step(secret: str, code: str, *, now: datetime) -> int | None:
    """The step this is the code of, near now; None if it is the code of none. A step is accepted once."""
    given = "".join(code.split()).encode()
    current = int(now.timestamp()) // STEP_SECONDS
    steps = range(current - TOLERATED_STEPS, current + TOLERATED_STEPS + 1)
    # All are compared: how long it takes says nothing of which was near.
    found = [step for step in steps if hmac.compare_digest(make_code(secret, step=step).encode(), given)]
    return found[-1] if found else None


def make_code(secret: str, *, step: int) -> str:
    return _build(secret).generate(step * STEP_SECONDS).decode()


def make_uri(secret: str, *, account: str) -> str:
    """What the QR code says to the app."""
    return _build(secret).get_provisioning_uri(account, ISSUER)


def _build(secret: str) -> TOTP:
    # SHA-1 is what the apps know; as an HMAC of a secret it is sound (RFC 6238, NIST SP 800-63B-4).
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 -- as RFC 6238 has it
