"""The postcard: all that an e-mail may say (DESIGN 6), for it is read on shared devices, by anybody."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from html import escape
from string import Template
from typing import Final
from uuid import UUID

from schemas.vocabulary import Urgency

EXERCISE: Final = "EXERCISE"
DRILL: Final = "EXERCISE: this is a drill. Nobody is in danger."


@dataclass(frozen=True, slots=True, kw_only=True)
class Postcard:
    """What is told. `phone` is the duty desk's, None if the directory has none."""

    alert_id: UUID
    urgency: Urgency
    acknowledge_by: datetime
    link: str
    phone: str | None
    exercise: bool = False


@dataclass(frozen=True, slots=True)
class RenderedPostcard:
    """A message without its envelope."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class PostcardForm:
    """The words around the facts, and the zone the reader lives in."""

    text: Template
    html: Template
    zone: tzinfo

    def render(self, postcard: Postcard) -> RenderedPostcard:
        facts = self._facts(postcard)
        return RenderedPostcard(
            subject=(
                f"{EXERCISE + ' - ' if postcard.exercise else ''}{facts['urgency']} notice {facts['notice']}"
                f" - acknowledge by {facts['clock_time']}"
            ),
            text=self.text.substitute(
                facts, duty_desk=_call(postcard.phone), exercise=f"{DRILL}\n\n" if postcard.exercise else ""
            ),
            html=self.html.substitute(
                {name: escape(fact) for name, fact in facts.items()},
                duty_desk=escape(_call(postcard.phone)),
                exercise=f"<p><strong>{DRILL}</strong></p>\n" if postcard.exercise else "",
            ),
        )

    def _facts(self, postcard: Postcard) -> dict[str, str]:
        local = postcard.acknowledge_by.astimezone(self.zone)
        return {
            "urgency": postcard.urgency.value.upper(),
            "notice": name_notice(postcard.alert_id),
            "clock_time": local.strftime("%H:%M %Z"),
            "deadline": describe_deadline(postcard.acknowledge_by, self.zone),
            "link": postcard.link,
        }


def name_notice(alert_id: UUID) -> str:
    """Short enough to read out on the telephone: the first eight digits."""
    return alert_id.hex[:8].upper()


def describe_deadline(at: datetime, zone: tzinfo) -> str:
    """Local time with its zone, and UTC beside it."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z} ({at.astimezone(UTC):%Y-%m-%d %H:%M} UTC)"


def _call(phone: str | None) -> str:
    return "" if phone is None else f"If you cannot sign in, call the duty desk: {phone}."
