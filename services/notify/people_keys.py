"""What protects people who sign in: their secrets sealed, their names and tokens as keyed digests."""

import hmac
from uuid import UUID

from services.notify.people import Secrets, normalise_sign_in_name
from services.runtime.crypto import Cipher, SealError, derive_key, keyed_digest


class PeopleKeys:
    """Keys of one purpose each, derived from the deployment's."""

    def __init__(self, deployment_key: bytes) -> None:
        self._cipher = Cipher(derive_key(deployment_key, "people"))
        self._digests = derive_key(deployment_key, "people-digests")

    def seal(self, secrets: Secrets, *, person_id: UUID) -> bytes:
        return self._cipher.seal(secrets.to_bytes(), context=_context(person_id))

    def open(self, sealed: bytes, *, person_id: UUID) -> Secrets | None:
        """None where it does not open: the deployment has another key, or the row was altered."""
        try:
            return Secrets.from_bytes(self._cipher.open(sealed, context=_context(person_id)))
        except SealError:
            return None

    def digest_sign_in_name(self, name: str) -> bytes:
        return keyed_digest(self._digests, "sign-in-name", normalise_sign_in_name(name))

    def digest_tries(self, what: str, value: str) -> bytes:
        """What a limit counts by: neither a name nor an address stands in the table."""
        return keyed_digest(self._digests, "tries", what, value)

    def hash_token(self, token: str) -> bytes:
        return keyed_digest(self._digests, "session", token)

    def hash_code(self, code: str) -> bytes:
        """However its groups are written."""
        return keyed_digest(self._digests, "enrolment", "".join(code.split()).replace("-", "").upper())

    def make_form_token(self, token: str) -> str:
        """What a form of ours carries while this session lasts, and no other site can know."""
        return keyed_digest(self._digests, "form", token).hex()

    def is_form_token(self, given: str, *, token: str) -> bool:
        return hmac.compare_digest(given.encode(), self.make_form_token(token).encode())


def _context(person_id: UUID) -> tuple[str, ...]:
    return ("person", str(person_id))
