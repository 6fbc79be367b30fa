"""Signatures, judged by the public library and never by our own code."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from standardwebhooks import Webhook, WebhookVerificationError

from services.notify.signing import Key, SecretError, parse_secret, parse_signing_key, sign
from services.runtime.crypto import new_signing_key, new_webhook_secret, public_key_of

SECRET, OTHER = new_webhook_secret(), new_webhook_secret()
ID = "1a2b3c4d-0000-8000-8000-00000000000a_1"
BODY = orjson.dumps({"data": {"revision": 1}})


def signed(body: bytes, *secrets: str, age: timedelta = timedelta(0)) -> dict[str, str]:
    keys = [parse_secret(secret) for secret in secrets]
    return sign(keys, webhook_id=ID, at=datetime.now(UTC) - age, body=body)


@given(document=st.dictionaries(st.text(), st.text()), secret=st.binary(min_size=24, max_size=64))
def test_the_public_library_verifies_what_we_sign(document: dict[str, str], secret: bytes) -> None:
    body = orjson.dumps(document)
    headers = sign([secret], webhook_id=ID, at=datetime.now(UTC), body=body)
    assert Webhook(secret).verify(body, headers) == document


@given(place=st.integers(0, len(BODY) - 1), bit=st.integers(0, 6))
def test_one_changed_bit_of_the_body_is_refused(place: int, bit: int) -> None:
    changed = bytearray(BODY)
    changed[place] ^= 1 << bit
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(SECRET).verify(bytes(changed), signed(BODY, SECRET))


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp"])
def test_id_and_time_are_signed_too(header: str) -> None:
    headers = signed(BODY, SECRET)
    headers[header] = headers[header][:-1] + ("3" if headers[header][-1] != "3" else "4")
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(SECRET).verify(BODY, headers)


def test_while_rotating_both_the_old_and_the_new_secret_verify() -> None:
    headers = signed(BODY, OTHER, SECRET)
    assert Webhook(SECRET).verify(BODY, headers) == Webhook(OTHER).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_webhook_secret()).verify(BODY, headers)


def test_an_old_delivery_cannot_be_played_again() -> None:
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(SECRET).verify(BODY, signed(BODY, SECRET, age=timedelta(minutes=6)))


def test_a_secret_may_lack_its_padding_as_the_public_library_allows() -> None:
    bare = SECRET.rstrip("=")
    assert Webhook(bare).verify(BODY, signed(BODY, bare)) == {"data": {"revision": 1}}


@pytest.mark.parametrize("text", ["whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all but long enough"])
def test_what_is_no_secret_is_no_key(text: str) -> None:
    with pytest.raises(SecretError):
        parse_secret(text)


def verify_with_libsodium(public_key: str, headers: Mapping[str, str], body: bytes) -> None:
    """As a receiver would that has `whpk_…` and the specification. Raises BadSignatureError."""
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = VerifyKey(base64.b64decode(public_key.removeprefix("whpk_")))
    signatures = [part.partition(",") for part in headers["webhook-signature"].split(" ")]
    for scheme, _, signature in signatures:
        if scheme == "v1a":
            try:
                key.verify(content, base64.b64decode(signature))
            except BadSignatureError:
                continue
            return
    raise BadSignatureError


@given(body=st.binary(max_size=200))
def test_another_implementation_of_ed25519_verifies_what_we_sign(body: bytes) -> None:
    text = new_signing_key()
    headers = sign([parse_signing_key(text)], webhook_id=ID, at=datetime.now(UTC), body=body)
    verify_with_libsodium(public_key_of(text), headers, body)
    with pytest.raises(BadSignatureError):
        verify_with_libsodium(public_key_of(text), headers, body + b"!")
    with pytest.raises(BadSignatureError):
        verify_with_libsodium(public_key_of(new_signing_key()), headers, body)


def test_both_schemes_go_together_and_each_library_finds_its_own() -> None:
    old, new = new_signing_key(), new_signing_key()
    keys: list[Key] = [
        parse_secret(SECRET),
        parse_signing_key(new),
        parse_secret(OTHER),
        parse_signing_key(old),
    ]
    headers = sign(keys, webhook_id=ID, at=datetime.now(UTC), body=BODY)
    schemes = [part.partition(",")[0] for part in headers["webhook-signature"].split(" ")]
    assert schemes == ["v1", "v1a", "v1", "v1a"]
    assert Webhook(SECRET).verify(BODY, headers) == Webhook(OTHER).verify(BODY, headers)
    for key in (old, new):
        verify_with_libsodium(public_key_of(key), headers, BODY)


def test_a_signing_key_may_be_its_seed_alone() -> None:
    whole = new_signing_key()
    seed = "whsk_" + base64.b64encode(base64.b64decode(whole.removeprefix("whsk_"))[:32]).decode()
    assert public_key_of(seed) == public_key_of(whole)
    headers = sign([parse_signing_key(seed)], webhook_id=ID, at=datetime.now(UTC), body=BODY)
    verify_with_libsodium(public_key_of(whole), headers, BODY)


@pytest.mark.parametrize("text", ["whsk_", "whsk_c2hvcnQ=", "whsk_not base64"])
def test_what_is_no_signing_key_is_no_key(text: str) -> None:
    with pytest.raises(SecretError):
        parse_signing_key(text)
