"""Keys of ed25519, as files and as signatures."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import TypeAdapter

from schemas.operator import PublicKey
from services.runtime.crypto import KeyFileError
from services.runtime.ed25519 import SigningKey, is_signed

MESSAGE = b"what is meant"


def test_only_the_key_that_signed_verifies_and_only_what_was_signed() -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    signature = key.sign(MESSAGE)

    assert is_signed(MESSAGE, signature, public_key=key.public)
    assert not is_signed(MESSAGE, signature, public_key=other.public)
    assert not is_signed(MESSAGE + b" ", signature, public_key=key.public)
    assert not is_signed(MESSAGE, bytes([signature[0] ^ 1, *signature[1:]]), public_key=key.public)


@pytest.mark.parametrize("public_key", ["", "ed25519:", "ed25519:AAAA", "ed25519:not base64", "rsa:AAAA"])
def test_what_is_no_key_verifies_nothing(public_key: str) -> None:
    assert not is_signed(MESSAGE, SigningKey.generate().sign(MESSAGE), public_key=public_key)


@pytest.mark.parametrize("signature", [b"", b"\0" * 63, b"\0" * 64, b"\0" * 65])
def test_what_is_no_signature_verifies_nothing(signature: bytes) -> None:
    assert not is_signed(MESSAGE, signature, public_key=SigningKey.generate().public)


def test_a_key_file_is_its_owners_alone_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "ana.pem"
    key = SigningKey.generate_file(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(path).public == key.public
    with pytest.raises(FileExistsError):
        SigningKey.generate_file(path)
    assert SigningKey.load(path).public == key.public


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ana.pem"
    SigningKey.generate_file(path)
    path.chmod(0o640)

    with pytest.raises(KeyFileError, match="others may read it"):
        SigningKey.load(path)


def test_a_file_that_is_no_key_is_refused_without_its_content(tmp_path: Path) -> None:
    path = tmp_path / "ana.pem"
    other_kind = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"zebra", b"\xff\xfe", other_kind):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(KeyFileError) as refused:
            SigningKey.load(path)
        assert "zebra" not in str(refused.value)
    with pytest.raises(KeyFileError):
        SigningKey.load(tmp_path / "nowhere.pem")


def test_a_public_key_is_what_the_directory_takes() -> None:
    for _ in range(50):
        public = SigningKey.generate().public
        assert TypeAdapter(PublicKey).validate_python(public) == public
