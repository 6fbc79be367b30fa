"""Who sends a form: our own page in a browser, and from which address. Pure."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias
from urllib.parse import urlsplit

Networks: TypeAlias = Sequence[IPv4Network | IPv6Network]

_PREFIX: Final = 64
"""Of IPv6, which one customer has all of."""


def is_from_own_page(headers: Mapping[str, str], *, base_url: str) -> bool:
    """Whether a browser says that another site sent this form.

    `Sec-Fetch-Site` where there is one, else `Origin`. What sends neither is no browser of these years;
    a form needs the session's token besides.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None:
        return True
    return urlsplit(origin).netloc in {urlsplit(base_url).netloc, headers.get("host")} - {"", None}


def find_address(peer: str, forwarded: str | None, *, trusted: Networks) -> str:
    """The client's address: what a trusted proxy says it is, else whoever is at the other end.

    Of `X-Forwarded-For` the last entry that is no proxy of ours counts: anybody can write what is before it.
    """
    hops = [hop.strip() for hop in (forwarded or "").split(",") if hop.strip()]
    address = peer
    while hops and _is_within(address, trusted):
        address = hops.pop()
    return _group(address)


def _is_within(address: str, networks: Networks) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def _group(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, _PREFIX), strict=False))
    return str(parsed)
