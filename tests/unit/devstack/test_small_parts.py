"""Ports, the watchdog's reading, PostgreSQL's configuration, options."""

import socket

import pytest

from services.devstack.database import build_url
from services.devstack.ports import FIRST_PORT, LOOPBACK, PORT_COUNT, find_port
from services.devstack.postgres_config import PostgresSettings, render_pg_hba_conf, render_tocsin_conf
from services.devstack.watchdog import watch


def never() -> float:
    raise AssertionError("chance was asked")


def test_the_port_of_the_last_time_is_taken_again() -> None:
    port = find_port(preferred=None, taken=set(), chance=lambda: 0.5)
    assert find_port(preferred=port, taken=set(), chance=never) == port


def test_a_port_that_somebody_listens_on_is_not_chosen() -> None:
    with socket.create_server((LOOPBACK, 0)) as busy:
        port = busy.getsockname()[1]
        assert find_port(preferred=port, taken=set(), chance=lambda: 0.25) != port


def test_two_processes_never_get_one_port() -> None:
    chances = iter([0.1, 0.1, 0.2])
    first = find_port(preferred=None, taken=set(), chance=lambda: next(chances))
    second = find_port(preferred=first, taken={first}, chance=lambda: next(chances))
    assert first != second


def test_ports_lie_below_those_that_systems_give_to_outgoing_connections() -> None:
    assert FIRST_PORT + PORT_COUNT < 32_768


def test_when_no_port_is_free_it_is_said_so() -> None:
    with pytest.raises(OSError, match="no free port"):
        find_port(preferred=None, taken=set(range(FIRST_PORT, FIRST_PORT + PORT_COUNT)), chance=lambda: 0.5)


def test_the_watchdog_knows_whom_to_end() -> None:
    assert watch(["watch 10 9\n", "watch 11 2\n", "forget 10\n", "watch 12 9\n"]) == {11: 2, 12: 9}


def test_the_watchdog_survives_a_line_cut_short() -> None:
    assert watch(["watch 10 9\n", "watch 1"]) == {10: 9}


def test_postgres_listens_on_the_loopback_alone_and_wants_passwords() -> None:
    conf = render_tocsin_conf(PostgresSettings(port=5433))
    assert "listen_addresses = '127.0.0.1'" in conf
    assert "unix_socket_directories = ''" in conf
    assert "port = 5433" in conf
    assert render_pg_hba_conf().splitlines()[1:] == ["host all all 127.0.0.1/32 scram-sha-256"]


def test_postgres_is_durable_unless_a_test_gives_that_up() -> None:
    assert "fsync = on" in render_tocsin_conf(PostgresSettings(port=1))
    assert "fsync = off" in render_tocsin_conf(PostgresSettings(port=1, durable=False))


def test_a_password_with_any_character_makes_a_good_url() -> None:
    assert (
        build_url(role="r", password="a/b@c:d", port=1) == "postgresql://r:a%2Fb%40c%3Ad@127.0.0.1:1/tocsin"
    )
