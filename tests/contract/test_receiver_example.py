"""The receiver of docs/webhooks.md, run as it is written, against signatures of Tocsin's own making."""

import http.client
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from examples.receiver import Inbox, build_server
from services.notify.signing import parse_secret, sign

OLD = "whsec_" + "T2xkIHNlY3JldCBvZiBhbiBlbmRwb2ludCwgMzIgYnl0"
NEW = "whsec_" + "TmV3IHNlY3JldCBvZiBhbiBlbmRwb2ludCwgMzIgYnl0"
BODY = json.dumps({"type": "org.tocsin.alert.v1", "data": {"alert_id": "a", "revision": 1}}).encode()


class Endpoint:
    """The running example, and what it stored."""

    def __init__(self, port: int, database: Path) -> None:
        self.port = port
        self.database = database

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/tocsin", body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def stored(self) -> list[str]:
        return Inbox(self.database).list_bodies()


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    database = tmp_path / "alerts.sqlite3"
    with build_server(secrets=[OLD, NEW], database=database, port=0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Endpoint(server.server_port, database)
        server.shutdown()
        thread.join()


def signed(body: bytes, *, secret: str = NEW, age: timedelta = timedelta(0)) -> dict[str, str]:
    at = datetime.now(UTC) - age
    return sign([parse_secret(secret)], webhook_id="a_1", at=at, body=body)


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_a_genuine_webhook_is_stored_with_the_old_and_with_the_new_secret(
    endpoint: Endpoint, secret: str
) -> None:
    assert endpoint.post(BODY, signed(BODY, secret=secret)) == 204
    assert endpoint.stored() == [BODY.decode()]


def test_a_webhook_that_comes_again_is_stored_once_and_answered_alike(endpoint: Endpoint) -> None:
    assert [endpoint.post(BODY, signed(BODY)) for _ in range(3)] == [204, 204, 204]
    assert len(endpoint.stored()) == 1


def test_a_webhook_changed_on_its_way_is_refused_and_not_stored(endpoint: Endpoint) -> None:
    assert endpoint.post(BODY.replace(b'"a"', b'"b"'), signed(BODY)) == 401
    assert endpoint.stored() == []


def test_a_webhook_of_an_hour_ago_is_refused_and_not_stored(endpoint: Endpoint) -> None:
    assert endpoint.post(BODY, signed(BODY, age=timedelta(hours=1))) == 401
    assert endpoint.stored() == []


def test_a_webhook_without_a_signature_is_refused_and_not_stored(endpoint: Endpoint) -> None:
    assert endpoint.post(BODY, {}) == 401
    assert endpoint.stored() == []
