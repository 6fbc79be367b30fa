"""Which addresses may be dialled."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.egress import Egress

INSIDE = {
    "loopback": "127.0.0.1 127.255.255.254 ::1",
    "unspecified": "0.0.0.0 0.1.2.3 ::",
    "private": "10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 fc00::1 fd12:3456::1 fec0::1",
    "link-local": "169.254.0.1 fe80::1 fe80::1%eth0",
    "metadata": "169.254.169.254 169.254.170.2 fd00:ec2::254 fd20:ce::254",
    "metadata elsewhere": "100.100.100.200 168.63.129.16 192.0.0.192",
    "carrier": "100.64.0.1 100.127.255.255",
    "benchmarks": "198.18.0.1 198.19.255.255 2001:2::1",
    "documentation": "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1",
    "multicast": "224.0.0.1 239.255.255.255 ff02::1 ff0e::1",
    "reserved": "240.0.0.1 255.255.255.255 100::1 5f00::1 4000::1 e000::1 2001:1::1 2001:20::1",
    "mapped": "::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8",
    "compatible": "::8.8.8.8 ::127.0.0.1",
    "6to4": "2002:7f00:1:: 2002:808:808::1 192.88.99.1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2 2001::1",
    "NAT64": "64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::a00:1 64:ff9b:1:a00:0:100::",
    "ISATAP": "2001:4860::5efe:10.0.0.1 2001:4860::200:5efe:8.8.8.8 fe80::5efe:8.8.8.8",
}
OUTSIDE = "8.8.8.8 1.1.1.1 100.63.255.255 172.32.0.1 2606:4700:4700::1111 2a00:1450:4001:81b::200e"


@pytest.mark.parametrize("address", [each for all_of_it in INSIDE.values() for each in all_of_it.split()])
def test_what_is_not_the_public_internet_is_refused(address: str) -> None:
    assert not Egress().permits(address)


@pytest.mark.parametrize("address", OUTSIDE.split())
def test_the_public_internet_is_permitted(address: str) -> None:
    assert Egress().permits(address)


@pytest.mark.parametrize(
    "text", ["", "localhost", "example.org", "2130706433", "0x7f.1", "127.1", "1.2.3.4.5"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert not Egress().permits(text)


def test_an_allowed_network_is_permitted_and_only_that() -> None:
    egress = Egress((ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("::1/128")))
    assert egress.permits("10.1.255.255")
    assert egress.permits("::1")
    assert not egress.permits("10.2.0.0")
    assert not egress.permits("::ffff:10.1.0.1")


EVERYTHING = (ipaddress.ip_network("::/0"),)
METADATA = "169.254.169.254"


def embed(hidden: str) -> dict[str, str]:
    """Every form of IPv6 that leads to this IPv4 address."""
    number = int(ipaddress.IPv4Address(hidden))
    forms = {
        "mapped": 0xFFFF << 32 | number,
        "translated": 0xFFFF << 48 | number,
        "compatible": number,
        "6to4": 0x2002 << 112 | number << 80,
        "Teredo client": 0x2001 << 112 | 0x0808_0808 << 64 | number ^ 0xFFFF_FFFF,
        "Teredo server": 0x2001 << 112 | number << 64 | 0x0808_0808 ^ 0xFFFF_FFFF,
        "NAT64": 0x64_FF9B << 96 | number,
        "local NAT64, 96 bits": 0x64_FF9B_0001 << 80 | number,
        "local NAT64, 48 bits": 0x64_FF9B_0001 << 80 | number >> 16 << 64 | (number & 0xFFFF) << 40,
        "ISATAP": 0x2A00_1450 << 96 | 0x5EFE << 32 | number,
        "ISATAP, global": 0x2A00_1450 << 96 | 0x200_5EFE << 32 | number,
        "ISATAP, private": 0xFD00 << 112 | 0x5EFE << 32 | number,
    }
    return {name: str(ipaddress.IPv6Address(form)) for name, form in forms.items()}


@given(hidden=st.ip_addresses(v=4))
def test_no_form_of_ipv6_hides_an_ipv4_address(hidden: ipaddress.IPv4Address) -> None:
    assert not [name for name, form in embed(str(hidden)).items() if Egress().permits(form)]


@pytest.mark.parametrize("hidden", [METADATA, "127.0.0.1", "10.0.0.1", "100.64.0.1", "192.168.0.1"])
@pytest.mark.parametrize("form", embed(METADATA))
def test_to_allow_a_form_is_not_to_allow_what_it_leads_to(form: str, hidden: str) -> None:
    everything = Egress(EVERYTHING)
    assert not everything.permits(embed(hidden)[form])
    assert everything.permits(embed("8.8.8.8")[form])
    both = Egress((*EVERYTHING, ipaddress.ip_network(f"{hidden}/32")))
    assert both.permits(embed(hidden)[form])


def test_loopback_of_ipv6_may_be_allowed_by_itself() -> None:
    assert Egress((ipaddress.ip_network("::1/128"),)).permits("::1")


@given(address=st.ip_addresses())
def test_what_is_permitted_is_public_by_the_standard_library_too(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert not Egress().permits(str(address)) or address.is_global


def test_only_https_is_spoken_unless_http_is_allowed() -> None:
    assert Egress().permits_scheme("https://agency.example/")
    assert not Egress().permits_scheme("http://agency.example/")
    assert Egress(allow_http=True).permits_scheme("http://agency.example/")
