"""Groups that a rule lists and a class gate keeps from the role it tells (DOMAIN 6.0 step 9)."""

from collections.abc import Iterator, Sequence
from typing import Final

from schemas.pack import ProtocolPack, RoleRecipient, Rule
from schemas.vocabulary import Group, Role
from services.routing.disclosure import OPEN_TO
from services.routing.pack_file import Finding, PackDocument, Path

_BY_CONSENT: Final = frozenset({Group.IMMIGRATION, Group.CITIZENSHIP, Group.MEDICAL, Group.SUBSTANCE_USE})
"""Groups whose gate a consent that names the recipient opens; to all others the gate stays shut."""


def find_closed_groups(document: PackDocument, pack: ProtocolPack) -> Iterator[Finding]:
    """Groups that are listed in vain, or that reach the role only by a consent the rule does not speak of."""
    for index, rule in enumerate(pack.rules):
        roles = [to.role for to in rule.notify if isinstance(to, RoleRecipient)]
        for key, groups in (
            ("disclose", rule.disclose),
            ("disclose_with_consent", rule.disclose_with_consent),
        ):
            for place, group in enumerate(groups):
                path: Path = ("rules", index, key, place)
                message = _judge(group, roles, rule, with_consent=key == "disclose_with_consent")
                if message is not None:
                    yield Finding(path, document.place_of(path), message)


def _judge(group: Group, roles: Sequence[Role], rule: Rule, *, with_consent: bool) -> str | None:
    if group is Group.PRIVILEGED:
        return "`privileged` is never disclosed to anybody"
    shut = [role.value for role in roles if not _is_open(group, role)]
    if not shut:
        return None
    if group not in _BY_CONSENT:
        return f"`{group}` is never disclosed to {', '.join(shut)}"
    if with_consent:
        return None
    hint = "" if group in rule.disclose_with_consent else "; list it under `disclose_with_consent`"
    return f"`{group}` reaches {', '.join(shut)} only under a consent that names the recipient{hint}"


def _is_open(group: Group, role: Role) -> bool:
    return group is not Group.SUBSTANCE_USE and role in OPEN_TO.get(group, (role,))
