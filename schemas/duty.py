"""A statutory duty: open until evidence closes it; acknowledging an alert does not (DESIGN 1)."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import StringConstraints

from schemas.base import Instant, WireModel

Word = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
"""What a person typed on one line."""

Note = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=2000,
        pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
    ),
]
"""What a person typed, on several lines perhaps."""

CHANNELS: Final = frozenset(
    {"database", "email", "fax", "form", "in_person", "letter", "portal", "telephone"}
)
"""The kinds of channel that are shown as they were typed to whoever watches the duties of all."""

OTHER_CHANNEL: Final = "other"


class DutyStatus(StrEnum):
    """Needs review: a correction or retraction put it in question, and a person must say what holds."""

    OPEN = "open"
    NEEDS_REVIEW = "needs_review"
    CLOSED = "closed"


class DutyEvidence(WireModel):
    """Who did it, through which channel, under which reference, and when.

    Typed by people, so sealed under the key of the case like everything they type.
    """

    who: Word
    channel: Word
    reference: Word
    at: Instant


def name_channel(channel: str) -> str:
    """The kind of a channel; `other` for what may be anything."""
    word = channel.strip().casefold().replace(" ", "_").replace("-", "_")
    return word if word in CHANNELS else OTHER_CHANNEL
