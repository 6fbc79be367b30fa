"""Pages as they leave: rendered, without a script, and with headers that let in nothing from elsewhere."""

import base64
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import cached_property
from typing import Any, Final
from uuid import UUID

import segno
from jinja2 import Environment
from markupsafe import Markup
from starlette.responses import HTMLResponse

from schemas.vocabulary import RefusalReason
from services.notify.handlers.desk import Notice
from services.notify.postcard import DRILL, describe_deadline, name_notice
from services.notify.templates import build_pages, load_text

OK: Final = 200

_REASONS: Final[Mapping[RefusalReason, str]] = {
    RefusalReason.WRONG_AGENCY: "Not for this agency",
    RefusalReason.NO_CAPACITY: "Nobody is free to act",
    RefusalReason.CONFLICT_OF_INTEREST: "Conflict of interest",
    RefusalReason.DUPLICATE: "We have this matter already",
    RefusalReason.OTHER: "Another reason",
}
_REFERENCE: Final = {
    "case_ref": "Case reference",
    "county": "County (FIPS)",
    "role": "You are told as",
    "emitter_role": "Reported by",
    "rules": "Rules",
    "packs": "Protocols",
    "reason": "Reason",
    "concern": "About",
}


@dataclass(frozen=True)
class Pages:
    """The templates, the zone their readers live in, and the path under which a proxy has them, if any."""

    zone: tzinfo
    root: str = ""
    environment: Environment = field(default_factory=build_pages)
    style: str = field(default_factory=lambda: load_text("page.css"))

    def __post_init__(self) -> None:
        self.environment.globals["root"] = self.root
        self.environment.filters |= {
            "words": _spell,
            "event": _name_event,
            "reason": lambda reason: _REASONS[RefusalReason(reason)],
            "instant": lambda at: describe_deadline(at, self.zone),
            "due": self._describe_due,
        }

    def render(
        self,
        template: str,
        *,
        status: int = OK,
        headers: Mapping[str, str] | None = None,
        **values: Any,  # noqa: ANN401 -- whatever a template shows
    ) -> HTMLResponse:
        style = Markup(self.style)  # noqa: S704 -- a file of ours
        page = self.environment.get_template(template).render(values, style=style)
        return HTMLResponse(page, status_code=status, headers={**self._headers, **(headers or {})})

    def message(
        self, title: str, text: str, *, status: int, headers: Mapping[str, str] | None = None
    ) -> HTMLResponse:
        return self.render(
            "message.html", status=status, headers=headers, title=title, text=text, link=None, link_text=None
        )

    def describe(self, notice: Notice) -> Mapping[str, str | UUID | None]:
        """What anybody may see who has the link."""
        return {
            "alert_id": notice.alert_id,
            "exercise": DRILL if notice.exercise else None,
            "urgency": notice.urgency.value.upper(),
            "name": name_notice(notice.alert_id),
            "deadline": describe_deadline(notice.acknowledge_by, self.zone),
        }

    def _describe_due(self, due: object) -> str:
        try:
            return describe_deadline(datetime.fromisoformat(str(due)), self.zone)
        except ValueError:
            return _spell(str(due)).lower()

    @cached_property
    def _headers(self) -> Mapping[str, str]:
        digest = base64.b64encode(hashlib.sha256(self.style.encode()).digest()).decode()
        return {
            "cache-control": "no-store",
            "content-security-policy": (
                f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'self';"
                " frame-ancestors 'none'"
            ),
            # Towards ourselves: with `no-referrer` a browser would not say from which site a form was sent.
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), geolocation=(), microphone=()",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "x-robots-tag": "noindex, nofollow",
        }


def select_facts(data: Mapping[str, object]) -> Mapping[str, object]:
    """Of an alert, what its reader quotes to others."""
    return {label: data[name] for name, label in _REFERENCE.items() if data.get(name)}


def draw_qr(uri: str) -> Markup:
    """As SVG within the page: no address to fetch it from, nothing a script would have to draw."""
    drawn = io.BytesIO()
    segno.make(uri, error="m").save(
        drawn,
        kind="svg",
        scale=5,
        border=4,
        light="#fff",
        xmldecl=False,
        svgns=False,
        nl=False,
        title="QR code for your authenticator app",
    )
    svg = drawn.getvalue().decode().replace("<svg ", '<svg role="img" ', 1)
    return Markup(svg)  # noqa: S704 -- drawn by the library, of dots


def _spell(name: str) -> str:
    words = str(name).replace("_", " ")
    return words[:1].upper() + words[1:]


def _name_event(event_type: str) -> str:
    """`org.tocsin.victim.recovered.v1` as `Victim recovered`."""
    return _spell(" ".join(event_type.removeprefix("org.tocsin.").removesuffix(".v1").split(".")))
