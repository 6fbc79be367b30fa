"""Time-based codes: the vectors of RFC 6238, and which moment a code is of."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from services.notify.totp import encode_secret, find_step, make_code, make_uri

SECRET = base64.b32encode(b"12345678901234567890").decode()
NOW = datetime(2026, 3, 4, 6, 40, 10, tzinfo=UTC)
STEP = int(NOW.timestamp()) // 30
WIDE_DIGITS = "\uff11\uff12\uff13\uff14\uff15\uff16"


@pytest.mark.parametrize(
    ("second", "eight_digits"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_the_rfc(second: int, eight_digits: str) -> None:
    assert make_code(SECRET, step=second // 30) == eight_digits[-6:]


@pytest.mark.parametrize("late", [-1, 0, 1])
def test_a_code_half_a_minute_off_is_of_its_own_step(late: int) -> None:
    assert find_step(SECRET, make_code(SECRET, step=STEP + late), now=NOW) == STEP + late


@pytest.mark.parametrize("late", [-2, 2])
def test_a_code_further_off_is_of_none(late: int) -> None:
    assert find_step(SECRET, make_code(SECRET, step=STEP + late), now=NOW) is None


@pytest.mark.parametrize("code", ["", "12345", "abcdef", WIDE_DIGITS, "0" * 99])
def test_what_is_no_code_is_of_no_step(code: str) -> None:
    assert find_step(SECRET, code, now=NOW) is None


def test_blanks_between_the_digits_do_not_matter() -> None:
    code = make_code(SECRET, step=STEP)
    assert find_step(SECRET, f" {code[:3]} {code[3:]} ", now=NOW + timedelta(seconds=3)) == STEP


def test_an_app_reads_secret_account_and_issuer() -> None:
    secret = encode_secret(bytes(32))
    assert secret == "A" * 32
    uri = make_uri(secret, account="j.ortiz")
    assert uri.startswith("otpauth://totp/Tocsin:j.ortiz?")
    assert f"secret={secret}" in uri
    assert "issuer=Tocsin" in uri
