"""The page behind an e-mail's link: urgency, id and deadline. It has no script, and a GET changes nothing."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from functools import cached_property
from html import escape
from string import Template
from typing import Self

from starlette.responses import HTMLResponse

from services.notify.handlers.desk import Notice
from services.notify.postcard import DRILL, describe_deadline, name_notice
from services.notify.templates import load_template, load_text

OK = 200
NOT_FOUND = 404


@dataclass(frozen=True)
class Pages:
    """The words of the page, and the zone its reader lives in."""

    notice: Template
    unknown: Template
    style: str
    zone: tzinfo

    @classmethod
    def load(cls, zone: tzinfo) -> Self:
        return cls(load_template("notice.html"), load_template("unknown.html"), load_text("page.css"), zone)

    def render(self, notice: Notice | None) -> HTMLResponse:
        """What is unknown, withdrawn or no id at all looks the same."""
        if notice is None:
            return self._respond(self.unknown.substitute(style=self.style), status=NOT_FOUND)
        facts = {
            "urgency": notice.urgency.value.upper(),
            "notice": name_notice(notice.alert_id),
            "deadline": describe_deadline(notice.acknowledge_by, self.zone),
        }
        words = {name: escape(fact) for name, fact in facts.items()}
        return self._respond(
            self.notice.substitute(
                words,
                style=self.style,
                exercise=f'<p class="urgency">{DRILL}</p>\n' if notice.exercise else "",
            ),
            status=OK,
        )

    def _respond(self, page: str, *, status: int) -> HTMLResponse:
        return HTMLResponse(page, status_code=status, headers=self._headers)

    @cached_property
    def _headers(self) -> Mapping[str, str]:
        digest = base64.b64encode(hashlib.sha256(self.style.encode()).digest()).decode()
        return {
            "cache-control": "no-store",
            "content-security-policy": (
                f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none';"
                " frame-ancestors 'none'"
            ),
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "x-robots-tag": "noindex, nofollow",
        }
