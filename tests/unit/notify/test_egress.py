"""Which addresses may be dialled."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.egress import Egress

INSIDE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 -- an address to refuse
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:8.8.8.8",
    "::8.8.8.8",
    "2002:7f00:1::",
    "2002:808:808::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2001:4860::5efe:10.0.0.1",
    "2001:4860::200:5efe:10.0.0.1",
    "2001:db8::1",
]
OUTSIDE = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_not_the_public_internet_is_refused(address: str) -> None:
    assert not Egress().permits(address)


@pytest.mark.parametrize("address", OUTSIDE)
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


@given(hidden=st.ip_addresses(v=4))
def test_no_form_of_ipv6_hides_an_ipv4_address(hidden: ipaddress.IPv4Address) -> None:
    number = int(hidden)
    forms = [
        0xFFFF << 32 | number,
        0x2002 << 112 | number << 80,
        0x64_FF9B << 96 | number,
        0x2A00_1450 << 96 | 0x5EFE << 32 | number,
    ]
    assert not [form for form in forms if Egress().permits(str(ipaddress.IPv6Address(form)))]


def test_only_https_is_spoken_unless_http_is_allowed() -> None:
    assert Egress().permits_scheme("https://agency.example/")
    assert not Egress().permits_scheme("http://agency.example/")
    assert Egress(allow_http=True).permits_scheme("http://agency.example/")
