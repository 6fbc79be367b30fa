"""What dbmate is told, and what it may tell."""

import pytest

from services.runtime.migrate import _with_ssl_choice, _without_password, find_dbmate


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://a:b@127.0.0.1:5432/t", "postgresql://a:b@127.0.0.1:5432/t?sslmode=disable"),
        ("postgresql://a@localhost/t?x=1", "postgresql://a@localhost/t?x=1&sslmode=disable"),
        ("postgresql://a@127.0.0.1/t?sslmode=require", "postgresql://a@127.0.0.1/t?sslmode=require"),
        ("postgresql://a@db.example/t", "postgresql://a@db.example/t"),
    ],
)
def test_only_loopback_goes_without_tls(url: str, told: str) -> None:
    assert _with_ssl_choice(url) == told


@pytest.mark.parametrize("told", ["s3%2Fret", "s3/ret"])
def test_a_password_is_blotted_out_in_every_form(told: str) -> None:
    assert _without_password(f"no: {told} refused\n", "postgresql://a:s3%2Fret@h/t") == "no: *** refused"


def test_dbmate_is_found_beside_this_python() -> None:
    assert find_dbmate().endswith("dbmate")
