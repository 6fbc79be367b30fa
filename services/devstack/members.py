"""The stack's own Python processes: the three services and the mail sink."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import services
from services.devstack.datadir import DataDirectory
from services.devstack.gate import Gate
from services.devstack.kafka import Broker
from services.devstack.ports import LOOPBACK, wait_for_listener
from services.devstack.process import Launch, StopStep

INTAKE, ROUTING, NOTIFY = "intake", "routing", "notify"
SERVICES = (INTAKE, ROUTING, NOTIFY)

MODULES: Mapping[str, tuple[str, ...]] = {name: (f"services.{name}",) for name in SERVICES}
"""What `python -m` runs for each service."""

# The services give themselves 20 s to finish the work in hand.
_DRAIN = timedelta(seconds=30)
_FORCED = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceProgram:
    """One of the services; its readiness is asked over HTTP, later and for all of them together."""

    name: str
    words: tuple[str, ...]
    """What follows `python -m`."""
    gate: Gate
    environment: Mapping[str, str]
    stop_steps: tuple[StopStep, ...] = (StopStep(signal.SIGTERM, _DRAIN), StopStep(signal.SIGKILL, _FORCED))
    orphan_signal: signal.Signals = signal.SIGKILL

    def prepare(self) -> Launch:
        environment = {**_inherited(), **self.environment}
        if self.gate.is_open:
            return Launch(command=(sys.executable, "-m", *self.words), environment=environment)
        return Launch(
            command=(sys.executable, "-m", "services.devstack.gate", *self.words),
            environment=environment,
            standard_input=self.gate.wait_end,
        )

    async def settle(self) -> None:
        return


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSinkProgram:
    """Takes the stack's e-mail where no real server is named, and keeps it as files."""

    port: int
    folder: Path
    name: str = "mail"
    stop_steps: tuple[StopStep, ...] = (
        StopStep(signal.SIGTERM, timedelta(seconds=2)),
        StopStep(signal.SIGKILL, _FORCED),
    )
    orphan_signal: signal.Signals = signal.SIGKILL

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def prepare(self) -> Launch:
        command = (sys.executable, "-m", "services.devstack.mail_sink", str(self.port), str(self.folder))
        return Launch(command=command, environment=_inherited())

    async def settle(self) -> None:
        await wait_for_listener(self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceContext:
    """What the services need to know of the stack around them."""

    directory: DataDirectory
    broker: Broker
    database_urls: Mapping[str, str]
    """Service → libpq URL with the role of its own."""
    ports: Mapping[str, int]
    smtp: str
    operator_key_hash: str


def build_environment(name: str, context: ServiceContext) -> dict[str, str]:
    """The `TOCSIN_*` variables of one service."""
    broker = context.broker
    return {
        "TOCSIN_HOST": LOOPBACK,
        "TOCSIN_PORT": str(context.ports[name]),
        "TOCSIN_KAFKA": broker.bootstrap,
        "TOCSIN_KAFKA_MEMBERSHIP": broker.membership.value,
        "TOCSIN_KAFKA_IDEMPOTENCE": "true" if broker.idempotence else "false",
        "TOCSIN_DURABILITY": broker.durability.value,
        "TOCSIN_MEMBER": f"{name}-0",
        "TOCSIN_DATABASE_URL": context.database_urls[name],
        "TOCSIN_KEK_FILE": str(context.directory.kek_file),
        "TOCSIN_DEPLOYMENT_KEY_FILE": str(context.directory.deployment_key_file),
        **_extras(name, context),
    }


def _extras(name: str, context: ServiceContext) -> dict[str, str]:
    if name == ROUTING:
        return {
            "TOCSIN_ROUTING_OPERATOR_KEYS": context.operator_key_hash,
            # Whoever tries a pack of their own here lays it in the folder and starts again.
            "TOCSIN_ROUTING_SEEDING": "always",
        }
    if name != NOTIFY:
        return {}
    return {
        "TOCSIN_NOTIFY_SMTP": context.smtp,
        "TOCSIN_NOTIFY_SMTP_TLS": _mail_tls(context.smtp),
        "TOCSIN_NOTIFY_ALLOW_CIDRS": "127.0.0.0/8,::1/128",
        "TOCSIN_NOTIFY_ALLOW_HTTP": "true",
        "TOCSIN_NOTIFY_OPERATOR_KEYS": context.operator_key_hash,
    }


def _mail_tls(smtp: str) -> str:
    """Required, but on this machine, where there is nobody between; the variable overrides it."""
    host = smtp.rpartition(":")[0]
    given = os.environ.get("TOCSIN_NOTIFY_SMTP_TLS")
    return given or ("off" if host in {"localhost", "127.0.0.1", "::1", "[::1]"} else "starttls")


def _inherited() -> dict[str, str]:
    """Our environment, in which the child finds the same packages from whatever folder we run."""
    root = str(Path(services.__path__[0]).parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
