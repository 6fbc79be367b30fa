"""Who may administer: operators, known by the SHA-256 of their keys."""

import hmac
from collections.abc import Sequence
from typing import Final

from services.runtime.crypto import hash_api_key

SHOWN_DIGITS: Final = 8

_SCHEME: Final = "bearer "


class Operators:
    """Keys are compared in constant time, every one of them."""

    def __init__(self, key_hashes: Sequence[str]) -> None:
        self._key_hashes = tuple(key_hashes)

    def find(self, authorization: str | None) -> str | None:
        """The operator's name in logs and ledger (the first digits of the key's hash), or None."""
        if authorization is None or not authorization.lower().startswith(_SCHEME):
            return None
        given = hash_api_key(authorization[len(_SCHEME) :].strip())
        found = [known for known in self._key_hashes if hmac.compare_digest(known, given)]
        return found[0][:SHOWN_DIGITS] if found else None
