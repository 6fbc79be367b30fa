"""Which addresses may be dialled: the public internet, and the networks that the operator allows."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# After IANA's registries of special-purpose addresses, and the addresses at which networks and clouds answer
# their own machines. Written out: what the standard library calls global depends on its version.
SPECIAL: Final[Mapping[str, tuple[Network, ...]]] = {
    reason: tuple(ipaddress.ip_network(network) for network in networks.split())
    for reason, networks in {
        "unspecified": "0.0.0.0/8 ::/128",
        "loopback": "127.0.0.0/8 ::1/128",
        "private": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10",
        "shared by customers of a carrier": "100.64.0.0/10",
        "link-local, metadata": "169.254.0.0/16 fe80::/10",
        "metadata": "168.63.129.16/32 fd00:ec2::/32 fd20:ce::/64",
        "assigned to protocols": "192.0.0.0/24 2001::/23 5f00::/16",
        "documentation": "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20",
        "benchmarks": "198.18.0.0/15 2001:2::/48",
        "multicast": "224.0.0.0/4 ff00::/8",
        "reserved, broadcast": "240.0.0.0/4",
        "discard": "100::/64 100:0:0:1::/64",
        "relays": "192.52.193.0/24 192.88.99.0/24",
        "sinks": "192.31.196.0/24 192.175.48.0/24 2620:4f:8000::/48",
        "IPv4 compatible": "::/96",
        "IPv4 mapped": "::ffff:0:0/96",
        "IPv4 translated": "::ffff:0:0:0/96",
        "6to4": "2002::/16",
        "NAT64": "64:ff9b::/96 64:ff9b:1::/48",
    }.items()
}
_REFUSED: Final = tuple(network for networks in SPECIAL.values() for network in networks)
_UNICAST: Final = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given out to the public."""

_LOW_32: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(network) for network in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
)
_6TO4: Final = ipaddress.ip_network("2002::/16")
_TEREDO: Final = ipaddress.ip_network("2001::/32")
_NAT64_LOCAL: Final = ipaddress.ip_network("64:ff9b:1::/48")
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
_LOW: Final = 0xFFFF_FFFF
_OF_THEIR_OWN: Final = frozenset({0, 1})
"""`::` and `::1` hide nothing, although their range does."""


class EgressRefusedError(OSError):
    """The address is not one that notify may dial."""


@dataclass(frozen=True, slots=True)
class Egress:
    """The rules. Without `allow_http` only https is spoken."""

    allowed: Sequence[Network] = ()
    allow_http: bool = False

    def permits(self, host: str) -> bool:
        """Whether this literal address may be dialled; what is no address may not.

        An IPv4 address inside is judged too: to allow a NAT64 network is not to allow all that it leads to.
        """
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return self._permits(address) and all(self._permits(hidden) for hidden in find_hidden(address))

    def permits_scheme(self, url: str) -> bool:
        return url.startswith("https://") or self.allow_http

    def _permits(self, address: Address) -> bool:
        return any(address in network for network in self.allowed) or _is_public(address)


def find_hidden(address: Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses that a form of IPv6 leads to."""
    if isinstance(address, ipaddress.IPv4Address) or int(address) in _OF_THEIR_OWN:
        return
    number = int(address)
    if any(address in network for network in _LOW_32) or _is_isatap(address):
        yield ipaddress.IPv4Address(number & _LOW)
    if address in _6TO4:
        yield ipaddress.IPv4Address(number >> 80 & _LOW)
    if address in _TEREDO:
        yield ipaddress.IPv4Address(number >> 64 & _LOW)  # Its server.
        yield ipaddress.IPv4Address(~number & _LOW)  # Its client, each bit turned over.
    if address in _NAT64_LOCAL:
        yield ipaddress.IPv4Address(_read_local_nat64(number))


def _read_local_nat64(number: int) -> int:
    """RFC 6052, 2.2: a prefix of 96 bits has it at the end; one of 48 bits, around an octet of zeros."""
    return number & _LOW or (number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF


def _is_isatap(address: ipaddress.IPv6Address) -> bool:
    return int(address) >> 32 & _LOW in _ISATAP


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, ipaddress.IPv6Address) and (address not in _UNICAST or _is_isatap(address)):
        return False
    return not any(address in network for network in _REFUSED)
