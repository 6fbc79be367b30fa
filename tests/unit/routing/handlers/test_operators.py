"""Who is an operator."""

import pytest

from services.routing.handlers.operators import Operators
from services.runtime.crypto import hash_api_key

KEY = "tco_0123456789"
OPERATORS = Operators((hash_api_key("tco_other"), hash_api_key(KEY)))


@pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer {KEY}", f"Bearer  {KEY} "])
def test_a_known_key_is_named_by_the_beginning_of_its_hash(header: str) -> None:
    assert OPERATORS.find(header) == hash_api_key(KEY)[:8]


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", KEY, f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {hash_api_key(KEY)}"],
)
def test_anything_else_is_nobody(header: str | None) -> None:
    assert OPERATORS.find(header) is None


def test_without_keys_nobody_is_an_operator() -> None:
    assert Operators(()).find("Bearer ") is None
