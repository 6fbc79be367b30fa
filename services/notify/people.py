"""People who sign in: what is known of one, and what a passphrase must be. Pure."""

import hashlib
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from schemas.vocabulary import Rung

LEAST_CHARACTERS: Final = 15
MOST_CHARACTERS: Final = 256
LEAST_DISTINCT: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody at a contact of an agency: all that the page asks an Authenticator for."""

    person_id: UUID
    agency: str
    contact_id: str
    name: str = field(repr=False)
    role: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What is sealed of a person: how they are called, and what they sign in with."""

    name: str = field(repr=False)
    role: str = field(repr=False)
    passphrase_hash: str = field(repr=False)
    totp_secret: str = field(repr=False)
    """In base32, as an authenticator app takes it."""

    def to_bytes(self) -> bytes:
        return orjson.dumps(
            {
                "name": self.name,
                "role": self.role,
                "passphrase_hash": self.passphrase_hash,
                "totp_secret": self.totp_secret,
            }
        )

    @classmethod
    def from_bytes(cls, document: bytes) -> "Secrets":
        return cls(**orjson.loads(document))


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A person as the agency and operators see the list; the name is None if its seal does not open."""

    person_id: UUID
    agency: str
    contact: Rung | None
    """None: the contact is no longer in the directory, and the person cannot sign in."""
    name: str | None = field(repr=False)
    role: str | None = field(repr=False)
    enrolled_at: datetime


def name_contact(*, agency: str, email: str) -> str:
    """A stable opaque id of a contact, at whichever rung it stands."""
    return "co_" + hashlib.sha256(f"{agency}\n{email.lower()}".encode()).hexdigest()[:16]


def normalise_sign_in_name(text: str) -> str:
    """Telephones like to begin with a capital letter and to end with a blank."""
    return text.strip().casefold()


def normalise_passphrase(text: str) -> str:
    """The same from every keyboard: an accent may be typed as one character or two (NIST SP 800-63B-4)."""
    return unicodedata.normalize("NFKC", text)


def find_passphrase_problem(passphrase: str, *, sign_in_name: str) -> str | None:
    """What to do about it, or None (NIST SP 800-63B-4: length counts, composition does not)."""
    if len(passphrase) < LEAST_CHARACTERS:
        return f"Use at least {LEAST_CHARACTERS} characters: four or five words will do."
    if len(passphrase) > MOST_CHARACTERS:
        return f"Use at most {MOST_CHARACTERS} characters."
    if len(set(passphrase)) < LEAST_DISTINCT:
        return f"Use at least {LEAST_DISTINCT} different characters."
    if sign_in_name and sign_in_name in passphrase.casefold():
        return "Leave your sign-in name out of it."
    return None
