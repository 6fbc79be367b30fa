"""What a decision is made of and what it concludes: values only, no I/O, no clock."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from schemas.case_event import FieldError
from schemas.directory import AgencyProfile, AgencyRecord
from schemas.vocabulary import (
    NON_GOVERNMENT_ROLES,
    AgencyId,
    AgencyStatus,
    AlertKind,
    Confidentiality,
    CountyFips,
    Group,
    Outcome,
    Reason,
    Role,
    Rung,
    Urgency,
)
from services.routing.case_state import RULES, CaseState, RowKey
from services.routing.facts import FactSheet

_UNKNOWN_CASE: Final = CaseState.empty()


class Verdict(StrEnum):
    """What became of one rule, for one role in one county, or of one agency under it."""

    NOT_MATCHED = "not_matched"
    ALERTED = "alerted"
    ALTERNATE_ALERTED = "alternate_alerted"
    EXTERNAL = "external"
    SELF = "self"
    CONFLICT = "conflict"
    OFFBOARDED = "offboarded"
    AGREEMENT_EXPIRED = "agreement_expired"
    NO_AGENCY = "no_agency"
    CONSENT_REQUIRED = "consent_required"
    NOBODY_HELD = "nobody_held"


class Gate(StrEnum):
    """Which filter took a group of the rule's lists away from one agency (DOMAIN 6.0 steps 7 to 9)."""

    EMITTER_CONSENT = "emitter_consent"
    RULE_CONSENT = "rule_consent"
    ROLE = "role"
    PRIVILEGED = "privileged"
    SUBSTANCE_USE = "substance_use"
    SAFE_AT_HOME = "safe_at_home"


@dataclass(frozen=True, slots=True)
class PlannedDuty:
    """One statutory clock: no `holder` when nobody can hold it, no `due` where the law names no hour.

    `needs_review` when the event it came from was withdrawn: somebody must say whether it still binds.
    """

    rule: str
    holder: AgencyId | None
    what: str
    due: datetime | None
    authority: tuple[str, ...]
    mandated: bool = False
    needs_review: bool = False


@dataclass(frozen=True, slots=True)
class PlannedAlert:
    """One row: what one agency is told about one event. Unique in a decision by (`agency`, `cause`).

    `contact` is None exactly for external rows, which are never sent. `rules` are sorted. `disclosed` is
    empty on system rows; for a quarantined event so is `withheld`. `replaces` is the row that an update or a
    cancel is about.
    """

    agency: AgencyId
    role: Role
    contact: Rung | None
    kind: AlertKind
    rules: tuple[str, ...]
    packs: tuple[str, ...]
    urgency: Urgency
    acknowledge_by: datetime
    reason: Reason | None
    disclosed: frozenset[Group]
    withheld: frozenset[Group]
    duties: tuple[PlannedDuty, ...]
    emitter_role: Role | None
    county: CountyFips | None
    exercise: bool
    escalation: int = 0
    replaces: RowKey | None = None
    mandated: bool = True
    """Whether any of its rules is ordered by law."""
    in_earnest: bool = False
    """It takes the place of what was no exercise: whoever got that must hear of it."""
    until: Mapping[Group, datetime] = field(default_factory=dict)
    """When a group that is disclosed by consent alone may be seen no more: the last of its consents ends."""
    by_agreement: frozenset[Group] = frozenset()
    """Of a mandated row the groups that no law orders: not for an agency whose agreement ended."""

    @property
    def external(self) -> bool:
        """Whether the row is for a body that Tocsin never contacts."""
        return self.contact is None

    @property
    def cause(self) -> str:
        """`rules`, or the problem a row of the system rules tells of: part of an alert's identity."""
        return RULES if self.reason is None else self.reason_cause

    @property
    def reason_cause(self) -> str:
        """The system rule of the row, or `QUARANTINED`."""
        return self.rules[0] if self.rules else Reason.QUARANTINED.value


@dataclass(frozen=True, slots=True)
class PlannedNotice:
    """A duty notice: to a holder whose duties are on no alert of its own. One per event and holder."""

    agency: AgencyId
    duties: tuple[PlannedDuty, ...]
    urgency: Urgency
    acknowledge_by: datetime
    exercise: bool = False


@dataclass(frozen=True, slots=True)
class AgencyVerdict:
    """What became of one holder of the role; `removed` names the gate that took each group away.

    `role` when it is another than the rule's own (the alternate's, or of old). `consents` are those of which
    one had to cover a disclosed group.
    """

    agency: AgencyId
    verdict: Verdict
    disclosed: frozenset[Group] = frozenset()
    removed: Mapping[Group, Gate] = field(default_factory=dict)
    role: Role | None = None
    consents: Mapping[Group, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleConsidered:
    """One candidate rule; matched rules once per role and county."""

    rule: str
    pack: str
    verdict: Verdict
    role: Role | None = None
    county: CountyFips | None = None
    agencies: tuple[AgencyVerdict, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What routing concluded from one event, by these packs with these contents (SHA-256) and by these facts.

    `duties` are all duties it created, each once, those that nobody holds included. `conflicts` are the
    agencies this event names as conflicted: they belong into the case's state. `undeliverable` says what no
    coordinator could be told of because the directory has none: a dead letter, which alarms. `case` is what
    the case knows of consents and conflicts after the event; `history.remember` adds what it told. `reviews`
    are mandated duties of a corrected or retracted event that its new evaluation does not create.
    """

    outcome: Outcome
    alerts: tuple[PlannedAlert, ...] = ()
    notices: tuple[PlannedNotice, ...] = ()
    considered: tuple[RuleConsidered, ...] = ()
    packs: tuple[str, ...] = ()
    pack_hashes: tuple[str, ...] = ()
    sheets: tuple[FactSheet, ...] = ()
    duties: tuple[PlannedDuty, ...] = ()
    errors: tuple[FieldError, ...] = ()
    conflicts: frozenset[AgencyId] = frozenset()
    undeliverable: Reason | None = None
    case: CaseState = _UNKNOWN_CASE
    reviews: tuple[PlannedDuty, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """An agency with what decisions ask of it worked out once per directory version.

    `role_facts` are its roles as conditions read them; nobody changes the list.
    """

    id: AgencyId
    profile: AgencyProfile
    roles: tuple[Role, ...]
    gate: Confidentiality
    external: bool
    offboarded: bool
    government: bool
    agreement_until: datetime | None
    nationwide: bool
    counties: frozenset[str]
    role_facts: list[str]
    endpoint_ids: frozenset[str] = frozenset()

    def has_path_beside(self, endpoint_id: str) -> bool:
        """Whether it is told anything otherwise than by this endpoint."""
        return bool(self.profile.contacts) or not self.endpoint_ids <= {endpoint_id}

    def has_agreement_at(self, now: datetime) -> bool:
        """Whether it may be told what no law orders (DOMAIN 6.0.1 point 7)."""
        return self.external or (self.agreement_until is not None and now <= self.agreement_until)

    @classmethod
    def of(cls, profile: AgencyProfile) -> "Member":
        """Read a profile."""
        until = profile.agreement_until
        return cls(
            id=profile.id,
            profile=profile,
            roles=tuple(profile.roles),
            gate=profile.gate,
            external=profile.external,
            offboarded=profile.status is AgencyStatus.OFFBOARDED,
            government=any(role not in NON_GOVERNMENT_ROLES for role in profile.roles),
            agreement_until=until and until.astimezone(UTC),
            nationwide=profile.counties == "*",
            counties=frozenset() if profile.counties == "*" else frozenset(profile.counties),
            role_facts=[role.value for role in profile.roles],
            endpoint_ids=_find_endpoints(profile),
        )


def _find_endpoints(profile: AgencyProfile) -> frozenset[str]:
    """None is known of a profile that was not applied, as in a simulation."""
    endpoints = profile.endpoints if isinstance(profile, AgencyRecord) else []
    return frozenset(endpoint.endpoint_id for endpoint in endpoints)


def _holders_by_role(members: Iterable[Member]) -> dict[Role, tuple[Member, ...]]:
    by_role: defaultdict[Role, list[Member]] = defaultdict(list)
    for member in sorted(members, key=lambda member: member.id):
        for role in dict.fromkeys(member.roles):
            by_role[role].append(member)
    return {role: tuple(holders) for role, holders in by_role.items()}


class Directory:
    """One version of the directory, indexed by role and county. Offboarded agencies are in it."""

    def __init__(self, agencies: Sequence[AgencyProfile], *, version: int = 1) -> None:
        self.version = version
        self._members: Final = {profile.id: Member.of(profile) for profile in agencies}
        self._by_role: Final = _holders_by_role(self._members.values())
        counties = {c for m in self._members.values() for c in m.counties}
        self._holders: Final = {
            (role, county): tuple(m for m in members if m.nationwide or county in m.counties)
            for role, members in self._by_role.items()
            for county in counties
        }
        self._nationwide: Final = {
            role: tuple(m for m in members if m.nationwide) for role, members in self._by_role.items()
        }

    def find(self, agency_id: AgencyId) -> AgencyProfile | None:
        """The agency's profile, or None."""
        member = self._members.get(agency_id)
        return member.profile if member else None

    def find_member(self, agency_id: AgencyId) -> Member | None:
        """The agency as decisions see it, or None."""
        return self._members.get(agency_id)

    def list_lapsed(self, now: datetime) -> list[AgencyId]:
        """Members that left, or with which there is no agreement now (DOMAIN 6.0 step 5)."""
        return sorted(
            member.id
            for member in self._members.values()
            if not member.external and (member.offboarded or not member.has_agreement_at(now))
        )

    def holders(self, role: Role, county: CountyFips) -> tuple[Member, ...]:
        """Every agency with the role in the county, whatever its standing, by id."""
        found = self._holders.get((role, county))
        return self._nationwide.get(role, ()) if found is None else found

    def coordinators(
        self, county: CountyFips | None, *, excluding: Collection[AgencyId] = ()
    ) -> tuple[Member, ...]:
        """Who is told of problems: the county's coordinators, else every other one (DOMAIN 6.0.1 point 5)."""
        everywhere = [
            m
            for m in self._by_role.get(Role.TF_COORDINATOR, ())
            if not (m.offboarded or m.external or m.id in excluding)
        ]
        here = tuple(m for m in everywhere if m.nationwide or county in m.counties)
        return here or tuple(everywhere)
