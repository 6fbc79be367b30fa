"""The page behind an e-mail's link: read after signing in, answered by a form. A GET changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from schemas.vocabulary import RefusalReason
from services.notify.api.documents import AcknowledgeRequest
from services.notify.api.forms import Browser
from services.notify.api.pages import Pages, select_facts
from services.notify.api.refusals import find_id
from services.notify.api.refusing import RefuseRequest
from services.notify.handlers.desk import Notice
from services.notify.handlers.reading import ReadingDesk
from services.notify.handlers.refusing import RefusalError
from services.notify.handlers.sessions import Session, SessionDesk
from services.notify.handlers.signing_in import Authenticator, Claim, NotKnown, TooOften
from services.notify.people import Person

FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409
INVALID: Final = 422
TOO_MANY: Final = 429
SEE_OTHER: Final = 303

_NOTHING_DONE: Final = "Nothing was recorded."
_UNKNOWN: Final = "That does not fit together. Check name, passphrase and code; each code works once."
_SIGNED_OUT: Final = f"You are not signed in any more. {_NOTHING_DONE}"
STALE: Final = f"The page was too old. {_NOTHING_DONE} Please try again."
_ROLE: Final = f"Say in which role you act, on one line. {_NOTHING_DONE}"
_WHY: Final = f"Choose a reason; if it is another one, say it in words. {_NOTHING_DONE}"
_TAKEN: Final = "A colleague has taken it over meanwhile; your refusal was not recorded."
_BUSY: Final = "Too many tries. Wait {minutes} min, or call the duty desk."


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPages:
    """The page of an alert: shown, signed in to, answered."""

    pages: Pages
    browser: Browser
    sessions: SessionDesk
    authenticator: Authenticator
    reading: ReadingDesk

    async def show(self, request: Request, alert_id: str) -> Response:
        notice = await self._find(alert_id)
        if notice is None:
            return self._unknown()
        session = await self.sessions.find(self.browser.find_token(request))
        return await self._show(notice, session)

    async def sign_in(self, request: Request, alert_id: str) -> Response:
        form = await self.browser.read_form(request)
        notice = await self._find(alert_id)
        if notice is None:
            return self._unknown()
        claim = Claim(
            sign_in_name=form.get("sign_in_name", ""),
            passphrase=form.get("passphrase", ""),
            code=form.get("code", ""),
            address=self.browser.find_address(request),
        )
        match await self.authenticator.authenticate(claim):
            case Person() as person:
                await self.sessions.end(self.browser.find_token(request))
                session = await self.sessions.begin(person)
                response = RedirectResponse(self._find_path(notice), status_code=SEE_OTHER)
                response.headers["cache-control"] = "no-store"
                self.browser.keep_token(response, session.token)
                return response
            case NotKnown():
                return self._ask_to_sign_in(notice, problem=_UNKNOWN, status=FORBIDDEN)
            case TooOften(wait):
                seconds = max(1, round(wait.total_seconds()))
                text = _BUSY.format(minutes=max(1, round(seconds / 60)))
                headers = {"retry-after": str(seconds)}
                return self._ask_to_sign_in(notice, problem=text, status=TOO_MANY, headers=headers)

    async def acknowledge(self, request: Request, alert_id: str) -> Response:
        form = await self.browser.read_form(request)
        entered = await self._enter(request, alert_id, form)
        if isinstance(entered, Response):
            return entered
        notice, session = entered
        try:
            given = AcknowledgeRequest(person=session.person.name, role=form.get("role", ""))
        except ValidationError:
            return await self._show(notice, session, problem=_ROLE, status=INVALID)
        taken = await self.reading.acknowledge(notice.alert_id, session.person, role=given.role)
        return self._unknown() if taken is None else self._back(notice)

    async def refuse(self, request: Request, alert_id: str) -> Response:
        form = await self.browser.read_form(request)
        entered = await self._enter(request, alert_id, form)
        if isinstance(entered, Response):
            return entered
        notice, session = entered
        given = _read_refusal(form, session.person)
        if given is None:
            return await self._show(notice, session, problem=_WHY, status=INVALID, form=form)
        try:
            declined = await self.reading.refuse(
                notice.alert_id, session.person, role=given.role, reason=given.reason, note=given.note
            )
        except RefusalError:
            return await self._show(notice, session, problem=_TAKEN, status=CONFLICT)
        return self._unknown() if declined is None else self._back(notice)

    async def sign_out(self, request: Request) -> Response:
        form = await self.browser.read_form(request)
        session = await self.sessions.find(self.browser.find_token(request))
        if session is not None and self.sessions.is_form_token(form.get("form_token", ""), session=session):
            await self.sessions.end(session.token)
        response = self.pages.message("Signed out", "You can close this page.", status=200)
        self.browser.drop_token(response)
        return response

    async def _enter(
        self, request: Request, alert_id: str, form: Mapping[str, str]
    ) -> tuple[Notice, Session] | Response:
        """Whoever answers: signed in, and with a form that we gave to this session."""
        notice = await self._find(alert_id)
        if notice is None:
            return self._unknown()
        session = await self.sessions.find(self.browser.find_token(request))
        if session is None:
            return self._ask_to_sign_in(notice, problem=_SIGNED_OUT, status=FORBIDDEN)
        if not self.sessions.is_form_token(form.get("form_token", ""), session=session):
            return await self._show(notice, session, problem=STALE, status=FORBIDDEN)
        return notice, session

    async def _show(
        self,
        notice: Notice,
        session: Session | None,
        *,
        problem: str | None = None,
        status: int = 200,
        form: Mapping[str, str] | None = None,
    ) -> Response:
        if session is None:
            return self._ask_to_sign_in(notice)
        alert = await self.reading.read(notice.alert_id, session.person)
        shown: dict[str, Any] = {
            "notice": self.pages.describe(notice),
            "person": session.person,
            "form_token": self.sessions.make_form_token(session),
        }
        if alert is None:
            return self.pages.render("foreign.html", status=NOT_FOUND, **shown)
        typed = form or {}
        return self.pages.render(
            "alert.html",
            status=status,
            **shown,
            problem=problem,
            alert=alert,
            data=alert.data,
            phone=self.reading.desk.directory.view.duty_desk_phone,
            facts=select_facts(alert.data),
            role=typed.get("role", session.person.role),
            reasons=alert.reasons,
            chosen=typed.get("reason"),
            note=typed.get("note", ""),
        )

    def _ask_to_sign_in(
        self,
        notice: Notice,
        *,
        problem: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        return self.pages.render(
            "notice.html",
            status=status,
            headers=headers,
            notice=self.pages.describe(notice),
            problem=problem,
            phone=self.reading.desk.directory.view.duty_desk_phone,
        )

    async def _find(self, alert_id: str) -> Notice | None:
        found = find_id(alert_id)
        return None if found is None else await self.reading.desk.describe(found)

    def _unknown(self) -> Response:
        """What is unknown, withdrawn or no id at all looks the same."""
        return self.pages.message(
            "There is no such notice", "Check that the link is complete.", status=NOT_FOUND
        )

    def _back(self, notice: Notice) -> Response:
        # Asked again by GET: who goes back or loads it anew sends nothing twice.
        return RedirectResponse(
            self._find_path(notice), status_code=SEE_OTHER, headers={"cache-control": "no-store"}
        )

    def _find_path(self, notice: Notice) -> str:
        """As the browser knows it: a proxy may have us under a path of its own."""
        return f"{self.pages.root}/a/{notice.alert_id}"


def _read_refusal(form: Mapping[str, str], person: Person) -> RefuseRequest | None:
    note = form.get("note", "").strip()
    given = {
        "person": person.name,
        "role": form.get("role", ""),
        "reason": form.get("reason", ""),
        **({"note": note} if note else {}),
    }
    try:
        read = RefuseRequest.model_validate(given)
    except ValidationError:
        return None
    return None if read.reason is RefusalReason.OTHER and read.note is None else read
