"""Who is it? The seam where an identity provider may take the place of passphrase and code."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from services.notify.directory import Directory
from services.notify.handlers.limiting import Counted, Limits
from services.notify.passphrases import BusyError, Passphrases
from services.notify.people import Person, normalise_sign_in_name
from services.notify.people_keys import PeopleKeys
from services.notify.repository.people import PersonRepository
from services.notify.totp import encode_secret, find_step
from services.runtime.clock import Clock
from services.runtime.crypto import new_key
from services.runtime.logs import get_logger

log = get_logger()

BUSY_WAIT: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What somebody says to be let in. Of an OIDC provider it would be its answer."""

    sign_in_name: str = field(repr=False)
    passphrase: str = field(repr=False)
    code: str = field(repr=False)
    address: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotKnown:
    """Something of it does not fit; what, is nobody's business."""


@dataclass(frozen=True, slots=True)
class TooOften:
    """Not judged: ask again after this while."""

    wait: timedelta


class Authenticator(Protocol):
    """Says who somebody is. All else (sessions, what they may see, what is recorded) is the same for each.

    Raises one of database.TRANSIENT_ERRORS when PostgreSQL is away.
    """

    async def authenticate(self, claim: Claim) -> Person | NotKnown | TooOften: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PassphraseAuthenticator:
    """A passphrase and a time-based code, both of which are judged whatever the other is."""

    people: PersonRepository
    passphrases: Passphrases
    limits: Limits
    keys: PeopleKeys
    directory: Directory
    clock: Clock
    secret_of_nobody: str = field(default_factory=lambda: encode_secret(new_key()), repr=False)

    async def authenticate(self, claim: Claim) -> Person | NotKnown | TooOften:
        tried = {
            Counted.NAME: normalise_sign_in_name(claim.sign_in_name),
            Counted.ADDRESS: claim.address,
        }
        wait = await self.limits.count(tried)
        if wait is not None:
            log.warning("sign_in.limited")
            return TooOften(wait)
        try:
            person = await self._judge(claim)
        except BusyError:
            return TooOften(BUSY_WAIT)
        if person is None:
            log.warning("sign_in.refused")
            return NotKnown()
        await self.limits.forgive(tried)
        log.info("sign_in.accepted", person_id=person.person_id, agency=person.agency)
        return person

    async def _judge(self, claim: Claim) -> Person | None:
        row = await self.people.find_by_sign_in(self.keys.digest_sign_in_name(claim.sign_in_name))
        known = None if row is None else self.keys.open(row.sealed, person_id=row.person_id)
        fits = await self.passphrases.verify(
            None if known is None else known.passphrase_hash, claim.passphrase
        )
        secret = self.secret_of_nobody if known is None else known.totp_secret
        step = find_step(secret, claim.code, now=self.clock.now())
        if row is None or known is None or not fits or step is None:
            return None
        if self.directory.view.find_contact_by_id(row.agency, row.contact_id) is None:
            return None
        if not await self.people.use_step(row.person_id, step):
            return None
        return Person(
            person_id=row.person_id,
            agency=row.agency,
            contact_id=row.contact_id,
            name=known.name,
            role=known.role,
        )
