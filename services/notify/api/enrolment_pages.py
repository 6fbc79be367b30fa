"""How a person enrols: the one-time code and a passphrase, then the authenticator app."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from schemas.duty import Word
from services.notify.api.forms import Browser
from services.notify.api.pages import Pages, draw_qr
from services.notify.handlers.enrolment import EnrolmentDesk, Given, Offer, Refusal
from services.notify.people import find_passphrase_problem, normalise_sign_in_name

INVALID: Final = 422
TOO_MANY: Final = 429
_STATUS: Final[Mapping[Refusal, int]] = {Refusal.TOO_OFTEN: TOO_MANY}

_TEXTS: Final[Mapping[Refusal, str]] = {
    Refusal.CODE: "This one-time code is not known, was used, or is too old. Ask your agency for another.",
    Refusal.NAME_TAKEN: "Choose another sign-in name.",
    Refusal.TOTP: "These are not the six digits of this moment. Is the telephone's clock right?",
    Refusal.TOO_OFTEN: "Too many tries. Wait a quarter of an hour.",
}
_FIELDS: Final = ("invitation", "sign_in_name", "name", "role")
_WORD: Final[TypeAdapter[str]] = TypeAdapter(Word)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentPages:
    """Two forms; nothing of them is in an address."""

    pages: Pages
    browser: Browser
    enrolment: EnrolmentDesk

    async def show(self, _: Request) -> Response:
        return self._show({}, problem=None)

    async def begin(self, request: Request) -> Response:
        form = await self.browser.read_form(request)
        problem = _find_problem(form)
        if problem is not None:
            return self._show(form, problem=problem, status=INVALID)
        given = Given(
            code=form["invitation"],
            sign_in_name=form["sign_in_name"],
            name=form["name"].strip(),
            role=form["role"].strip(),
            passphrase=form["passphrase"],
        )
        offered = await self.enrolment.begin(given, address=self.browser.find_address(request))
        if isinstance(offered, Offer):
            return self._ask_for_code(form["invitation"], offer=offered)
        return self._show(form, problem=_TEXTS[offered], status=_STATUS.get(offered, INVALID))

    async def confirm(self, request: Request) -> Response:
        form = await self.browser.read_form(request)
        code = form.get("invitation", "")
        refusal = await self.enrolment.confirm(
            code, form.get("code", ""), address=self.browser.find_address(request)
        )
        match refusal:
            case None:
                text = "You can sign in from the link of the next notice, with the digits that come next."
                return self.pages.message("Enrolled", text, status=200)
            case Refusal.TOTP | Refusal.TOO_OFTEN:
                return self._ask_for_code(code, problem=_TEXTS[refusal], status=_STATUS.get(refusal, INVALID))
            case Refusal.CODE | Refusal.NAME_TAKEN:
                return self._show(form, problem=_TEXTS[refusal], status=INVALID)

    def _show(self, form: Mapping[str, str], *, problem: str | None, status: int = 200) -> Response:
        given = {name: form.get(name, "") for name in _FIELDS}
        return self.pages.render("enrol.html", status=status, given=given, problem=problem)

    def _ask_for_code(
        self, code: str, *, offer: Offer | None = None, problem: str | None = None, status: int = 200
    ) -> Response:
        """The key is shown once: who mistypes the digits has it in the app."""
        return self.pages.render(
            "enrol_code.html",
            status=status,
            invitation=code,
            secret=None if offer is None else offer.secret,
            qr=None if offer is None else draw_qr(offer.uri),
            problem=problem,
        )


def _find_problem(form: Mapping[str, str]) -> str | None:
    for field, label in (("sign_in_name", "sign-in name"), ("name", "name"), ("role", "role")):
        try:
            _WORD.validate_python(form.get(field, ""))
        except ValidationError:
            return f"Your {label} is missing, or longer than one line."
    passphrase = form.get("passphrase", "")
    if passphrase != form.get("again"):
        return "The two passphrases differ."
    sign_in_name = normalise_sign_in_name(form.get("sign_in_name", ""))
    return find_passphrase_problem(passphrase, sign_in_name=sign_in_name)
