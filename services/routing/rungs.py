"""What each rung of one alert comes to: its backup contact, the coordinators, the alternate role.

A rung uses the facts, rules and pack version of the original decision. Consent, conflict, agreement and
status are judged anew, and no rung shows a group that the original row did not have from the same rule
(DOMAIN 6.0.1 points 23 and 24).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from schemas.alert import RungTo
from schemas.vocabulary import IDENTIFYING_GROUPS, AgencyId, CountyFips, Group, Role
from schemas.vocabulary import Rung as ContactRung
from services.routing.case_state import EventRecord, KeptDuty, SentRow, Share, row_key
from services.routing.consents import find_lapses
from services.routing.decision import AgencyVerdict, Member, PlannedAlert, PlannedDuty, Verdict
from services.routing.disclosure import disclose
from services.routing.duties import NOTIFY_VICTIM
from services.routing.recipients import find_obstacle
from services.routing.rows import find_basis
from services.routing.rules import PackSet, ReadyRule
from services.routing.situation import Circumstances
from services.routing.system_rules import find_rule

BACKUP_RUNG: Final = 1
ALTERNATE_RUNG: Final = 3

NONE: Final[frozenset[Group]] = frozenset()


class Rung(NamedTuple):
    """One row of a rung, what its recipient sees by each rule, and what each rule contributes."""

    row: PlannedAlert
    verdicts: tuple[AgencyVerdict, ...] = ()
    shares: tuple[Share, ...] = ()


class _Part(NamedTuple):
    """One rule of a rung for one agency."""

    rule: ReadyRule
    role: Role
    told: AgencyVerdict
    county: CountyFips | None

    @property
    def share(self) -> Share:
        return Share(self.rule.id, self.rule.pack, self.role, self.county, self.told.disclosed)


class Rungs:
    """The rungs of one row that nobody acknowledged, as things stand at one instant."""

    def __init__(self, record: EventRecord, row: SentRow, around: Circumstances, packs: PackSet) -> None:
        self._record = record
        self._row = row
        self._around = around
        self._packs = packs

    @property
    def has_coordinators(self) -> bool:
        """Whether there is anybody for the rungs that tell the coordinator."""
        return bool(self._coordinators())

    def plan(self, number: int) -> Iterator[Rung]:
        """The rows of a rung; none when nobody is left who may be told."""
        if number == BACKUP_RUNG:
            yield from self._plan_backup()
        elif number == ALTERNATE_RUNG:
            yield from self._plan_alternates()
        else:
            for member in self._coordinators():
                yield self._rung(number, member, Role.TF_COORDINATOR, (), ())

    def plan_again(self, number: int) -> Iterator[Rung]:
        """After the last rung: the agency itself, as it may be told now, and the coordinators."""
        restated = self.restate(number)
        if restated is not None:
            yield restated
        for member in self._coordinators():
            yield self._rung(number, member, Role.TF_COORDINATOR, (), ())

    def restate(self, escalation: int) -> Rung | None:
        """The row, or its rung to the same agency, as it may be told now; None when it may not be."""
        row = self._row
        member = self._around.directory.find_member(row.agency)
        judged = () if member is None else (self._judge(share, share.role, member) for share in row.shares)
        parts = [part for part in judged if part is not None]
        if member is None or not parts:
            return None
        rules = {part.rule.id for part in parts}
        duties = [duty for duty in row.duties if duty.rule in rules]
        return self._rung(escalation, member, row.role, parts, duties)

    def _plan_backup(self) -> Iterator[Rung]:
        """The same agency, with the same groups and duties as far as they still hold."""
        row = self._row
        member = self._around.directory.find_member(row.agency)
        if member is None or not _has_backup(member):
            return
        parts = [part for share in row.shares if (part := self._judge(share, share.role, member)) is not None]
        rules = {part.rule.id for part in parts}
        if parts or (row.reason is not None and self._may_still_hear(member)):
            duties = [duty for duty in row.duties if duty.rule in rules]
            yield self._rung(BACKUP_RUNG, member, row.role, parts, duties)

    def _may_still_hear(self, member: Member) -> bool:
        """A coordinator's row needs no rule and no agreement."""
        return not member.offboarded and member.id not in self._around.conflicts

    def _plan_alternates(self) -> Iterator[Rung]:
        """Every eligible holder of an alternate role not yet alerted, by the rules that name that role."""
        parts: dict[AgencyId, list[_Part]] = {}
        members: dict[AgencyId, Member] = {}
        alerted = self._alerted()
        for share in self._row.shares:
            for role in self._alternate_roles(share):
                for member in self._around.directory.holders(role, share.county or self._around.county):
                    part = None if member.id in alerted else self._judge(share, role, member)
                    if part is not None:
                        members[member.id] = member
                        parts.setdefault(member.id, []).append(part)
        for agency, own in sorted(parts.items()):
            first = min(own, key=lambda part: part.rule.rank)
            duties = list(self._alternate_duties(own, agency))
            yield self._rung(ALTERNATE_RUNG, members[agency], first.role, own, duties)

    def _alternate_roles(self, share: Share) -> Iterator[Role]:
        rule = find_rule(self._packs, share.pack, share.rule)
        for target in rule.targets if rule else ():
            if target.alternate is not None and share.role in {target.role, target.alternate}:
                yield target.alternate

    def _alternate_duties(self, parts: Sequence[_Part], agency: AgencyId) -> Iterator[KeptDuty]:
        """Those of its rules, its own where the recipient holds them."""
        of_rule = {part.rule.id: part for part in parts}
        for duty in self._row.duties:
            part = of_rule.get(duty.rule)
            if part is None:
                continue
            if duty.what == NOTIFY_VICTIM and part.told.disclosed.isdisjoint(IDENTIFYING_GROUPS):
                continue
            specs = [spec for spec in part.rule.duties if spec.what == duty.what]
            is_recipients = any(spec.holder == "recipient" for spec in specs)
            yield replace(duty, holder=agency) if is_recipients else duty

    def _alerted(self) -> set[AgencyId]:
        """Agencies that the event told something of the case already."""
        rows = [row for row in self._record.rows if row.event_id == self._row.event_id]
        return {row.agency for row in rows if row.reason is None}

    def _judge(self, share: Share, role: Role, member: Member) -> _Part | None:
        """A rule of the original for one agency as things stand; None when it may not be told by it."""
        rule = find_rule(self._packs, share.pack, share.rule)
        if rule is None or find_obstacle(member, self._around, mandated=rule.mandated) is not None:
            return None
        disclosure = disclose(rule, role, member, self._around)
        if disclosure is None:
            return None
        groups = disclosure.groups & share.groups
        consents = {group: ids for group, ids in disclosure.consents.items() if group in groups}
        told = AgencyVerdict(member.id, Verdict.ALERTED, groups, {}, role, consents)
        return _Part(rule, role, told, share.county)

    def _coordinators(self) -> tuple[Member, ...]:
        return self._around.directory.coordinators(self._record.county, excluding=self._around.conflicts)

    def _rung(
        self, number: int, member: Member, role: Role, parts: Sequence[_Part], duties: Iterable[KeptDuty]
    ) -> Rung:
        row, record = self._row, self._record
        disclosed: frozenset[Group] = frozenset().union(*(part.told.disclosed for part in parts))
        contact = ContactRung.BACKUP if number == BACKUP_RUNG else ContactRung.PRIMARY
        # A row without a rule tells a coordinator, which needs no agreement.
        mandated, by_agreement = (
            find_basis((part.rule.mandated, part.told.disclosed) for part in parts) if parts else (True, NONE)
        )
        planned = PlannedAlert(
            agency=member.id,
            role=role,
            contact=None if member.external else contact,
            kind=row.kind,
            rules=tuple(sorted({part.rule.id for part in parts})) or row.rules,
            packs=row.packs,
            urgency=row.urgency,
            acknowledge_by=self._around.now + (row.acknowledge_by - row.at),
            reason=row.reason,
            disclosed=disclosed,
            withheld=record.present - disclosed,
            duties=tuple(_plan_duty(duty) for duty in duties),
            emitter_role=record.emitter_role,
            county=record.county,
            exercise=record.exercise,
            escalation=number,
            until=find_lapses(
                [(part.told.disclosed, part.told.consents) for part in parts], self._around.consents
            ),
            replaces=row_key(record, row),
            mandated=mandated,
            by_agreement=by_agreement,
        )
        return Rung(planned, tuple(part.told for part in parts), tuple(part.share for part in parts))


def find_addressee(rung: PlannedAlert) -> RungTo:
    """Whom a rung tells. A row to the coordinator is told again to its backup, as every other."""
    if rung.escalation == ALTERNATE_RUNG:
        return RungTo.ALTERNATE
    if rung.escalation == BACKUP_RUNG or rung.role is not Role.TF_COORDINATOR:
        return RungTo.AGENCY
    return RungTo.COORDINATOR


def _has_backup(member: Member) -> bool:
    """An agency without a backup contact skips rung 1 (DESIGN 7)."""
    return any(contact.rung is ContactRung.BACKUP for contact in member.profile.contacts)


def _plan_duty(duty: KeptDuty) -> PlannedDuty:
    return PlannedDuty(duty.rule, duty.holder, duty.what, duty.due, duty.authority, duty.mandated)
