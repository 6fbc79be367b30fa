"""Routing's own settings."""

from pathlib import Path

import pytest

from services.routing.packs import SHIPPED
from services.routing.settings import RoutingSettings

HASH = "0f" * 32


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PORT": "8080",
        "KAFKA": "kafka:9092",
        "DATABASE_URL": "postgresql://routing@db/tocsin",
        "KEK_FILE": "/run/kek.json",
        "DEPLOYMENT_KEY_FILE": "/run/deployment.key",
    }.items():
        monkeypatch.setenv(f"TOCSIN_{name}", value)


def test_the_shipped_packs_decide_unless_others_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RoutingSettings.from_environment().routing_protocols == SHIPPED

    monkeypatch.setenv("TOCSIN_ROUTING_PROTOCOLS", "/etc/packs")
    assert RoutingSettings.from_environment().routing_protocols == Path("/etc/packs")


def test_operator_keys_are_a_comma_separated_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_ROUTING_OPERATOR_KEYS", f"{HASH.upper()}, {HASH},")

    assert RoutingSettings.from_environment().routing_operator_keys == (HASH, HASH)


def test_a_key_in_place_of_its_hash_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOCSIN_ROUTING_OPERATOR_KEYS", "tco_secret")

    with pytest.raises(SystemExit):
        RoutingSettings.from_environment()
    said = capsys.readouterr().err
    assert "TOCSIN_ROUTING_OPERATOR_KEYS" in said
    assert "tco_secret" not in said
