"""One attempt: who may still be told, what they are told, and how the channel fared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never

from schemas.alert import AlertForm, AlertRecord
from schemas.vocabulary import EndpointContent, Rung
from services.notify.bodies import Content, Links, build_body, build_data, build_pointer, name_webhook
from services.notify.channels.email import EmailChannel
from services.notify.channels.webhook import WebhookChannel
from services.notify.contents import Contents, ContentUnreadableError
from services.notify.delivery import Attempt, Channel, Outcome
from services.notify.directory import Directory, Endpoint
from services.notify.letter import Letter
from services.notify.postcard import Postcard, PostcardForm
from services.notify.repository.rows import Due
from services.notify.worker.claims import Claims
from services.notify.worker.suspending import Suspensions
from services.notify.worker.turns import Turns
from services.runtime.clock import Clock
from services.runtime.crypto import keyed_digest

THREAD_DIGITS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """Tries a delivery once. Raises one of database.TRANSIENT_ERRORS when a key cannot be fetched."""

    directory: Directory
    contents: Contents
    webhook: WebhookChannel
    email: EmailChannel | None
    links: Links
    form: PostcardForm
    claims: Claims
    turns: Turns
    clock: Clock
    suspensions: Suspensions
    thread_key: bytes = field(repr=False)
    """Names the threads of e-mails, so that nobody who sees a name can tell whose it is."""

    async def attempt(self, due: Due) -> Attempt | None:
        """None if it is not its turn, or over: then its delivery says what comes of it."""
        if not await self.claims.holds(due):
            return None
        content = await self._read(due.record)
        if not await self._has_turn(due, content):
            return None
        if due.record.exercise and not await self._takes_exercises(due):
            return None
        if (obstacle := self._find_obstacle(due.record)) is not None:
            return _end_here(Outcome.REFUSED, obstacle)
        match due.path.channel:
            case Channel.WEBHOOK:
                return await self._attempt_webhook(due, content)
            case Channel.EMAIL:
                return await self._attempt_email(due)
            case _:
                assert_never(due.path.channel)

    async def _has_turn(self, due: Due, content: Content | ContentUnreadableError) -> bool:
        # First of all: what it takes the place of is over, even if it cannot or need not be told itself.
        if not isinstance(content, ContentUnreadableError) and not await self.turns.may_go(due, content):
            return False
        return not due.is_on_ladder or await self.turns.is_needed(due)

    async def _takes_exercises(self, due: Due) -> bool:
        """Asked anew too: where exercises are no longer accepted, one that waits ends in silence."""
        view, record = self.directory.view, due.record
        path = (
            view.find_endpoint(record.agency, due.path.target)
            if due.path.channel is Channel.WEBHOOK
            else view.find_contact(record.agency, Rung(due.path.target))
        )
        if path is None or path.exercises:
            return True
        await self.turns.withhold(due)
        return False

    def _find_obstacle(self, record: AlertRecord) -> str | None:
        """Asked anew for each attempt: the agency may have left since, or its agreement may have ended."""
        view = self.directory.view
        if view.find_active(record.agency) is None:
            return "offboarded"
        if not record.mandated and not view.has_agreement(record.agency, self.clock.now()):
            return "agreement_ended"
        return None

    async def _read(self, record: AlertRecord) -> Content | ContentUnreadableError:
        """Also for those who are only pointed to it: whose turn it is stands in the content."""
        try:
            return await self.contents.read(record)
        except ContentUnreadableError as error:
            return error

    async def _attempt_webhook(self, due: Due, content: Content | ContentUnreadableError) -> Attempt:
        endpoint = self.directory.view.find_endpoint(due.record.agency, due.path.target)
        if endpoint is None:
            return _end_here(Outcome.REFUSED, "endpoint_removed")
        if not endpoint.keys:
            return _end_here(Outcome.UNAVAILABLE, "secret_unreadable")
        if not self.suspensions.admits(
            endpoint.endpoint_id, mandated=due.record.mandated, now=self.clock.now()
        ):
            return _end_here(Outcome.UNAVAILABLE, "suspended")
        # A duty notice has no group, and no pointer form.
        if due.record.form is AlertForm.ALERT and endpoint.content is EndpointContent.POINTER:
            data = build_pointer(due.record, self.links)
        elif isinstance(content, ContentUnreadableError):
            return _end_here(Outcome.REFUSED, str(content))
        else:
            now = self.clock.now()
            has_agreement = self.directory.view.has_agreement(due.record.agency, now)
            data = build_data(due.record, content, self.links, now=now, has_agreement=has_agreement)
        return await self._post(due, endpoint, data)

    async def _post(self, due: Due, endpoint: Endpoint, data: Mapping[str, object]) -> Attempt:
        attempt = await self.webhook.send(
            endpoint.url,
            endpoint.keys_at(self.clock.now()),
            webhook_id=name_webhook(due.record),
            body=build_body(due.record, data),
        )
        self.suspensions.record(endpoint.endpoint_id, due.record.agency, attempt, now=self.clock.now())
        return attempt

    async def _attempt_email(self, due: Due) -> Attempt:
        view = self.directory.view
        contact = view.find_contact(due.record.agency, Rung(due.path.target))
        if contact is None:
            return _end_here(Outcome.REFUSED, "contact_removed")
        if self.email is None:
            return _end_here(Outcome.UNAVAILABLE, "no_mail_server")
        postcard = Postcard(
            alert_id=due.record.alert_id,
            urgency=due.record.urgency,
            acknowledge_by=due.record.acknowledge_by,
            link=self.links.page(due.record.alert_id),
            phone=view.duty_desk_phone,
            exercise=due.record.exercise,
        )
        return await self.email.send(
            Letter(
                to=contact.email,
                message_id=due.delivery_id.hex,
                thread_id=self._name_thread(due.record),
                postcard=self.form.render(postcard),
            )
        )

    def _name_thread(self, record: AlertRecord) -> str:
        """One for a case at an agency: two agencies cannot tell that they hear of the same one."""
        return keyed_digest(self.thread_key, record.agency, record.case_ref).hex()[:THREAD_DIGITS]


def _end_here(outcome: Outcome, detail: str) -> Attempt:
    return Attempt(outcome, detail=detail, is_asked=False)
