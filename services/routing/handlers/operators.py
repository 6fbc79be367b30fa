"""Who may administer: operators, known by the SHA-256 of their keys."""

from collections.abc import Sequence
from typing import Final

from services.runtime.bearer_keys import name_holder

_SCHEME: Final = "bearer "


class Operators:
    """Keys are compared in constant time, every one of them."""

    def __init__(self, key_hashes: Sequence[str]) -> None:
        self._key_hashes = tuple(key_hashes)

    def find(self, authorization: str | None) -> str | None:
        """The operator's name in logs and ledger (the first digits of the key's hash), or None."""
        if authorization is None or not authorization.lower().startswith(_SCHEME):
            return None
        return name_holder(authorization[len(_SCHEME) :].strip(), hashes=self._key_hashes)
