"""A visitor without scripts: real HTTP, an HTML parser, cookies kept as a browser would."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import Morsel, SimpleCookie

import aiohttp

PASSPHRASE = "correct horse battery staple"
NAME, ROLE = "Jordan Inventado", "duty supervisor"


@dataclass
class Form:
    """A form and what it would send if nobody typed anything."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.marked: dict[str, list[str]] = {}
        self.tags: list[tuple[str, Mapping[str, str | None]]] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        self._open.append(tag)
        if tag == "form":
            self.forms.append(Form(given["action"] or "", given["method"] or "get"))
        name = given.get("name")
        if tag in {"input", "textarea"} and name and self.forms and given.get("type") != "radio":
            self.forms[-1].fields[name] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and data.strip():
            self.marked.setdefault(self._open[-1], []).append(data.strip())


@dataclass(frozen=True)
class Page:
    """What came back, read."""

    status: int
    headers: Mapping[str, str]
    text: str
    forms: list[Form]
    marked: dict[str, list[str]]
    tags: list[tuple[str, Mapping[str, str | None]]]

    def find_form(self, ending: str) -> Form:
        return next(form for form in self.forms if form.action.endswith(ending))

    def has_form(self, ending: str) -> bool:
        return any(form.action.endswith(ending) for form in self.forms)


@dataclass
class Visitor:
    """One browser at one notify; `headers` go with every form."""

    url: str
    http: aiohttp.ClientSession
    cookies: dict[str, "Morsel[str]"] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: {"sec-fetch-site": "same-origin"})

    async def get(self, path: str) -> Page:
        return await self._ask("GET", path, None, {})

    async def submit(self, form: Form, **typed: str) -> Page:
        return await self.post(form.action, **{**form.fields, **typed})

    async def post(self, path: str, **fields: str) -> Page:
        """And goes where it is sent from there."""
        answer = await self._ask("POST", path, fields, self.headers)
        return await self.get(answer.headers["location"]) if answer.status == 303 else answer

    async def _ask(
        self, method: str, path: str, fields: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> Page:
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        sent = {**headers, **({"cookie": cookie} if cookie else {})}
        async with self.http.request(
            method, self.url + path, data=fields, headers=sent, allow_redirects=False
        ) as response:
            text = await response.text()
            for header in response.headers.getall("set-cookie", []):
                self._keep(SimpleCookie(header))
            reader = _Reader()
            reader.feed(text)
            found = {name.lower(): value for name, value in response.headers.items()}
            return Page(response.status, found, text, reader.forms, reader.marked, reader.tags)

    def _keep(self, given: "SimpleCookie") -> None:
        for name, morsel in given.items():
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel


async def begin_to_enrol(visitor: Visitor, code: str, **typed: str) -> Page:
    form = (await visitor.get("/enrol")).find_form("/enrol")
    given = {
        "invitation": code,
        "sign_in_name": "j.inventado",
        "name": NAME,
        "role": ROLE,
        "passphrase": PASSPHRASE,
        "again": PASSPHRASE,
    }
    return await visitor.submit(form, **{**given, **typed})
