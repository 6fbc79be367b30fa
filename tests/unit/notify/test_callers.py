"""Whether a form comes from our own page, and from which address."""

from ipaddress import ip_network

import pytest

from services.notify.callers import find_address, is_from_own_page

BASE = "https://notify.example"
PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin"},
        {"origin": BASE},
        {"origin": "http://127.0.0.1:8083", "host": "127.0.0.1:8083"},
        {},
    ],
)
def test_a_form_of_our_own_page_is_taken(headers: dict[str, str]) -> None:
    assert is_from_own_page(headers, base_url=BASE)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site", "origin": BASE},
        {"origin": "https://notify.example:444"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
    ],
)
def test_a_form_of_another_site_is_not(headers: dict[str, str]) -> None:
    assert not is_from_own_page(headers, base_url=BASE)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.7", None, "192.0.2.7"),
        ("192.0.2.7", "203.0.113.9", "192.0.2.7"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "nonsense", "nonsense"),
        ("fd00::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", None, "2001:db8:1:2::/64"),
    ],
)
def test_only_a_trusted_proxy_says_who_it_stands_for(peer: str, forwarded: str | None, expected: str) -> None:
    assert find_address(peer, forwarded, trusted=PROXIES) == expected
