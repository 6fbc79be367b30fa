"""Who is signed in: a token in the browser, its hash here, and the directory asked each time."""

from dataclasses import dataclass, field
from datetime import timedelta

from services.notify.directory import Directory
from services.notify.people import Person
from services.notify.people_keys import PeopleKeys
from services.notify.repository.sessions import SessionRepository
from services.runtime.clock import Clock
from services.runtime.crypto import new_token


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in."""

    person: Person
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDesk:
    """Raises one of database.TRANSIENT_ERRORS when PostgreSQL is away."""

    sessions: SessionRepository
    keys: PeopleKeys
    directory: Directory
    clock: Clock
    idle: timedelta
    limit: timedelta

    async def begin(self, person: Person) -> Session:
        """Always with a token of its own: what the browser held before is worth nothing."""
        token, now = new_token(), self.clock.now()
        await self.sessions.begin(
            self.keys.hash_token(token), person_id=person.person_id, now=now, begun_after=now - self.limit
        )
        return Session(person, token)

    async def find(self, token: str | None) -> Session | None:
        """None also once its contact left the directory, or its agency was offboarded."""
        if not token:
            return None
        now = self.clock.now()
        row = await self.sessions.find(
            self.keys.hash_token(token), now=now, seen_after=now - self.idle, begun_after=now - self.limit
        )
        if row is None or self.directory.view.find_contact_by_id(row.agency, row.contact_id) is None:
            return None
        known = self.keys.open(row.sealed, person_id=row.person_id)
        if known is None:
            return None
        return Session(
            Person(
                person_id=row.person_id,
                agency=row.agency,
                contact_id=row.contact_id,
                name=known.name,
                role=known.role,
            ),
            token,
        )

    async def end(self, token: str | None) -> None:
        if token:
            await self.sessions.end(self.keys.hash_token(token))

    def make_form_token(self, session: Session) -> str:
        return self.keys.make_form_token(session.token)

    def is_form_token(self, given: str, *, session: Session) -> bool:
        return self.keys.is_form_token(given, token=session.token)
