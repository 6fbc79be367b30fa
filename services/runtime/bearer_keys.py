"""Keys known by their SHA-256: who holds one."""

import hmac
from collections.abc import Sequence
from typing import Final

from services.runtime.crypto import hash_api_key

SHOWN_DIGITS: Final = 8


def name_holder(key: str, *, hashes: Sequence[str]) -> str | None:
    """The first digits of the key's hash, which name its holder in the log; None for a key that is not known.

    All are compared, each in constant time: how long it takes says nothing of how close a guess was.
    """
    given = hash_api_key(key)
    found = [known for known in hashes if hmac.compare_digest(known, given)]
    return found[0][:SHOWN_DIGITS] if found else None
