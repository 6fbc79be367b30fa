"""The receiver of docs/webhooks.md, run as it is written, against signatures of Tocsin's own making."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from examples.receiver import Inbox, build_server
from services.notify.onboarding import Probe, ProbeResult, build_test
from services.notify.signing import parse_secret, sign
from tests.support.waiting import SECONDS

OLD = "whsec_" + "T2xkIHNlY3JldCBvZiBhbiBlbmRwb2ludCwgMzIgYnl0"
NEW = "whsec_" + "TmV3IHNlY3JldCBvZiBhbiBlbmRwb2ludCwgMzIgYnl0"
BODY = json.dumps({"type": "org.tocsin.alert.v1", "data": {"alert_id": "a", "revision": 1}}).encode()


class Endpoint:
    """The running example, and what it stored."""

    def __init__(self, port: int, database: Path, alarms: list[str]) -> None:
        self.port = port
        self.database = database
        self.alarms = alarms

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
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
    alarms: list[str] = []
    with build_server(secrets=[OLD, NEW], database=database, port=0, alarm=alarms.append) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Endpoint(server.server_port, database, alarms)
        server.shutdown()
        thread.join()


def signed(
    body: bytes, *, secret: str = NEW, age: timedelta = timedelta(0), webhook_id: str = "a_1"
) -> dict[str, str]:
    at = datetime.now(UTC) - age
    return sign([parse_secret(secret)], webhook_id=webhook_id, at=at, body=body)


def heartbeat(*webhook_ids: str) -> bytes:
    alerts = [{"webhook_id": webhook_id} for webhook_id in webhook_ids]
    return json.dumps({"type": "org.tocsin.heartbeat.v1", "data": {"alerts": alerts}}).encode()


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


def test_a_heartbeat_raises_an_alarm_for_what_it_lists_and_did_not_come(endpoint: Endpoint) -> None:
    assert endpoint.post(BODY, signed(BODY)) == 204
    for number, beat in enumerate([heartbeat("a_1"), heartbeat("a_1", "b_1")]):
        assert endpoint.post(beat, signed(beat, webhook_id=f"heartbeat_ep_{number}")) == 204
    # The alarm comes after the answer.
    deadline = time.monotonic() + SECONDS
    while not endpoint.alarms and time.monotonic() < deadline:
        time.sleep(0.01)
    assert endpoint.alarms == ["b_1 never came"]


def test_silence_is_found_out(endpoint: Endpoint) -> None:
    inbox = Inbox(endpoint.database)
    assert inbox.is_silent(60)
    beat = heartbeat()
    assert endpoint.post(beat, signed(beat, webhook_id="heartbeat_ep_1")) == 204
    assert not inbox.is_silent(60)


def test_it_passes_the_probes_of_a_new_endpoint(endpoint: Endpoint) -> None:
    body = build_test(webhook_id="test_1", agency="ag-kern-cw", endpoint_id="ep_1", at=datetime.now(UTC))
    wrong = "whsec_" + "V3JvbmcgISBzZWNyZXQgb2YgYW4gZW5kcG9pbnQsIDM="
    unsigned = {name: value for name, value in signed(body).items() if name != "webhook-signature"}
    answers = {
        Probe.UNSIGNED: endpoint.post(body, unsigned),
        Probe.WRONGLY_SIGNED: endpoint.post(body, signed(body, secret=wrong)),
        Probe.SIGNED: endpoint.post(body, signed(body)),
    }
    assert all(ProbeResult(probe, code, "", None).has_passed for probe, code in answers.items())
