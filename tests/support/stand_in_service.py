"""`python -m tests.support.stand_in_service`: has a service's face, and nothing behind it.

It answers /readyz with the newest directory version that any of its kind was given, which they share in a
file, so that a stack can be started, killed and stopped without the services. With `mails-to-the-last`, who
is given a mail server goes on using it for a while when it is to stop, and ends with 1 if it is gone.
"""

import json
import os
import signal
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LAST_SECONDS = 0.5


class Handler(BaseHTTPRequestHandler):
    """Directory versions in a file; each PUT makes the next one."""

    versions: Path

    def do_GET(self) -> None:
        version = self._version()
        known = version > 0
        if self.path == "/v1/directory":
            self._answer(200 if known else 404, {"version": version})
        else:
            checks = {"directory": "ok" if known else "none applied"}
            self._answer(
                200 if known else 503, {"ready": known, "checks": checks, "directory_version": version}
            )

    def do_PUT(self) -> None:
        directory = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if any(agency["id"] == "ag-refused" for agency in directory["agencies"]):
            errors = [{"path": "/agencies/0/id", "message": "not this one"}]
            self._answer(422, {"detail": "The directory is not valid.", "errors": errors})
            return
        version = self._version() + 1
        self.versions.write_text(str(version))
        self._answer(200, {"version": version, "agencies": len(directory["agencies"]), "warnings": []})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Says nothing."""

    def _version(self) -> int:
        return int(self.versions.read_text()) if self.versions.exists() else 0

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def mail_to_the_last(*_: object) -> None:
    host, port = os.environ["TOCSIN_NOTIFY_SMTP"].split(":")
    until = time.monotonic() + LAST_SECONDS
    try:
        while time.monotonic() < until:
            socket.create_connection((host, int(port))).close()
    except OSError:
        os._exit(1)
    os._exit(0)


def main() -> None:
    if "mails-to-the-last" in sys.argv and "TOCSIN_NOTIFY_SMTP" in os.environ:
        signal.signal(signal.SIGTERM, mail_to_the_last)
    Handler.versions = Path(sys.argv[1])
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["TOCSIN_PORT"])), Handler).serve_forever()


if __name__ == "__main__":
    main()
