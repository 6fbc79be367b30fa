"""Opening what is sealed, in memory only, and sealing what people type."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID

from schemas.alert import AlertRecord
from schemas.sealed import alert_seal_context
from services.notify.bodies import Content, ContentError, parse_content
from services.runtime.crypto import SealError, open_sealed, seal
from services.runtime.keyring import Keyring

OPERATIONS_KEY_ID: Final = UUID(int=0)
"""Names the operations key: what routing tells of an event that does not open belongs to no case."""


class ContentUnreadableError(Exception):
    """The content cannot be read, now or later; the message is a word for the records."""


class KeyShreddedError(ContentUnreadableError):
    """The data of the case was destroyed, for good."""


class KeyUnreadableError(ContentUnreadableError):
    """The case's key does not unwrap: with the right key-encryption key it would."""


class Contents:
    """Alerts' contents under the keys of their cases.

    Raises one of database.TRANSIENT_ERRORS when the keyring cannot be asked.
    """

    def __init__(self, keyring: Keyring, *, operations_key: bytes) -> None:
        self._keyring = keyring
        self._operations_key = operations_key

    async def prepare(self, records: Iterable[AlertRecord]) -> None:
        """Fetches the keys of a whole batch at once, to be at hand when each is opened."""
        with suppress(SealError):  # One that does not unwrap is told of by the attempt that needs it.
            await self._keyring.find_keys({record.key_id for record in records} - {OPERATIONS_KEY_ID})

    async def read(self, record: AlertRecord) -> Content:
        """Raises ContentUnreadableError."""
        key = await self.find_key(record.key_id)
        if key is None:
            raise KeyShreddedError("key_shredded")
        context = alert_seal_context(
            alert_id=str(record.alert_id), agency=record.agency, revision=record.revision
        )
        try:
            return parse_content(open_sealed(key, record.sealed, context=context))
        except SealError as error:
            raise ContentUnreadableError("seal_broken") from error
        except ContentError as error:
            raise ContentUnreadableError("content_malformed") from error

    async def find_key(self, key_id: UUID) -> bytes | None:
        """None for a key that was shredded. Raises ContentUnreadableError for one that does not unwrap."""
        if key_id == OPERATIONS_KEY_ID:
            return self._operations_key
        try:
            found = await self._keyring.find_key(key_id)
        except SealError as error:
            raise KeyUnreadableError("key_does_not_unwrap") from error
        return None if found is None else found.secret

    async def seal_word(self, word: str, *, key_id: UUID, purpose: str, alert_id: UUID) -> bytes | None:
        """What a person typed; None where the case has no key any more."""
        return await self.seal_under(key_id, word.encode(), context=_word_context(purpose, alert_id))

    async def open_word(
        self, sealed: bytes | None, *, key_id: UUID, purpose: str, alert_id: UUID
    ) -> str | None:
        """None where it was never sealed or does not open any more."""
        context = _word_context(purpose, alert_id)
        opened = None if sealed is None else await self.open_under(key_id, sealed, context=context)
        return None if opened is None else opened.decode()

    async def seal_under(self, key_id: UUID, plaintext: bytes, *, context: Sequence[str]) -> bytes | None:
        """None where the case has no key any more."""
        try:
            key = await self.find_key(key_id)
        except ContentUnreadableError:
            return None
        return None if key is None else seal(key, plaintext, context=context)

    async def open_under(self, key_id: UUID, sealed: bytes, *, context: Sequence[str]) -> bytes | None:
        """None where it does not open any more."""
        try:
            key = await self.find_key(key_id)
            return None if key is None else open_sealed(key, sealed, context=context)
        except (ContentUnreadableError, SealError):
            return None


def _word_context(purpose: str, alert_id: UUID) -> tuple[str, ...]:
    return ("acknowledgement", purpose, str(alert_id))
