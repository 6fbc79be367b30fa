"""Who is told that something of ours is out of order, and what: never with a word of a case. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schemas.alert import Concern, OperationalReason
from schemas.vocabulary import AgencyId, AlertKind, CountyFips, Role, Urgency
from services.routing.decision import Directory, Member

NOTICE_SOURCE: Final = "urn:tocsin:notify"
"""Stands in the ledger for the source of what no case event caused."""
NOTICE_CASE: Final = "tocsin.operations"
"""And this for its case: all notices share one key, so that what is over is told after what began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A trouble, its end, or a change of who is told where.

    Notices with the same `marks` are one; `ends` are the marks of what is over.
    """

    event_id: str
    event_type: str
    reason: OperationalReason
    kind: AlertKind
    urgency: Urgency
    concern: Concern
    marks: tuple[str, ...]
    ends: tuple[str, ...] | None = None
    exercise: bool = False
    tells_agency: bool = True
    changes: str | None = None
    """The endpoint that came or went: whoever is told is told by another path, or not at all."""


def endpoint_suspended(concern: Concern, *, endpoint_id: str, since: datetime) -> Notice:
    """An endpoint is spared: its agency learns it by its other paths, and the coordinator."""
    return Notice(
        event_id=endpoint_id,
        event_type="endpoint.suspended",
        reason=OperationalReason.ENDPOINT_SUSPENDED,
        kind=AlertKind.ERROR,
        urgency=Urgency.IMMEDIATE,
        concern=concern,
        marks=_marks_of_suspension(endpoint_id, since),
    )


def endpoint_resumed(concern: Concern, *, endpoint_id: str, since: datetime) -> Notice:
    """It answers again: whoever got the notice that it is suspended gets its cancel, at leisure."""
    suspended = _marks_of_suspension(endpoint_id, since)
    return Notice(
        event_id=endpoint_id,
        event_type="endpoint.resumed",
        reason=OperationalReason.ENDPOINT_RESUMED,
        kind=AlertKind.CANCEL,
        urgency=Urgency.ROUTINE,
        concern=concern,
        marks=(*suspended, "resumed"),
        ends=suspended,
    )


def endpoint_added(concern: Concern, *, endpoint_id: str, at: datetime) -> Notice:
    """Alerts go to one more system: whoever did not mean it must be able to notice."""
    return _endpoint_changed(OperationalReason.ENDPOINT_ADDED, concern, endpoint_id=endpoint_id, at=at)


def endpoint_removed(concern: Concern, *, endpoint_id: str, at: datetime) -> Notice:
    """And to one fewer."""
    return _endpoint_changed(OperationalReason.ENDPOINT_REMOVED, concern, endpoint_id=endpoint_id, at=at)


def _endpoint_changed(
    reason: OperationalReason, concern: Concern, *, endpoint_id: str, at: datetime
) -> Notice:
    return Notice(
        event_id=endpoint_id,
        event_type=reason.value.lower().replace("_", "."),
        reason=reason,
        kind=AlertKind.ERROR,
        urgency=Urgency.URGENT,
        concern=concern,
        marks=(reason.value, endpoint_id, at.isoformat()),
        changes=endpoint_id,
    )


def dead_letter(concern: Concern, *, channel: str, urgency: Urgency, exercise: bool, at: datetime) -> Notice:
    """Something did not arrive and is tried no more. The coordinator is told; the agency cannot be.

    An endpoint that refuses everything is one trouble: of an agency, a channel and an urgency, the first of
    an hour is told, and `tocsin deliveries` lists them all.
    """
    hour = at.replace(minute=0, second=0, microsecond=0).isoformat()
    return Notice(
        event_id=f"{concern.agency}.{channel}",
        event_type="delivery.dead",
        reason=OperationalReason.DEAD_LETTER,
        kind=AlertKind.ERROR,
        urgency=urgency,
        concern=concern,
        marks=("dead_letter", concern.agency, channel, urgency.value, str(exercise), hour),
        exercise=exercise,
        tells_agency=False,
    )


def find_recipients(notice: Notice, directory: Directory) -> Iterator[tuple[Member, Role]]:
    """The agency, and the coordinators of its counties (else every one); each once, and nobody who left."""
    agency = directory.find_member(notice.concern.agency)
    if agency is None or agency.offboarded or agency.external:
        return
    told: dict[AgencyId, tuple[Member, Role]] = {}
    if notice.tells_agency and (notice.changes is None or agency.has_path_beside(notice.changes)):
        told[agency.id] = agency, agency.roles[0]
    counties: list[CountyFips | None] = [*sorted(agency.counties)]
    for county in counties or [None]:
        for member in directory.coordinators(county):
            told.setdefault(member.id, (member, Role.TF_COORDINATOR))
    yield from told.values()


def _marks_of_suspension(endpoint_id: str, since: datetime) -> tuple[str, ...]:
    return ("suspension", endpoint_id, since.isoformat())
