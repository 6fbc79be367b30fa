"""People who sign in: names, passphrases, and what is kept of them."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from services.notify.passphrases import (
    MOST_WAITING,
    RFC_9106,
    BusyError,
    Hardness,
    Passphrases,
    open_passphrases,
)
from services.notify.people import Secrets, find_passphrase_problem, name_contact
from services.notify.people_keys import PeopleKeys

KEYS = PeopleKeys(bytes(32))
SECRETS = Secrets(name="Jordan Inventado", role="officer", passphrase_hash="$argon2id$", totp_secret="AAAA")


@pytest.mark.parametrize(
    "passphrase", ["correct horse battery", "\u00e9t\u00e9 comme hiver ici", "x" * 10 + "abcde"]
)
def test_a_long_passphrase_will_do(passphrase: str) -> None:
    assert find_passphrase_problem(passphrase, sign_in_name="j.ortiz") is None


@pytest.mark.parametrize("passphrase", ["short", "a" * 30, "my name is J.Ortiz", "abcdef" * 50])
def test_a_guessable_one_will_not_and_is_not_repeated(passphrase: str) -> None:
    problem = find_passphrase_problem(passphrase, sign_in_name="j.ortiz")
    assert problem is not None
    assert passphrase not in problem


async def test_a_passphrase_is_the_same_from_every_keyboard_and_nobodys_fits_none() -> None:
    composed, apart = "\u00e9t\u00e9 comme hiver", "e\u0301te\u0301 comme hiver"
    async with open_passphrases() as passphrases:
        known = await passphrases.hash(composed)
        assert await passphrases.verify(known, apart)
        assert not await passphrases.verify(known, "\u00e9t\u00e9 comme \u00e9t\u00e9")
        assert not await passphrases.verify(None, composed)
    assert known.startswith("$argon2id$v=19$m=65536,")


def test_nobodys_passphrase_takes_as_long_to_judge_as_anybodys() -> None:
    assert extract_parameters(RFC_9106.nobody) == RFC_9106_LOW_MEMORY


async def test_so_many_wait_to_be_judged_and_no_more() -> None:
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with ThreadPoolExecutor(1) as executor:
        passphrases = Passphrases(executor, Hardness(cheap, cheap.hash("a")))
        asked = [passphrases.verify(None, "x") for _ in range(MOST_WAITING + 1)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert await passphrases.verify(None, "x") is False
    assert [type(answer) for answer in answers] == [bool] * MOST_WAITING + [BusyError]


def test_a_contact_is_its_agency_and_mailbox() -> None:
    name = name_contact(agency="ag-a", email="Duty@a.example")
    assert name == name_contact(agency="ag-a", email="duty@a.example")
    assert name != name_contact(agency="ag-b", email="duty@a.example")
    assert "duty" not in name


def test_secrets_open_for_their_person_alone() -> None:
    person = uuid4()
    sealed = KEYS.seal(SECRETS, person_id=person)
    assert KEYS.open(sealed, person_id=person) == SECRETS
    assert KEYS.open(sealed, person_id=uuid4()) is None
    assert PeopleKeys(bytes([1] * 32)).open(sealed, person_id=person) is None
    assert "Jordan" not in repr(SECRETS)


def test_names_and_codes_are_the_same_however_they_are_typed() -> None:
    assert KEYS.digest_sign_in_name(" J.Ortiz ") == KEYS.digest_sign_in_name("j.ortiz")
    assert KEYS.hash_code("abcde-fghij") == KEYS.hash_code("ABCDE FGHIJ")
    assert KEYS.digest_tries("name", "a") != KEYS.digest_tries("address", "a")


def test_a_form_token_is_of_one_session() -> None:
    assert KEYS.is_form_token(KEYS.make_form_token("one"), token="one")
    assert not KEYS.is_form_token(KEYS.make_form_token("one"), token="two")
    assert not KEYS.is_form_token("\u00e9", token="one")
