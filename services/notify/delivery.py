"""What becomes of a delivery: paths, outcomes and next steps, decided without I/O and without a clock."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from schemas.directory import AgencyRecord
from schemas.vocabulary import Rung
from services.notify.schedule import Schedule


class Channel(StrEnum):
    """How an alert reaches an agency: its system, or a person."""

    WEBHOOK = "webhook"
    EMAIL = "email"


class Outcome(StrEnum):
    """What an attempt came to. Refused: asking again cannot help. Unavailable: it can."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


class Trouble(StrEnum):
    """Why there is no status to judge."""

    FORBIDDEN = "forbidden"
    """The directory names what may not be dialled: an address inside, or http."""
    UNUSABLE = "unusable"
    """The directory names what no request or letter can be made for."""
    UNREACHED = "unreached"
    """No connection: nobody listens, the name is not known, or not just now."""
    UNTRUSTED = "untrusted"
    """TLS did not come about: the certificate is expired or another's, or the version is too old."""
    UNANSWERED = "unanswered"
    """A connection and no answer in time, or none before it ended."""
    GARBLED = "garbled"
    """What came is not the protocol, or has no end."""


class DeliveryState(StrEnum):
    """Where a delivery stands; all but pending are final, and refused and exhausted are dead letters."""

    PENDING = "pending"
    DELIVERED = "delivered"
    REFUSED = "refused"
    EXHAUSTED = "exhausted"
    ACKNOWLEDGED = "acknowledged"
    """Somebody acknowledged the alert first."""
    DECLINED = "declined"
    """Somebody at the agency refused the alert first: routing asks others."""
    SUPERSEDED = "superseded"
    """Not needed: a later revision or an update takes its place, the path has the alert, or never had it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one try ended. `detail` is a word of ours or an error's type, never its text."""

    outcome: Outcome
    status_code: int | None = None
    enhanced_code: str | None = None
    """What a mail server adds to its status, as `5.1.1` (RFC 3463)."""
    detail: str | None = None
    retry_after: timedelta | None = None
    trouble: Trouble | None = None
    is_asked: bool = True
    """False: it ended here, before anybody was asked, and so took nothing of what an endpoint can bear."""


@dataclass(frozen=True, slots=True)
class Path:
    """One way to an agency: an endpoint's id, or a rung whose contact gets the e-mail."""

    channel: Channel
    target: str

    @property
    def lane(self) -> str:
        """What a delivery waits its turn for: its endpoint, or the one mail server."""
        return self.target if self.channel is Channel.WEBHOOK else self.channel.value


def plan_paths(
    agency: AgencyRecord | None, *, contact: Rung, channels: frozenset[Channel], exercise: bool = False
) -> list[Path]:
    """Every endpoint of the agency and the contact of the rung; none for an agency nobody knows.

    An exercise takes only those that accept exercises, and none to a body outside the task force.
    """
    if agency is None or (exercise and agency.external):
        return []
    systems = [
        Path(Channel.WEBHOOK, endpoint.endpoint_id)
        for endpoint in agency.endpoints
        if endpoint.exercises or not exercise
    ]
    people = [
        Path(Channel.EMAIL, person.rung.value)
        for person in agency.contacts
        if person.rung is contact and (person.exercises or not exercise)
    ]
    return [path for path in systems + people if path.channel in channels]


_HTTP: Final[tuple[tuple[range, Outcome], ...]] = (
    (range(200, 300), Outcome.DELIVERED),
    (range(300, 400), Outcome.REFUSED),
    (range(408, 409), Outcome.UNAVAILABLE),
    (range(425, 426), Outcome.UNAVAILABLE),
    (range(429, 430), Outcome.UNAVAILABLE),
    (range(400, 500), Outcome.REFUSED),
)
_SMTP: Final[tuple[tuple[range, Outcome], ...]] = (
    (range(200, 300), Outcome.DELIVERED),
    # Our credentials (RFC 4954): they say nothing of the letter, and are mended by us.
    (range(530, 531), Outcome.UNAVAILABLE),
    (range(534, 536), Outcome.UNAVAILABLE),
    (range(538, 539), Outcome.UNAVAILABLE),
    (range(500, 600), Outcome.REFUSED),
)
STATUS_TABLE: Final[Mapping[Channel, tuple[tuple[range, Outcome], ...]]] = {
    Channel.WEBHOOK: _HTTP,
    Channel.EMAIL: _SMTP,
}
"""The first range that holds a status decides. What none holds (HTTP 5xx, SMTP 4xx, nonsense) may pass."""


def judge_status(channel: Channel, status: int) -> Outcome:
    """What a status says about asking again."""
    return next((outcome for codes, outcome in STATUS_TABLE[channel] if status in codes), Outcome.UNAVAILABLE)


_ENHANCED: Final = re.compile(r"([245])\.[0-9]{1,3}\.[0-9]{1,3}(?!\S)")


def find_enhanced_code(status: int, text: str) -> str | None:
    """The enhanced status code at the head of a reply's text; None if there is none, or it contradicts.

    RFC 2034: its class is that of the status. Of the text, nothing else is kept.
    """
    found = _ENHANCED.match(text)
    return found[0] if found is not None and found[1] == str(status)[0] else None


TROUBLE_TABLE: Final[Mapping[Trouble, Outcome]] = {
    Trouble.FORBIDDEN: Outcome.REFUSED,
    Trouble.UNUSABLE: Outcome.REFUSED,
    Trouble.UNREACHED: Outcome.UNAVAILABLE,
    Trouble.UNTRUSTED: Outcome.UNAVAILABLE,
    Trouble.UNANSWERED: Outcome.UNAVAILABLE,
    Trouble.GARBLED: Outcome.UNAVAILABLE,
}
"""What the directory says wrong stays wrong; what a network or a receiver does may pass."""


def judge_trouble(trouble: Trouble, detail: str) -> Attempt:
    """How an attempt without a status ended; `detail` is a word of ours or an error's type."""
    return Attempt(TROUBLE_TABLE[trouble], detail=detail, trouble=trouble)


_NEVER_SENT: Final = frozenset({Trouble.FORBIDDEN, Trouble.UNUSABLE, Trouble.UNREACHED, Trouble.UNTRUSTED})
_NOT_TAKEN: Final[Mapping[Channel, range]] = {
    Channel.WEBHOOK: range(300, 500),
    Channel.EMAIL: range(400, 600),
}
"""By these the receiver says itself that it has nothing. An HTTP 5xx does not: something failed there, or
behind a proxy, and how far it had come, nobody says."""


def has_missed(channel: Channel, attempt: Attempt) -> bool:
    """Whether nothing arrived by it for certain. Of whatever else was not delivered, nobody knows."""
    if attempt.trouble is not None:
        return attempt.trouble in _NEVER_SENT
    return not attempt.is_asked or attempt.status_code in _NOT_TAKEN[channel]


FAILED_AFTER: Final = 3
"""A path that was so often unavailable counts as failed; it is tried on all the same."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Done."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again, not before this instant."""

    at: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """A dead letter: refused, or out of attempts."""

    state: DeliveryState


Step: TypeAlias = Delivered | RetryAt | GiveUp


def next_step(attempt: Attempt, *, number: int, schedule: Schedule, now: datetime, chance: float) -> Step:
    """What follows the attempt of this number (from 1); `chance` is at least 0 and less than 1.

    A receiver's Retry-After can only make it later, and not later than the attempt after next was to be.
    """
    match attempt.outcome:
        case Outcome.DELIVERED:
            return Delivered()
        case Outcome.REFUSED:
            return GiveUp(DeliveryState.REFUSED)
        case Outcome.UNAVAILABLE:
            delay = schedule.find_delay(number)
            if delay is None:
                return GiveUp(DeliveryState.EXHAUSTED)
            asked_for = attempt.retry_after or timedelta(0)
            latest = delay + (schedule.find_delay(number + 1) or delay * schedule.jitter)
            return RetryAt(now + min(max(delay * (1 + schedule.jitter * chance), asked_for), latest))
        case _:
            assert_never(attempt.outcome)
