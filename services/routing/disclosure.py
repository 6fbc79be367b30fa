"""Which groups of a rule reach one recipient: consent of strict emitters, the rule's mode, class gates."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from schemas.vocabulary import IDENTIFYING_GROUPS, Confidentiality, ConsentMode, Group, Role
from services.routing.decision import Gate
from services.routing.rules import ReadyRule

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

_CLOSED_TO: Final = {
    role: MappingProxyType(
        {group: Gate.ROLE for group, roles in OPEN_TO.items() if role not in roles}
        | {Group.PRIVILEGED: Gate.PRIVILEGED, Group.SUBSTANCE_USE: Gate.SUBSTANCE_USE}
    )
    for role in Role
}
_NOTHING_REMOVED: Final[Mapping[Group, Gate]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What one recipient may see under one rule, and which gate took each other group of its lists."""

    groups: frozenset[Group]
    removed: Mapping[Group, Gate]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What of an event the gates depend on."""

    present: frozenset[Group]
    emitter_gate: Confidentiality
    safe_at_home: bool


def disclose(rule: ReadyRule, role: Role, circumstances: Circumstances) -> Disclosure | None:
    """The groups that reach a recipient told under this role; None if consent is missing for telling at all.

    There are no consents yet: what would need one is not disclosed. Steps 7, 8 and 9 of DOMAIN 6.0 are each a
    filter, and a group must pass all.
    """
    if _needs_consent(rule, circumstances.emitter_gate):
        return None
    removed = _find_removed(rule, role, circumstances)
    return Disclosure((rule.disclose & circumstances.present) - removed.keys(), removed)


def _needs_consent(rule: ReadyRule, emitter_gate: Confidentiality) -> bool:
    return rule.mode is ConsentMode.REQUIRED or (emitter_gate is Confidentiality.STRICT and not rule.mandated)


def _find_removed(rule: ReadyRule, role: Role, circumstances: Circumstances) -> Mapping[Group, Gate]:
    """Every present group of the rule's lists that does not pass, with the first gate that stops it."""
    listed = (rule.disclose | rule.disclose_with_consent) & circumstances.present
    closed = _CLOSED_TO[role]
    removed = {group: closed[group] for group in listed & closed.keys()}
    if circumstances.safe_at_home and Group.LOCATION in listed:
        removed[Group.LOCATION] = Gate.SAFE_AT_HOME
    if rule.disclose_with_consent:
        removed |= dict.fromkeys(listed & rule.disclose_with_consent, Gate.RULE_CONSENT)
    if circumstances.emitter_gate is Confidentiality.MEDICAL and not rule.mandated:
        removed |= dict.fromkeys(listed & IDENTIFYING_GROUPS, Gate.EMITTER_CONSENT)
    return removed or _NOTHING_REMOVED
