"""Ed25519 keys and signatures. A private key is a PEM file (PKCS #8), as openssl makes and reads them."""

import base64
import os
import stat
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from services.runtime.crypto import KeyFileError

PREFIX: Final = "ed25519:"
SIGNATURE_BYTES: Final = 64

_OF_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class SigningKey:
    """A private key, which shows nothing of itself but the public one."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public: Final = PREFIX + base64.b64encode(key.public_key().public_bytes_raw()).decode()

    @classmethod
    def generate(cls) -> Self:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def generate_file(cls, path: Path) -> Self:
        """Makes a new file (0600); never overwrites. Raises FileExistsError or another OSError."""
        key = cls.generate()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(key.render())
        return key

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises KeyFileError, also when others than the owner may read the file."""
        try:
            if path.stat().st_mode & _OF_OTHERS:
                raise KeyFileError(f"{path}: others may read it; chmod 600 it, or make a new key")
            return cls.parse(path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileError(f"{path}: cannot be read as a key file") from error
        except ValueError as error:
            raise KeyFileError(f"{path}: {error}") from None

    @classmethod
    def parse(cls, pem: str) -> Self:
        """Raises ValueError, whose text says nothing of the content."""
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("not an unencrypted private key in PEM") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("not an ed25519 key")  # noqa: TRY004 -- the file's fault, not the caller's
        return cls(key)

    def render(self) -> str:
        """The private key as PEM."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def is_signed(message: bytes, signature: bytes, *, public_key: str) -> bool:
    """Whether the holder of this key signed exactly this; False for what is no key or no signature."""
    try:
        raw = base64.b64decode(public_key.removeprefix(PREFIX), validate=True)
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
