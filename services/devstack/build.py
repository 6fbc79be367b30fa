"""The composition root of `tocsin up`: from options and a locked data directory to a stack."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.topics import TOPICS
from services.devstack.account import find_account
from services.devstack.apache.broker import ApacheKafka, node_names, render_cluster_id
from services.devstack.apache.configuration import ListenerSecurity, Node
from services.devstack.apache.jars import find_kafka
from services.devstack.apache.java import KafkaPrograms
from services.devstack.cluster import Cluster
from services.devstack.datadir import DataDirectory, write_atomically
from services.devstack.directory import settle_directory
from services.devstack.gate import Gate
from services.devstack.kafka import Broker, EmbeddedBroker
from services.devstack.keys import ensure_key_files, ensure_keys, ensure_passwords
from services.devstack.members import (
    MODULES,
    SERVICES,
    MailSinkProgram,
    ServiceContext,
    ServiceProgram,
    build_environment,
)
from services.devstack.options import BrokerKind, StackOptions
from services.devstack.orphans import build_guard
from services.devstack.ports import LOOPBACK, find_port
from services.devstack.postgres import EmbeddedPostgres
from services.devstack.postgres_config import PostgresSettings
from services.devstack.process import SupervisedProcess, Surroundings
from services.devstack.programs import SHARED_CACHE, PostgresPrograms, find_broker, find_postgres
from services.devstack.stack import Parts, Stack
from services.devstack.state import Board
from services.runtime import shifted_clock
from services.runtime.clock import SystemClock, new_id, random_fraction
from services.runtime.crypto import hash_api_key

PORTS = (*SERVICES, "postgres", "mail")
CONTROLLER = "{}-controller"
"""The name of the port on which the brokers agree with each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The bundled programs, found and known to run."""

    broker: Path | KafkaPrograms
    """The embedded broker, or what runs Apache's."""
    postgres: PostgresPrograms


def find_programs(options: StackOptions) -> Programs:
    """Raises UnsupportedPlatformError or NotAvailableError; touches nothing of the data directory."""
    account = find_account(effective_uid=os.geteuid())
    return Programs(
        broker=find_kafka()
        if options.broker is BrokerKind.APACHE
        else find_broker(_path_from_environment("TOCSIN_EMBEDDED_KAFKA")),
        postgres=find_postgres(
            _path_from_environment("TOCSIN_EMBEDDED_POSTGRES"), account=account, cache=SHARED_CACHE
        ),
    )


def build_stack(
    directory: DataDirectory,
    options: StackOptions,
    programs: Programs,
    *,
    modules: Mapping[str, tuple[str, ...]] = MODULES,
) -> Stack:
    """Makes what is missing in the data directory, and builds every part. Raises StackError."""
    ensure_key_files(directory)
    keys = ensure_keys(directory)
    asked_for = None
    if options.directory_file is not None:
        asked_for, keys = settle_directory(options.directory_file, keys)
    names = node_names(options.broker_count)
    board = Board(directory, shown=(*SERVICES, *names, "postgres"))
    around = Surroundings(guard=build_guard(), clock=SystemClock(), on_start=board.record)
    broker_ports = [port for name in names for port in (name, CONTROLLER.format(name))]
    ports = find_ports(directory, (*PORTS, *broker_ports), chance=random_fraction)
    broker = _build_any_broker(directory, programs.broker, ports=ports, names=names, around=around)
    postgres = _build_postgres(directory, programs.postgres, port=ports["postgres"], around=around)
    context = ServiceContext(
        directory=directory,
        broker=broker,
        database_urls={name: postgres.url(f"tocsin_{name}") for name in SERVICES},
        ports=ports,
        smtp=options.smtp or f"{LOOPBACK}:{ports['mail']}",
        operator_key_hash=hash_api_key(keys.operator),
    )
    gate = Gate()
    parts = Parts(
        context=context,
        board=board,
        postgres=postgres,
        gate=gate,
        services={
            name: SupervisedProcess(_build_service(name, words, context, gate), around)
            for name, words in modules.items()
        },
        mail=_build_sink(context, around) if options.smtp is None else None,
        keys=keys,
        asked_for=asked_for,
        clock=around.clock,
        is_shifted=bool(os.environ.get(shifted_clock.VARIABLE)),
    )
    return Stack(parts)


def build_broker(executable: Path, *, port: int, around: Surroundings) -> EmbeddedBroker:
    """The embedded broker with Tocsin's topics."""
    return EmbeddedBroker(
        executable, port=port, topics=TOPICS, new_cluster_id=lambda: new_id().hex, surroundings=around
    )


def build_apache(
    programs: KafkaPrograms,
    nodes: Sequence[Node],
    *,
    around: Surroundings,
    security: ListenerSecurity | None = None,
) -> ApacheKafka:
    """Apache Kafka with Tocsin's topics, on as many nodes."""
    return ApacheKafka(
        programs,
        nodes,
        topics=TOPICS,
        new_cluster_id=render_cluster_id(new_id().bytes),
        surroundings=around,
        security=security,
    )


def find_ports(
    directory: DataDirectory, names: Sequence[str], *, chance: Callable[[], float]
) -> dict[str, int]:
    """A free port for each process; that of the last time if it still is, so that links stay good."""
    try:
        before = json.loads(directory.ports_file.read_text())
    except (OSError, ValueError):
        before = {}
    ports: dict[str, int] = {}
    for name in names:
        ports[name] = find_port(preferred=before.get(name), taken=set(ports.values()), chance=chance)
    write_atomically(directory.ports_file, json.dumps(ports) + "\n")
    return ports


def _build_any_broker(
    directory: DataDirectory,
    program: Path | KafkaPrograms,
    *,
    ports: Mapping[str, int],
    names: Sequence[str],
    around: Surroundings,
) -> Broker:
    if isinstance(program, Path):
        return build_broker(program, port=ports["kafka"], around=around)
    nodes = [
        Node(
            number=number,
            port=ports[name],
            controller_port=ports[CONTROLLER.format(name)],
            home=directory.kafka / f"node-{number}",
        )
        for number, name in enumerate(names, start=1)
    ]
    return build_apache(program, nodes, around=around)


def _build_postgres(
    directory: DataDirectory, programs: PostgresPrograms, *, port: int, around: Surroundings
) -> EmbeddedPostgres:
    account = find_account(effective_uid=os.geteuid())
    return EmbeddedPostgres(
        Cluster(home=directory.postgres, programs=programs, account=account),
        PostgresSettings(port=port),
        passwords=ensure_passwords(directory),
        log_file=directory.postgres_log,
        surroundings=around,
    )


def _build_service(name: str, words: tuple[str, ...], context: ServiceContext, gate: Gate) -> ServiceProgram:
    environment = build_environment(name, context)
    return ServiceProgram(name=name, words=words, gate=gate, environment=environment)


def _build_sink(context: ServiceContext, around: Surroundings) -> SupervisedProcess:
    return SupervisedProcess(
        MailSinkProgram(port=context.ports["mail"], folder=context.directory.mail), around
    )


def _path_from_environment(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None
