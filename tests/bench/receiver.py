"""The agencies' side: a process that verifies each webhook and notes when it came.

Each signature is computed here, as the Standard Webhooks specification says. One webhook in fifty is given to
the public `standardwebhooks` library too: for each of them it would cost more than all else on this side.
"""

import asyncio
import base64
import hmac
import signal
import sys
import time
from pathlib import Path

import orjson
import uvloop
from standardwebhooks import Webhook, WebhookVerificationError

from tests.bench.http import ServerProtocol

_LIBRARY_EVERY = 50


class Recorder:
    """Arrivals as (webhook id, what it is, instant); refusals are counted."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self._keys = {
            f"/{agency}": base64.b64decode(secret.removeprefix("whsec_"))
            for agency, secret in secrets.items()
        }
        self._verifiers = {f"/{agency}": Webhook(secret) for agency, secret in secrets.items()}
        self.arrivals: list[tuple[str, str, float]] = []
        self.refused = 0

    def receive(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Verify and record one webhook; without secrets (the floor) just record."""
        if self._keys and not self._is_verified(path, headers, body):
            self.refused += 1
            return 401
        event = orjson.loads(body)
        data = event["data"]
        what = f"{event['id']}{path}"
        if "event_id" in data:
            what = f"{data['event_id']}/{path[1:]}/{event['type']}"
        self.arrivals.append((headers.get("webhook-id", ""), what, time.time()))
        return 204

    def _is_verified(self, path: str, headers: dict[str, str], body: bytes) -> bool:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = base64.b64encode(hmac.digest(self._keys[path], signed, "sha256")).decode()
        if f"v1,{digest}" not in headers["webhook-signature"].split(" "):
            return False
        if len(self.arrivals) % _LIBRARY_EVERY:
            return True
        try:
            self._verifiers[path].verify(body, headers)
        except WebhookVerificationError:
            return False
        return True


async def _serve(recorder: Recorder) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ServerProtocol(recorder.receive), "127.0.0.1", 0)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: _print_count(recorder))
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


def _print_count(recorder: Recorder) -> None:
    sys.stdout.write(f"{len(recorder.arrivals)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _recorder = Recorder(orjson.loads(Path(sys.argv[1]).read_bytes()))
    uvloop.run(_serve(_recorder))
    Path(sys.argv[2]).write_bytes(
        orjson.dumps({"arrivals": _recorder.arrivals, "refused": _recorder.refused})
    )
