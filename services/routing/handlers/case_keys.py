"""Keys of cases, for work on many cases at once."""

from collections.abc import Collection, Mapping
from uuid import UUID

from services.runtime.crypto import SealError
from services.runtime.keyring import CaseKey, Keyring


async def find_case_keys(keyring: Keyring, key_ids: Collection[UUID]) -> Mapping[UUID, CaseKey | None]:
    """None for a key that is shredded, unknown or does not unwrap: it must not hold up the other cases.

    Raises one of database.TRANSIENT_ERRORS.
    """
    try:
        return await keyring.find_keys(key_ids)
    except SealError:
        return {key_id: await _find_case_key(keyring, key_id) for key_id in key_ids}


async def _find_case_key(keyring: Keyring, key_id: UUID) -> CaseKey | None:
    try:
        return await keyring.find_key(key_id)
    except SealError:
        return None
