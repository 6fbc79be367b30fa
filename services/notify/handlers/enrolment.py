"""How a person at a contact becomes one who may sign in: a one-time code, then everything by themselves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from schemas.vocabulary import Rung
from services.notify.directory import Directory
from services.notify.handlers.limiting import Counted, Limits
from services.notify.passphrases import BusyError, Passphrases
from services.notify.people import Enrolled, Secrets, name_contact, normalise_sign_in_name
from services.notify.people_keys import PeopleKeys
from services.notify.repository.people import EnrolmentRow, PersonRepository, PersonRow
from services.notify.totp import encode_secret, find_step, make_uri
from services.runtime.clock import Clock
from services.runtime.crypto import new_key, new_one_time_code
from services.runtime.logs import get_logger

log = get_logger()

VALID: Final = timedelta(hours=72)


class Refusal(StrEnum):
    """Why an enrolment does not go on."""

    CODE = "code"
    """No such one-time code, or it was used, or its time is over."""
    NAME_TAKEN = "name_taken"
    TOTP = "totp"
    """The six digits are not those of this moment."""
    TOO_OFTEN = "too_often"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the agency hands to its person over a channel that it trusts."""

    code: str = field(repr=False)
    expires_at: datetime
    person_id: UUID
    """Whoever enrols by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the person types first."""

    code: str = field(repr=False)
    sign_in_name: str = field(repr=False)
    name: str = field(repr=False)
    role: str = field(repr=False)
    passphrase: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Offer:
    """What the person's authenticator app needs."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentDesk:
    """Raises one of database.TRANSIENT_ERRORS when PostgreSQL is away."""

    people: PersonRepository
    passphrases: Passphrases
    limits: Limits
    keys: PeopleKeys
    directory: Directory
    clock: Clock
    new_id: Callable[[], UUID]

    async def invite(self, agency: str, rung: Rung) -> Invitation | None:
        """None for a contact that the directory does not have."""
        view = self.directory.view
        contact = view.find_contact(agency, rung) if view.find_active(agency) else None
        if contact is None:
            return None
        now, code = self.clock.now(), new_one_time_code()
        row = EnrolmentRow(
            person_id=self.new_id(),
            agency=agency,
            contact_id=name_contact(agency=agency, email=contact.email),
            draft=None,
            sign_in_digest=None,
        )
        await self.people.record_enrolment(
            row, code_hash=self.keys.hash_code(code), now=now, expires_at=now + VALID
        )
        log.info("person.invited", person_id=row.person_id, agency=agency)
        return Invitation(code, now + VALID, row.person_id)

    async def begin(self, given: Given, *, address: str) -> Offer | Refusal:
        """Keeps what was typed until the app shows its first code; again, and it begins anew."""
        row = await self._find(given.code, address=address)
        if not isinstance(row, EnrolmentRow):
            return row
        try:
            hashed = await self.passphrases.hash(given.passphrase)
        except BusyError:
            return Refusal.TOO_OFTEN
        secret = encode_secret(new_key())
        draft = Secrets(name=given.name, role=given.role, passphrase_hash=hashed, totp_secret=secret)
        kept = await self.people.keep_draft(
            self.keys.hash_code(given.code),
            draft=self.keys.seal(draft, person_id=row.person_id),
            sign_in_digest=self.keys.digest_sign_in_name(given.sign_in_name),
        )
        if not kept:
            return Refusal.NAME_TAKEN
        return Offer(secret, make_uri(secret, account=normalise_sign_in_name(given.sign_in_name)))

    async def confirm(self, code: str, digits: str, *, address: str) -> Refusal | None:
        """None: the person may sign in, with the next digits."""
        row = await self._find(code, address=address)
        if not isinstance(row, EnrolmentRow):
            return row
        draft = None if row.draft is None else self.keys.open(row.draft, person_id=row.person_id)
        if draft is None:
            return Refusal.CODE
        now = self.clock.now()
        step = find_step(draft.totp_secret, digits, now=now)
        if step is None:
            return Refusal.TOTP
        if not await self.people.finish(self.keys.hash_code(code), step=step, now=now):
            return Refusal.NAME_TAKEN
        log.info("person.enrolled", person_id=row.person_id, agency=row.agency)
        return None

    async def list_people(self, *, agency: str | None) -> Sequence[Enrolled]:
        return [self._describe(row) for row in await self.people.list_all(agency=agency)]

    async def remove(self, person_id: UUID, *, agency: str | None) -> bool:
        """Ends every session of the person at once; False for nobody of this agency."""
        removed = await self.people.remove(person_id, agency=agency)
        if removed:
            log.info("person.removed", person_id=person_id)
        return removed

    async def _find(self, code: str, *, address: str) -> EnrolmentRow | Refusal:
        tried = {Counted.ENROLMENT_ADDRESS: address}
        if await self.limits.count(tried) is not None:
            log.warning("sign_in.limited")
            return Refusal.TOO_OFTEN
        row = await self.people.find_enrolment(self.keys.hash_code(code), now=self.clock.now())
        if row is None or self.directory.view.find_contact_by_id(row.agency, row.contact_id) is None:
            return Refusal.CODE
        await self.limits.forgive(tried)
        return row

    def _describe(self, row: PersonRow) -> Enrolled:
        known = self.keys.open(row.sealed, person_id=row.person_id)
        contact = self.directory.view.find_contact_by_id(row.agency, row.contact_id)
        return Enrolled(
            person_id=row.person_id,
            agency=row.agency,
            contact=None if contact is None else contact.rung,
            name=None if known is None else known.name,
            role=None if known is None else known.role,
            enrolled_at=row.enrolled_at,
        )
