"""What a broker is told: `server.properties`, as text. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.devstack.ports import LOOPBACK
from services.runtime.kafka_access import KafkaSecurity

MOST_COPIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSecurity:
    """What the broker demands of its clients."""

    protocol: str = "PLAINTEXT"
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
    properties: Mapping[str, str] = field(default_factory=dict)
    scram: Mapping[str, str] = field(default_factory=dict, repr=False)
    """User → password, for SCRAM-SHA-512; made when the log is formatted."""
    way_in: KafkaSecurity = field(default_factory=KafkaSecurity)
    """For a client of ours: the topics have to be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One process: broker and controller at once."""

    number: int
    """From 1."""
    port: int
    controller_port: int
    home: Path

    @property
    def log_directory(self) -> Path:
        return self.home / "log"

    @property
    def log_file(self) -> Path:
        """What the process says, not what is published on it."""
        return self.home / "broker.log"

    @property
    def properties_file(self) -> Path:
        return self.home / "server.properties"

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"


def copies_of(node_count: int) -> int:
    """How many replicas each partition gets."""
    return min(node_count, MOST_COPIES)


def in_sync_minimum(copies: int) -> int:
    """How many must have a record before it is acknowledged: all but one of three, and one of one."""
    return max(1, copies - 1)


def render_properties(node: Node, nodes: Sequence[Node], security: ListenerSecurity) -> str:
    copies = copies_of(len(nodes))
    settings = {
        **_listeners(node, nodes, security),
        "log.dirs": str(node.log_directory),
        # A topic of the wrong shape, made because somebody asked for its name, would be kept for ever.
        "auto.create.topics.enable": "false",
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(in_sync_minimum(copies)),
        "unclean.leader.election.enable": "false",
        **_small(copies),
        **security.properties,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _listeners(node: Node, nodes: Sequence[Node], security: ListenerSecurity) -> dict[str, str]:
    # The brokers' own traffic has a listener of its own, with a port that nobody else needs to know.
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.number),
        "controller.quorum.voters": ",".join(
            f"{each.number}@{LOOPBACK}:{each.controller_port}" for each in nodes
        ),
        "listeners": f"CLIENT://{node.address},INTERNAL://{LOOPBACK}:0,"
        f"CONTROLLER://{LOOPBACK}:{node.controller_port}",
        "listener.security.protocol.map": (
            f"CLIENT:{security.protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "INTERNAL",
    }


def _small(copies: int) -> dict[str, str]:
    """Kafka's defaults are for large machines: fewer threads, buffers and internal partitions."""
    return {
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.cleaner.dedupe.buffer.size": str(4 << 20),
        "offsets.topic.num.partitions": "6",
        "offsets.topic.replication.factor": str(copies),
        "transaction.state.log.num.partitions": "2",
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(in_sync_minimum(copies)),
        # A broker that was killed may not come back before its last session is over: nine seconds by default.
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "4500",
        # The first member of a group would otherwise wait three seconds for others.
        "group.initial.rebalance.delay.ms": "0",
    }
