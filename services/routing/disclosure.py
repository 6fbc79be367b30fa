"""Which groups of a rule reach one recipient: consent of strict emitters, the rule's mode, class gates."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from schemas.vocabulary import IDENTIFYING_GROUPS, Confidentiality, ConsentMode, Group, Role
from services.routing.case_state import Consent
from services.routing.decision import Gate, Member
from services.routing.rules import ReadyRule
from services.routing.situation import Circumstances

JUSTICE_ROLES: Final = frozenset(
    {
        Role.LEA_LEAD,
        Role.LEA_LOCAL,
        Role.PROSECUTOR,
        Role.PROBATION,
        Role.HSI,
        Role.FBI,
        Role.FED_PROSECUTOR,
    }
)
_IMMIGRATION_ROLES: Final = frozenset({Role.IMMIGRATION_LEGAL, Role.HHS_OTIP, Role.HHS_ORR})

OPEN_TO: Final[Mapping[Group, frozenset[Role]]] = {
    Group.CRIMINAL_JUSTICE: JUSTICE_ROLES,
    Group.INTELLIGENCE: JUSTICE_ROLES - {Role.PROBATION},
    Group.IMMIGRATION: _IMMIGRATION_ROLES,
    Group.CITIZENSHIP: _IMMIGRATION_ROLES,
    Group.MEDICAL: frozenset({Role.SART_HOSPITAL, Role.CHILD_WELFARE}),
}
"""Groups that only some roles may see without a consent (DOMAIN 6.0 step 9)."""

_GATE_OF: Final = {Group.PRIVILEGED: Gate.PRIVILEGED, Group.SUBSTANCE_USE: Gate.SUBSTANCE_USE}
_CLOSED_TO: Final = {
    role: frozenset(_GATE_OF).union(group for group, roles in OPEN_TO.items() if role not in roles)
    for role in Role
}


_OPENED_BY_CONSENT: Final = frozenset(
    {Group.SUBSTANCE_USE, Group.IMMIGRATION, Group.CITIZENSHIP, Group.MEDICAL}
)
"""Groups closed to a role that a consent naming the recipient opens (DOMAIN 6.0 step 9)."""

NO_CONSENTS: Final[Mapping[Group, frozenset[str]]] = {}


class Disclosure(NamedTuple):
    """What one recipient may see under one rule, and which gate took each other group of its lists.

    `consents` are, for each group that needed one, those of which any sufficed.
    """

    groups: frozenset[Group]
    removed: Mapping[Group, Gate]
    consents: Mapping[Group, frozenset[str]] = NO_CONSENTS


def disclose(rule: ReadyRule, role: Role, member: Member, around: Circumstances) -> Disclosure | None:
    """The groups that reach a recipient told under this role; None if consent is missing for telling at all.

    Steps 7, 8 and 9 of DOMAIN 6.0 are each a filter, and a group must pass all (6.0.1 points 11, 18 and 20).
    """
    if not around.consents or not (naming := [c for c in around.consents if _names(c, member)]):
        if rule.mode is ConsentMode.REQUIRED or _is_strict(rule, around):
            return None
        removed = _find_removed(rule, role, around)
        return Disclosure((rule.disclose & around.present).difference(removed), removed)
    if rule.mode is ConsentMode.REQUIRED and rule.listed.isdisjoint(_listed_by(naming)):
        return None
    return _disclose_by_consent(rule, role, around, naming)


def _names(consent: Consent, member: Member) -> bool:
    """By its id or by any of its roles."""
    return member.id in consent.recipients or not consent.recipients.isdisjoint(member.roles)


def _listed_by(consents: Sequence[Consent]) -> frozenset[Group]:
    return frozenset().union(*(consent.groups for consent in consents))


def _is_strict(rule: ReadyRule, around: Circumstances) -> bool:
    """Whether the emitter's secrecy needs a consent for telling at all (DOMAIN 6.0 step 7)."""
    return around.gate is Confidentiality.STRICT and not rule.mandated


def _disclose_by_consent(
    rule: ReadyRule, role: Role, around: Circumstances, naming: Sequence[Consent]
) -> Disclosure:
    """What consents that name the recipient let through, of both lists of the rule."""
    stopped = _find_removed(rule, role, around)
    offered = rule.disclose if rule.mode is ConsentMode.NONE else rule.listed
    removed: dict[Group, Gate] = {}
    consents: dict[Group, frozenset[str]] = {}
    if _is_strict(rule, around):
        consents = dict.fromkeys(offered & around.present, frozenset(consent.id for consent in naming))
    for group, gate in stopped.items():
        covering = frozenset(consent.id for consent in naming if _covers(consent, group))
        if covering and group in offered and _may_open(group, role, around):
            consents[group] = covering
        else:
            removed[group] = gate
    groups = (offered & around.present).difference(removed)
    return Disclosure(groups, removed, {g: c for g, c in consents.items() if g in groups})


def _covers(consent: Consent, group: Group) -> bool:
    """A consent for substance-use treatment must say that it is one (42 CFR Part 2)."""
    return group in consent.groups and (consent.part2 or group is not Group.SUBSTANCE_USE)


def _may_open(group: Group, role: Role, around: Circumstances) -> bool:
    """Whether consent can open every gate that stops the group: some open to nobody."""
    if group is Group.LOCATION and around.safe_at_home:
        return False
    return group not in _CLOSED_TO[role] or group in _OPENED_BY_CONSENT


def _find_removed(rule: ReadyRule, role: Role, around: Circumstances) -> Mapping[Group, Gate]:
    """Every present group of the rule's lists that needs a consent or never passes, with the gate."""
    listed = rule.listed & around.present
    removed = {group: _GATE_OF.get(group, Gate.ROLE) for group in listed & _CLOSED_TO[role]}
    if around.safe_at_home and Group.LOCATION in listed:
        removed[Group.LOCATION] = Gate.SAFE_AT_HOME
    if rule.disclose_with_consent:
        removed |= dict.fromkeys(listed & rule.disclose_with_consent, Gate.RULE_CONSENT)
    if rule.mode is ConsentMode.REQUIRED:
        removed |= dict.fromkeys(listed - removed.keys(), Gate.RULE_CONSENT)
    if around.gate is not Confidentiality.STANDARD and not rule.mandated:
        removed |= dict.fromkeys(listed & IDENTIFYING_GROUPS, Gate.EMITTER_CONSENT)
    return removed
