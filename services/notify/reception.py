"""What the pages need, put together: who signs in how, for how long, and what they read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.notify.api.alert_pages import AlertPages
from services.notify.api.enrolment_pages import EnrolmentPages
from services.notify.api.forms import Browser
from services.notify.api.page_routes import Reception
from services.notify.api.pages import Pages
from services.notify.engine import Surroundings
from services.notify.handlers.desk import AgencyDesk
from services.notify.handlers.enrolment import EnrolmentDesk
from services.notify.handlers.limiting import Limits
from services.notify.handlers.reading import ReadingDesk
from services.notify.handlers.sessions import SessionDesk
from services.notify.handlers.signing_in import PassphraseAuthenticator
from services.notify.passphrases import Hardness, Passphrases, open_passphrases
from services.notify.people_keys import PeopleKeys
from services.notify.repository.people import PersonRepository
from services.notify.repository.sessions import SessionRepository
from services.notify.repository.throttle import ThrottleRepository
from services.notify.settings import NotifySettings
from services.runtime.clock import new_ordered_id


@asynccontextmanager
async def open_reception(
    settings: NotifySettings,
    around: Surroundings,
    desk: AgencyDesk,
    *,
    keys: PeopleKeys,
    pages: Pages,
    hardness: Hardness,
) -> AsyncIterator[Reception]:
    async with open_passphrases(hardness) as passphrases:
        yield _build(settings, around, desk, passphrases=passphrases, keys=keys, pages=pages)


def _build(
    settings: NotifySettings,
    around: Surroundings,
    desk: AgencyDesk,
    *,
    passphrases: Passphrases,
    keys: PeopleKeys,
    pages: Pages,
) -> Reception:
    people, sessions = PersonRepository(around.pool), SessionRepository(around.pool)
    directory, clock = around.directory, around.clock
    limits = Limits(throttle=ThrottleRepository(around.pool), keys=keys, clock=clock)
    browser = Browser(around.links.base, settings.notify_trusted_proxies)
    return Reception(
        AlertPages(
            pages=pages,
            browser=browser,
            sessions=SessionDesk(
                sessions=sessions,
                keys=keys,
                directory=directory,
                clock=clock,
                idle=settings.notify_session_idle,
                limit=settings.notify_session_limit,
            ),
            authenticator=PassphraseAuthenticator(
                people=people,
                passphrases=passphrases,
                limits=limits,
                keys=keys,
                directory=directory,
                clock=clock,
            ),
            reading=ReadingDesk(desk=desk, reads=sessions),
        ),
        EnrolmentPages(
            pages=pages,
            browser=browser,
            enrolment=EnrolmentDesk(
                people=people,
                passphrases=passphrases,
                limits=limits,
                keys=keys,
                directory=directory,
                clock=clock,
                new_id=new_ordered_id,
            ),
        ),
    )
