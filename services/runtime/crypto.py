"""Sealing, key wrapping, derived keys and keyed digests. No I/O but loading and making key files.

Every context and every digest is built from length-prefixed parts: no two lists of parts read the same.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict, Field, ValidationError

KEY_BYTES = 32
_NOT_VERSION_AND_VARIANT = ~(0xF << 76 | 0x3 << 62)
_VERSION_8 = 0x8 << 76 | 0x2 << 62
NONCE_BYTES = 12
TAG_BYTES = 16


class SealError(Exception):
    """The seal does not open: another key, another context, or altered content."""


class SigningKeyError(Exception):
    """A signing key whose public half belongs to another key."""


class KeyFileError(Exception):
    """The key file is missing, unreadable or not in the expected form."""


def new_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


class Cipher:
    """AES-256-GCM under one key, which is set up once for all that is sealed and opened with it."""

    def __init__(self, key: bytes) -> None:
        self._gcm = AESGCM(key)

    def seal(self, plaintext: bytes, *, context: Sequence[str]) -> bytes:
        """The nonce (12 bytes), then ciphertext and tag; bound to its context."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._gcm.encrypt(nonce, plaintext, _join(context))

    def open(self, sealed: bytes, *, context: Sequence[str]) -> bytes:
        """Raises SealError unless key, context and every bit are those it was sealed with."""
        if len(sealed) < NONCE_BYTES + TAG_BYTES:
            raise SealError("too short to be a seal")
        try:
            return self._gcm.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _join(context))
        except InvalidTag as error:
            raise SealError("does not open with this key and context") from error


def seal(key: bytes, plaintext: bytes, *, context: Sequence[str]) -> bytes:
    """As Cipher.seal, for a key that is used once."""
    return Cipher(key).seal(plaintext, context=context)


def open_sealed(key: bytes, sealed: bytes, *, context: Sequence[str]) -> bytes:
    """As Cipher.open, for a key that is used once."""
    return Cipher(key).open(sealed, context=context)


def derive_key(key: bytes, purpose: str) -> bytes:
    """HKDF-SHA256: an independent key for one purpose, 32 bytes."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(key)


def keyed_digest(key: bytes, *parts: str | bytes) -> bytes:
    """HMAC-SHA256 over the length-prefixed parts, 32 bytes."""
    return hmac.digest(key, _join(parts), "sha256")


def keyed_uuid(key: bytes, *parts: str) -> UUID:
    """A UUID (version 8) that only a holder of the key can compute from the parts."""
    number = int.from_bytes(keyed_digest(key, *parts)[:16])
    return UUID(int=number & _NOT_VERSION_AND_VARIANT | _VERSION_8)


def hash_api_key(secret: str) -> str:
    """SHA-256 in hexadecimal; enough for secrets of full entropy, which ours are."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_api_key(prefix: str) -> str:
    """``tcs`` (source), ``tca`` (agency) or ``tco`` (operator), an underscore, 32 random URL-safe bytes."""
    return f"{prefix.rstrip('_')}_{secrets.token_urlsafe(32)}"


def new_token() -> str:
    """What a browser holds to show who it is: 32 random bytes, URL-safe."""
    return secrets.token_urlsafe(32)


def new_one_time_code() -> str:
    """A hundred random bits that a person can type: four groups of five of A-Z and 2-7."""
    text = base64.b32encode(secrets.token_bytes(13)).decode()[:20]
    return "-".join(text[place : place + 5] for place in range(0, 20, 5))


def new_webhook_secret() -> str:
    """In the form of the Standard Webhooks specification."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def new_signing_key() -> str:
    """An ed25519 key (`whsk_…`) in the form of the Standard Webhooks specification: seed and public key."""
    key = Ed25519PrivateKey.generate()
    raw = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    return "whsk_" + base64.b64encode(raw).decode()


def public_key_of(signing_key: str) -> str:
    """The `whpk_…` that verifies what this `whsk_…` signs. Raises SigningKeyError."""
    raw = base64.b64decode(signing_key.removeprefix("whsk_"), validate=True)
    public = Ed25519PrivateKey.from_private_bytes(raw[:KEY_BYTES]).public_key().public_bytes_raw()
    if raw[KEY_BYTES:] not in {b"", public}:
        raise SigningKeyError("its public half is another key's")
    return "whpk_" + base64.b64encode(public).decode()


class _KekFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    current: int = Field(ge=1)
    keys: dict[int, str] = Field(min_length=1)


class Kek:
    """The key-encryption key: wraps with its current version, unwraps with any version it still has."""

    def __init__(self, keys: dict[int, bytes], *, current: int) -> None:
        if current not in keys:
            raise KeyFileError(f"the current version {current} is not among the keys")
        self._keys = keys
        self.current_version = current

    @property
    def current(self) -> bytes:
        return self._keys[self.current_version]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises KeyFileError."""
        try:
            file = _KekFile.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise KeyFileError(f"{path}: not a key-encryption key file") from error
        keys = {version: _decode_key(text, path) for version, text in file.keys.items()}
        return cls(keys, current=file.current)

    @classmethod
    def generate_file(cls, path: Path) -> Self:
        """Makes a new file (0600) with one key; never overwrites."""
        kek = cls({1: new_key()}, current=1)
        text = _KekFile(current=1, keys={1: base64.b64encode(kek.current).decode()}).model_dump_json()
        _write_secret(path, text)
        return kek

    def wrap(self, key: bytes, *, context: Sequence[str]) -> tuple[int, bytes]:
        """The version used and the wrapped key."""
        return self.current_version, seal(self.current, key, context=context)

    def unwrap(self, version: int, wrapped: bytes, *, context: Sequence[str]) -> bytes:
        """Raises SealError, also for a version that was destroyed."""
        key = self._keys.get(version)
        if key is None:
            raise SealError(f"version {version} of the key-encryption key is not here")
        return open_sealed(key, wrapped, context=context)


def load_key_file(path: Path) -> bytes:
    """A file with one base64 key of 32 bytes (the deployment key). Raises KeyFileError."""
    try:
        return _decode_key(path.read_text().strip(), path)
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path}: not a key file") from error


def generate_key_file(path: Path) -> bytes:
    """Makes a new file (0600); never overwrites."""
    key = new_key()
    _write_secret(path, base64.b64encode(key).decode())
    return key


def _decode_key(text: str, path: Path) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyFileError(f"{path}: a key is not base64") from error
    if len(key) != KEY_BYTES:
        raise KeyFileError(f"{path}: a key does not have {KEY_BYTES} bytes")
    return key


def _write_secret(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")


def _join(parts: Sequence[str | bytes]) -> bytes:
    joined = []
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        joined.append(len(raw).to_bytes(4))
        joined.append(raw)
    return b"".join(joined)
