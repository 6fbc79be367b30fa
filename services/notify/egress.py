"""Which addresses may be dialled: the public internet, and the networks that the operator allows."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# Public by their numbers and yet not the internet: forms of IPv6 that hide an IPv4 address (6to4, Teredo,
# NAT64), and addresses at which networks and clouds answer their own machines.
_HIDING: Final[tuple[Network, ...]] = (
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("2001::/32"),
    ipaddress.ip_network("64:ff9b::/96"),
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("::ffff:0:0/96"),
    ipaddress.ip_network("::ffff:0:0:0/96"),
    ipaddress.ip_network("::/96"),
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("192.88.99.0/24"),
    ipaddress.ip_network("168.63.129.16/32"),
)
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)


class EgressRefusedError(OSError):
    """The address is not one that notify may dial."""


@dataclass(frozen=True, slots=True)
class Egress:
    """The rules. Without `allow_http` only https is spoken."""

    allowed: Sequence[Network] = ()
    allow_http: bool = False

    def permits(self, host: str) -> bool:
        """Whether this literal address may be dialled; what is no address may not."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self.allowed) or _is_public(address)

    def permits_scheme(self, url: str) -> bool:
        return url.startswith("https://") or self.allow_http


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, ipaddress.IPv6Address) and (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return False
    return not any(address in network for network in _HIDING)
