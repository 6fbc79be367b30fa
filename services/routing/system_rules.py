"""The rules that every task force has, whatever its packs say (DOMAIN 6.0, system rules)."""

from typing import Final

from schemas.pack import RoleRecipient, Rule, Urgencies
from schemas.vocabulary import Basis, ConsentMode, EventType, Group, Role, Urgency
from services.routing.rules import PackSet, ReadyRule, make_ready

SYSTEM: Final = "system"
"""Stands for the pack of a system rule in the ledger; rows name no pack for it."""

SYSTEM_TIMES: Final = Urgencies()
"""How soon what belongs to no pack is to be acknowledged."""

CONFLICT_RULE: Final = make_ready(
    Rule(
        id="S-01",
        title="A conflict of interest reaches those who can prosecute it",
        on=[EventType.CASE_CONFLICT_DECLARED],
        notify=[RoleRecipient(role=Role.PROSECUTOR), RoleRecipient(role=Role.FBI)],
        urgency=Urgency.URGENT,
        basis=Basis.MANDATED,
        consent=ConsentMode.NONE,
        disclose=[Group.SUSPECT],
        authority=["task force agreement"],
    ),
    SYSTEM,
    {urgency: SYSTEM_TIMES.time_for(urgency) for urgency in Urgency},
)
"""S-01 fires on every event that names an agency of the directory as conflicted (DOMAIN 6.0.1 point 12)."""


def find_rule(packs: PackSet, label: str, rule_id: str) -> ReadyRule | None:
    """The rule of a decided row, by the version that decided; None when that is no longer loaded."""
    if label == SYSTEM:
        return CONFLICT_RULE if rule_id == CONFLICT_RULE.id else None
    return packs.find_rule(label, rule_id)
