"""Roles that a rule tells and nobody holds, by a directory."""

from collections.abc import Iterator, Sequence
from typing import Final

from schemas.directory import AgencyProfile
from schemas.pack import ProtocolPack, RoleRecipient
from schemas.vocabulary import AgencyStatus, CountyFips, Role
from services.routing.pack_file import Finding, PackDocument, Path

_MOST_COUNTIES: Final = 5


class _Holders:
    """Who holds what where, each question answered once."""

    def __init__(self, agencies: Sequence[AgencyProfile]) -> None:
        self._agencies = [agency for agency in agencies if agency.status is AgencyStatus.ACTIVE]
        self.counties = sorted({c for a in self._agencies if a.counties != "*" for c in a.counties})
        self._unheld: dict[tuple[Role, tuple[CountyFips, ...]], list[CountyFips]] = {}

    def list_unheld(self, role: Role, counties: tuple[CountyFips, ...]) -> list[CountyFips]:
        """The counties in which nobody holds the role."""
        key = role, counties
        if key not in self._unheld:
            holders = [agency for agency in self._agencies if role in agency.roles]
            self._unheld[key] = [c for c in counties if not any(a.serves(c) for a in holders)]
        return self._unheld[key]


def find_unheld_roles(
    document: PackDocument, pack: ProtocolPack, agencies: Sequence[AgencyProfile], *, directory: str
) -> Iterator[Finding]:
    """Roles to be told that nobody holds in a county the pack applies in: the coordinator is told instead."""
    holders = _Holders(agencies)
    own = tuple(pack.applies_in or holders.counties)
    for index, rule in enumerate(pack.rules):
        for number, recipient in enumerate(rule.notify):
            if not isinstance(recipient, RoleRecipient):
                continue
            path: Path = ("rules", index, "notify", number, "role")
            message = _judge(recipient, own, holders)
            if message is not None:
                yield Finding(path, document.place_of(path), f"{message} (by {directory})")


def _judge(recipient: RoleRecipient, own: tuple[CountyFips, ...], holders: _Holders) -> str | None:
    if recipient.in_ == "destinations":
        # Which counties an event will name is not known; a role that nobody holds anywhere is.
        everywhere = tuple(holders.counties)
        if len(holders.list_unheld(recipient.role, everywhere)) < len(everywhere):
            return None
        return f"nobody holds {recipient.role} anywhere"
    unheld = tuple(holders.list_unheld(recipient.role, own))
    if not unheld:
        return None
    message = f"nobody holds {recipient.role} in {_name(unheld)}"
    if recipient.alternate is None:
        return message
    neither = tuple(holders.list_unheld(recipient.alternate, unheld))
    if not neither:
        return f"{message}: {recipient.alternate} is told in its place"
    return f"{message}, nor its alternate {recipient.alternate} in {_name(neither)}"


def _name(counties: Sequence[CountyFips]) -> str:
    shown = ", ".join(counties[:_MOST_COUNTIES])
    more = len(counties) - _MOST_COUNTIES
    return f"{shown} and {more} more" if more > 0 else shown
