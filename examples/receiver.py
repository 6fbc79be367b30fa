#!/usr/bin/env python3
"""A receiver of Tocsin's webhooks, small enough to read: verify, store once, answer, miss nothing.

    python examples/receiver.py --secrets secrets.txt --database alerts.sqlite3 --port 8080

`secrets.txt` holds the `whsec_…` secret of your endpoint; while you rotate it, the old and the new one, one a
line. A heartbeat lists what should have come: what did not is written to standard error, and so is silence,
if none comes for `--silence` seconds. Needs nothing but the standard library and `standardwebhooks`. Put TLS
in front of it.
"""

import argparse
import json
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

MAX_BYTES = 1024 * 1024
TABLE = """create table if not exists webhook (
    webhook_id text primary key, received_at text not null default current_timestamp, body text not null
)"""
HEARTBEAT = "org.tocsin.heartbeat.v1"


class Inbox:
    """Keeps each webhook once: the same `webhook-id` comes again whenever an answer was lost."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._connect()) as database:
            database.execute(TABLE)

    def store(self, webhook_id: str, body: bytes) -> None:
        with closing(self._connect()) as database, database:
            database.execute(
                "insert or ignore into webhook (webhook_id, body) values (?, ?)", (webhook_id, body.decode())
            )

    def list_bodies(self) -> list[str]:
        with closing(self._connect()) as database:
            return [body for (body,) in database.execute("select body from webhook order by rowid")]

    def list_missing(self, expected: Sequence[str]) -> list[str]:
        """Of these ids those that never came: ask for them (`POST /v1/endpoints/{id}/recover`)."""
        with closing(self._connect()) as database:
            known = {name for (name,) in database.execute("select webhook_id from webhook")}
        return [webhook_id for webhook_id in expected if webhook_id not in known]

    def is_silent(self, seconds: int) -> bool:
        """Whether no heartbeat came for so long: then nobody can say that nothing was sent."""
        with closing(self._connect()) as database:
            (count,) = database.execute(
                "select count(*) from webhook where webhook_id like 'heartbeat_%' "
                "and received_at >= datetime('now', ?)",
                (f"-{seconds} seconds",),
            ).fetchone()
        return bool(count == 0)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path)


def is_genuine(secrets: Sequence[str], headers: dict[str, str], body: bytes) -> bool:
    """Whether one of the secrets signed exactly these bytes within the last five minutes."""
    for secret in secrets:
        try:
            Webhook(secret).verify(body, headers)
        except WebhookVerificationError:
            continue
        return True
    return False


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 only when the webhook is stored: from then on Tocsin counts it as delivered."""

    secrets: Sequence[str]
    inbox: Inbox
    alarm: Callable[[str], object]

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        length = int(headers.get("content-length", "0"))
        if length > MAX_BYTES:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        # The bytes as they came: parsed and written again, they would no longer fit their signature.
        body = self.rfile.read(length)
        if not is_genuine(self.secrets, headers, body):
            self._answer(HTTPStatus.UNAUTHORIZED)
            return
        self.inbox.store(headers["webhook-id"], body)
        self._answer(HTTPStatus.NO_CONTENT)
        event = json.loads(body)
        if event["type"] == HEARTBEAT:
            expected = [alert["webhook_id"] for alert in event["data"]["alerts"]]
            for webhook_id in self.inbox.list_missing(expected):
                self.alarm(f"{webhook_id} never came")

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def alarm(message: str) -> None:
    """Where somebody looks. Replace it by what wakes somebody."""
    sys.stderr.write(f"ALARM: {message}\n")


def build_server(
    *, secrets: Sequence[str], database: Path, port: int, alarm: Callable[[str], object] = alarm
) -> ThreadingHTTPServer:
    """Port 0 takes a free one."""
    bound = {"secrets": secrets, "inbox": Inbox(database), "alarm": staticmethod(alarm)}
    receiver = type("BoundReceiver", (Receiver,), bound)
    return ThreadingHTTPServer(("127.0.0.1", port), receiver)


def watch_for_silence(inbox: Inbox, seconds: int) -> None:
    """Looks for ever, each time when the silence could be over."""
    while True:
        time.sleep(seconds)
        if inbox.is_silent(seconds):
            alarm(f"no heartbeat for {seconds} s")


def main() -> None:
    parser = argparse.ArgumentParser(description="Receive Tocsin's webhooks.")
    parser.add_argument("--secrets", type=Path, required=True, help="file with one whsec_… secret a line")
    parser.add_argument("--database", type=Path, default=Path("alerts.sqlite3"))
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--silence", type=int, default=90_000, help="seconds; a day and an hour by default")
    arguments = parser.parse_args()
    secrets = arguments.secrets.read_text().split()
    server = build_server(secrets=secrets, database=arguments.database, port=arguments.port)
    watched = (Inbox(arguments.database), arguments.silence)
    threading.Thread(target=watch_for_silence, args=watched, daemon=True).start()
    sys.stdout.write(f"Receiving on http://127.0.0.1:{server.server_port}\n")
    server.serve_forever()


if __name__ == "__main__":
    main()
