"""Which groups of a rule reach one recipient: consent of strict emitters, the rule's mode, class gates."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from schemas.vocabulary import IDENTIFYING_GROUPS, Confidentiality, ConsentMode, Group, Role
from services.routing.decision import Gate
from services.routing.rules import ReadyRule
from services.routing.situation import Situation

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
"""Groups that only some roles may ever see without a consent (DOMAIN 6.0 step 9)."""

_GATE_OF: Final = {Group.PRIVILEGED: Gate.PRIVILEGED, Group.SUBSTANCE_USE: Gate.SUBSTANCE_USE}
_CLOSED_TO: Final = {
    role: frozenset(_GATE_OF).union(group for group, roles in OPEN_TO.items() if role not in roles)
    for role in Role
}


class Disclosure(NamedTuple):
    """What one recipient may see under one rule, and which gate took each other group of its lists."""

    groups: frozenset[Group]
    removed: Mapping[Group, Gate]


def disclose(rule: ReadyRule, role: Role, situation: Situation) -> Disclosure | None:
    """The groups that reach a recipient told under this role; None if consent is missing for telling at all.

    There are no consents yet: what would need one is not disclosed. Steps 7, 8 and 9 of DOMAIN 6.0 are each a
    filter, and a group must pass all.
    """
    gate = situation.emitter.gate
    if rule.mode is ConsentMode.REQUIRED or (gate is Confidentiality.STRICT and not rule.mandated):
        return None
    removed = _find_removed(rule, role, situation)
    return Disclosure((rule.disclose & situation.present).difference(removed), removed)


def _find_removed(rule: ReadyRule, role: Role, situation: Situation) -> Mapping[Group, Gate]:
    """Every present group of the rule's lists that does not pass, with the first gate that stops it."""
    listed = rule.listed & situation.present
    removed = {group: _GATE_OF.get(group, Gate.ROLE) for group in listed & _CLOSED_TO[role]}
    if situation.safe_at_home and Group.LOCATION in listed:
        removed[Group.LOCATION] = Gate.SAFE_AT_HOME
    if rule.disclose_with_consent:
        removed |= dict.fromkeys(listed & rule.disclose_with_consent, Gate.RULE_CONSENT)
    if situation.emitter.gate is Confidentiality.MEDICAL and not rule.mandated:
        removed |= dict.fromkeys(listed & IDENTIFYING_GROUPS, Gate.EMITTER_CONSENT)
    return removed
