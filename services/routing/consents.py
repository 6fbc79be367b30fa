"""Consents of a case: granted, revoked, valid for whom and for what (DOMAIN 6.0, 6.0.1 points 17 to 21)."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from schemas.case_event import CaseEvent
from schemas.vocabulary import AgeBand, AgencyId, ConsentGrantor, EventType, Group, Role
from services.routing.age import eighteenth_birthday
from services.routing.case_state import CaseState, Consent, EventKey, EventRecord, KnownAge

CASE_ZONE: Final = ZoneInfo("America/Los_Angeles")
"""Whose date says whether the person is under 18 for a consent that another gave."""


def register_consents(
    case: CaseState, event: CaseEvent, earlier: EventRecord | None, *, superseded: bool, now: datetime
) -> tuple[CaseState, frozenset[str]]:
    """The case after what an event says of consents, and those whose holders must hear that they are revoked.

    To correct or retract a grant revokes it; nothing restores what was revoked (DOMAIN 6.0.1 points 17, 18).
    """
    root = find_root(event, earlier)
    revoked: set[str] = set()
    if earlier is not None and earlier.grants is not None and _is_open(case, earlier.grants):
        case = _revoke(case, earlier.grants, root, now=now)
        revoked.add(earlier.grants)
    said = event.data.consent
    if said is None:
        return case, frozenset(revoked)
    if event.event_type is EventType.CONSENT_REVOKED:
        case = _revoke(case, said.consent_id, root, now=now)
        known = case.find_consent(said.consent_id)
        if known is not None and known.revoked_in == root:
            revoked.add(said.consent_id)
    elif event.event_type is EventType.CONSENT_GRANTED and not superseded and _is_open(case, said.consent_id):
        case = case.with_consent(_read_grant(event))
    return case, frozenset(revoked)


def find_root(event: CaseEvent, earlier: EventRecord | None) -> EventKey:
    """The original event of the chain an event belongs to, known or not."""
    if earlier is not None:
        return earlier.root
    return EventKey(event.source, event.data.corrects or event.data.retracts or event.id)


def _is_open(case: CaseState, consent_id: str) -> bool:
    known = case.find_consent(consent_id)
    return known is None or known.revoked_at is None


def _revoke(case: CaseState, consent_id: str, root: EventKey, *, now: datetime) -> CaseState:
    """Revoked from now on; one that nobody granted yet can then never be."""
    known = case.find_consent(consent_id) or Consent(consent_id)
    if known.revoked_at is not None:
        return case
    return case.with_consent(replace(known, revoked_at=now, revoked_in=root))


def _read_grant(event: CaseEvent) -> Consent:
    said = event.data.consent
    if said is None or said.to is None:
        raise ValueError("a grant without a consent or an end")  # what parsing has refused
    return Consent(
        id=said.consent_id,
        granted_by=said.granted_by,
        recipients=frozenset(said.recipients or ()),
        groups=frozenset(said.groups or ()),
        begins_at=said.from_ or event.time,
        ends_at=said.to,
        part2=bool(said.part2),
    )


def read_known_age(event: CaseEvent) -> KnownAge | None:
    """What the event says of the age; None when it says nothing that is known."""
    data = event.data
    if data.date_of_birth is not None:
        return KnownAge(eighteenth_birthday(data.date_of_birth), minor=True)
    if data.age is None or data.age.band is AgeBand.UNKNOWN:
        return None
    return KnownAge(None, minor=data.age.band is not AgeBand.ADULT)


def find_known_age(case: CaseState) -> KnownAge | None:
    """The latest age that an event of the case told."""
    return _find_latest_age(case.events)


def find_valid_consents(
    case: CaseState, age: KnownAge | None, *, now: datetime, withdrawn: EventRecord | None = None
) -> tuple[Consent, ...]:
    """The consents that count now, judged by this age, else by the latest that is known of the case.

    One given by another counts only while the person is known to be under 18 (DOMAIN 6.0.1 point 19), and so
    ends on the birthday at the latest. What an event said that is being corrected is `withdrawn`: a
    correction replaces the whole data.
    """
    if not case.consents:
        return ()
    known = age or _find_latest_age(record for record in case.events if record is not withdrawn)
    is_minor = known is not None and known.is_minor_on(_today(now))
    return tuple(
        _end_with_minority(consent, known)
        for consent in case.consents
        if consent.revoked_at is None
        and consent.begins_at is not None
        and consent.ends_at is not None
        and consent.begins_at <= now < consent.ends_at
        and (consent.granted_by is ConsentGrantor.SELF or is_minor)
    )


def _end_with_minority(consent: Consent, known: KnownAge | None) -> Consent:
    if consent.granted_by is ConsentGrantor.SELF or known is None or known.adult_on is None:
        return consent
    birthday = datetime.combine(known.adult_on, time.min, CASE_ZONE)
    return (
        consent
        if consent.ends_at is None or consent.ends_at <= birthday
        else replace(consent, ends_at=birthday)
    )


def find_lapses(
    told: Sequence[tuple[Collection[Group], Mapping[Group, frozenset[str]]]], consents: Iterable[Consent]
) -> dict[Group, datetime]:
    """When each group that is told by consent alone may be seen no more: when the last of its consents ends.

    `told` are, for each rule, its groups and of those that needed a consent the ids of which any sufficed.
    """
    if not any(needed for _, needed in told):
        return {}
    ends = {consent.id: consent.ends_at for consent in consents}
    free = {group for groups, needed in told for group in groups if group not in needed}
    lapses: dict[Group, datetime] = {}
    for group, ids in [item for _, needed in told for item in needed.items() if item[0] not in free]:
        known = [end for end in (lapses.get(group), *map(ends.get, ids)) if end is not None]
        lapses[group] = max(known)
    return lapses


def _find_latest_age(records: Iterable[EventRecord]) -> KnownAge | None:
    ages = [record.age for record in records if record.age is not None]
    return ages[-1] if ages else None


def _today(now: datetime) -> date:
    return now.astimezone(CASE_ZONE).date()


def find_holders(case: CaseState, revoked: frozenset[str]) -> Iterator[tuple[AgencyId, Role]]:
    """Who once saw something that, of these and all consents revoked before, one was needed for (point 21).

    The role is the one an agency was last told under.
    """
    gone = revoked | {consent.id for consent in case.consents if consent.revoked_at is not None}
    found: Mapping[AgencyId, Role] = {
        reliance.agency: reliance.role
        for reliance in case.reliances
        if reliance.consents <= gone and not reliance.consents.isdisjoint(revoked)
    }
    yield from sorted(found.items())
