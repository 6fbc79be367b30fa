"""Seals open only as they were made; digests and ids tell their parts apart."""

import stat
from pathlib import Path
from uuid import RFC_4122, UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.runtime.crypto import (
    Kek,
    KeyFileError,
    SealError,
    derive_key,
    generate_key_file,
    hash_api_key,
    keyed_digest,
    keyed_uuid,
    load_key_file,
    new_api_key,
    new_key,
    new_webhook_secret,
    open_sealed,
    seal,
)

keys = st.binary(min_size=32, max_size=32)
contexts = st.lists(st.text(max_size=40), max_size=5)


@given(key=keys, plaintext=st.binary(max_size=2000), context=contexts)
def test_a_seal_opens_with_its_key_and_context(key: bytes, plaintext: bytes, context: list[str]) -> None:
    assert open_sealed(key, seal(key, plaintext, context=context), context=context) == plaintext


@given(key=keys, plaintext=st.binary(max_size=200), context=contexts, data=st.data())
def test_a_seal_with_one_bit_changed_does_not_open(
    key: bytes, plaintext: bytes, context: list[str], data: st.DataObject
) -> None:
    sealed = bytearray(seal(key, plaintext, context=context))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealError):
        open_sealed(key, bytes(sealed), context=context)


@given(key=keys, plaintext=st.binary(max_size=200), context=contexts, data=st.data())
def test_a_seal_cut_short_does_not_open(
    key: bytes, plaintext: bytes, context: list[str], data: st.DataObject
) -> None:
    sealed = seal(key, plaintext, context=context)
    length = data.draw(st.integers(0, len(sealed) - 1))
    with pytest.raises(SealError):
        open_sealed(key, sealed[:length], context=context)


@given(key=keys, context=contexts, other=contexts)
def test_a_seal_does_not_open_in_another_context(key: bytes, context: list[str], other: list[str]) -> None:
    assume(context != other)
    with pytest.raises(SealError):
        open_sealed(key, seal(key, b"content", context=context), context=other)


def test_a_context_is_its_parts_and_not_their_concatenation() -> None:
    key = new_key()
    with pytest.raises(SealError):
        open_sealed(key, seal(key, b"content", context=("ab", "c")), context=("a", "bc"))


@given(key=keys, other=keys)
def test_a_seal_does_not_open_with_another_key(key: bytes, other: bytes) -> None:
    assume(key != other)
    with pytest.raises(SealError):
        open_sealed(other, seal(key, b"content", context=("c",)), context=("c",))


def test_the_same_content_never_seals_to_the_same_bytes() -> None:
    key = new_key()
    assert len({seal(key, b"content", context=()) for _ in range(100)}) == 100


@given(key=keys, parts=contexts, other=contexts)
def test_a_digest_tells_lists_of_parts_apart(key: bytes, parts: list[str], other: list[str]) -> None:
    assert (keyed_digest(key, *parts) == keyed_digest(key, *other)) == (parts == other)


def test_a_digest_is_hmac_sha256_over_length_prefixed_parts() -> None:
    # Computed with openssl dgst -sha256 -mac HMAC from the bytes 00000001 'a' 00000002 'bc'.
    expected = "830be00748e8677348e1cf2c2785e6f37819e820973947dfcc390e68d4e4b479"
    assert keyed_digest(bytes(32), "a", b"bc").hex() == expected


@given(key=keys, parts=contexts)
def test_a_keyed_uuid_is_stable_and_of_version_8(key: bytes, parts: list[str]) -> None:
    first = keyed_uuid(key, *parts)
    assert first == keyed_uuid(key, *parts)
    assert (first.version, first.variant) == (8, RFC_4122)


def test_a_keyed_uuid_cannot_be_computed_without_the_key() -> None:
    assert keyed_uuid(new_key(), "event") != keyed_uuid(new_key(), "event")
    assert isinstance(keyed_uuid(new_key(), "event"), UUID)


def test_derived_keys_differ_by_purpose_and_from_their_origin() -> None:
    key = new_key()
    derived = {derive_key(key, "a"), derive_key(key, "b"), key}
    assert len(derived) == 3
    assert {len(one) for one in derived} == {32}


def test_hkdf_matches_another_implementation() -> None:
    # Computed with openssl kdf, HKDF with SHA-256, no salt, info "purpose".
    assert (
        derive_key(bytes(32), "purpose").hex()
        == "77b9a71be31be541b388d834d821f67db541c6d830b9973630ef89a4c78ded10"
    )


def test_api_keys_carry_their_kind_and_are_stored_as_sha256() -> None:
    key = new_api_key("tcs")
    assert key.startswith("tcs_")
    assert len(key) == len("tcs_") + 43
    assert hash_api_key("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_prefix_may_be_given_with_its_underscore() -> None:
    assert new_api_key("tco_").count("_", 0, 5) == 1


def test_webhook_secrets_have_the_form_of_the_specification() -> None:
    assert new_webhook_secret().startswith("whsec_")
    assert len(new_webhook_secret()) == len("whsec_") + 44


def test_a_generated_kek_file_is_private_and_wraps_for_a_later_process(tmp_path: Path) -> None:
    path = tmp_path / "kek.json"
    version, wrapped = Kek.generate_file(path).wrap(b"k" * 32, context=("case-key", "c1"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Kek.load(path).unwrap(version, wrapped, context=("case-key", "c1")) == b"k" * 32


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "kek.json"
    Kek.generate_file(path)
    with pytest.raises(FileExistsError):
        Kek.generate_file(path)
    with pytest.raises(FileExistsError):
        generate_key_file(path)


def test_an_older_version_still_unwraps_and_a_destroyed_one_does_not() -> None:
    old, new = new_key(), new_key()
    version, wrapped = Kek({1: old}, current=1).wrap(b"secret", context=("c",))
    assert Kek({1: old, 2: new}, current=2).unwrap(version, wrapped, context=("c",)) == b"secret"
    with pytest.raises(SealError):
        Kek({2: new}, current=2).unwrap(version, wrapped, context=("c",))


def test_a_wrapped_key_does_not_unwrap_for_another_case() -> None:
    kek = Kek({1: new_key()}, current=1)
    version, wrapped = kek.wrap(b"secret", context=("case-key", "c1"))
    with pytest.raises(SealError):
        kek.unwrap(version, wrapped, context=("case-key", "c2"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        '{"current": 1, "keys": {}}',
        '{"current": 2, "keys": {"1": "AAAA"}}',
        '{"current": 1, "keys": {"1": "c2hvcnQ="}}',
        '{"current": 1, "keys": {"1": "***"}}',
        '{"current": 1, "keys": {"1": "AAAA"}, "more": 1}',
    ],
)
def test_a_bad_kek_file_is_refused_without_showing_what_is_in_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kek.json"
    path.write_text(text)
    with pytest.raises(KeyFileError) as caught:
        Kek.load(path)
    assert "AAAA" not in str(caught.value)
    assert "c2hvcnQ" not in str(caught.value)


def test_a_missing_key_file_is_a_key_file_error(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        Kek.load(tmp_path / "none")
    with pytest.raises(KeyFileError):
        load_key_file(tmp_path / "none")


def test_a_deployment_key_is_read_back_as_generated(tmp_path: Path) -> None:
    path = tmp_path / "deployment.key"
    assert generate_key_file(path) == load_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
