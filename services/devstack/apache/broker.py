"""Apache Kafka as the stack's broker: one process, or three that keep copies of each other's logs."""

import asyncio
import base64
import json
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from schemas.topics import Topic
from services.devstack.apache.configuration import (
    ListenerSecurity,
    Node,
    copies_of,
    render_properties,
)
from services.devstack.apache.java import BROKER_CLASS, STORAGE_CLASS, KafkaPrograms, java_environment
from services.devstack.commands import run_once
from services.devstack.datadir import write_atomically
from services.devstack.errors import DataDirectoryError, StartError
from services.devstack.ports import wait_for_listener
from services.devstack.process import Launch, StopStep, SupervisedProcess, Surroundings
from services.runtime.kafka import KafkaAccess, apply_topics, build_specs
from services.runtime.settings import Durability, Membership

_LAST_WORDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProgram:
    """How one of the processes is started and stopped."""

    programs: KafkaPrograms
    node: Node
    name: str
    # It hands its partitions over first. The last of three finds nobody to hand them to, and is ended.
    stop_steps: tuple[StopStep, ...] = (
        StopStep(signal.SIGTERM, timedelta(seconds=8)),
        StopStep(signal.SIGKILL, timedelta(seconds=5)),
    )
    orphan_signal: signal.Signals = signal.SIGTERM

    def prepare(self) -> Launch:
        return Launch(
            command=self.programs.command(BROKER_CLASS, str(self.node.properties_file)),
            environment=java_environment(),
            directory=self.node.home,
            output=self.node.log_file,
        )

    async def settle(self) -> None:
        await wait_for_listener(self.node.port)


class ApacheKafka:
    """What users run. Its log is on disk and kept over a restart, and so is its cluster id."""

    membership = Membership.STATIC
    idempotence = True

    def __init__(
        self,
        programs: KafkaPrograms,
        nodes: Sequence[Node],
        *,
        topics: Sequence[Topic],
        new_cluster_id: str,
        surroundings: Surroundings,
        security: ListenerSecurity | None = None,
    ) -> None:
        self._programs = programs
        self._nodes = tuple(nodes)
        self._topics = topics
        self._security = security or ListenerSecurity()
        self.cluster_id = new_cluster_id
        self.processes: Mapping[str, SupervisedProcess] = {
            name: SupervisedProcess(NodeProgram(programs=programs, node=node, name=name), surroundings)
            for name, node in zip(node_names(len(nodes)), nodes, strict=True)
        }

    @property
    def bootstrap(self) -> str:
        return ",".join(node.address for node in self._nodes)

    @property
    def durability(self) -> Durability:
        return Durability.DISK if len(self._nodes) == 1 else Durability.REPLICATED

    async def start(self) -> None:
        """Returns when every process answers and every topic is as it must be."""
        await self._format()
        try:
            await asyncio.gather(*(process.start() for process in self.processes.values()))
        except StartError as error:
            raise StartError(f"{error}\n{self._last_words()}") from error
        access = KafkaAccess(bootstrap=self.bootstrap, security=self._security.way_in)
        await apply_topics(access, build_specs(self._topics, copies=copies_of(len(self._nodes))))

    async def stop(self, *, hurry: asyncio.Event | None = None) -> None:
        await asyncio.gather(*(process.stop(hurry=hurry) for process in self.processes.values()))

    async def restart(self) -> None:
        """All of it, with its log kept."""
        await self.stop()
        await self.start()

    async def _format(self) -> None:
        """Makes the logs where there are none. Raises DataDirectoryError."""
        home = self._nodes[0].home.parent
        made = home / "cluster.json"
        if made.exists():
            self._keep(json.loads(made.read_text()), home)
        for node in self._nodes:
            node.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(node.properties_file, render_properties(node, self._nodes, self._security))
        if not made.exists():
            await asyncio.gather(*(self._format_node(node) for node in self._nodes))
            write_atomically(made, json.dumps({"id": self.cluster_id, "nodes": len(self._nodes)}) + "\n")

    def _keep(self, made: Mapping[str, object], home: Path) -> None:
        self.cluster_id = str(made["id"])
        if made["nodes"] != len(self._nodes):
            raise DataDirectoryError(
                f"{home} was made by {made['nodes']} broker(s), and {len(self._nodes)} were asked for.\n"
                "Say the number it was made with, or start on another --data-dir."
            )

    async def _format_node(self, node: Node) -> None:
        shutil.rmtree(node.log_directory, ignore_errors=True)
        scram = [
            f"SCRAM-SHA-512=[name={user},password={word}]" for user, word in self._security.scram.items()
        ]
        words = [word for one in scram for word in ("--add-scram", one)]
        await run_once(
            self._programs.command(
                STORAGE_CLASS,
                "format",
                # In one word: an id may begin with a dash.
                f"--cluster-id={self.cluster_id}",
                *("--config", str(node.properties_file), *words),
            ),
            environment=java_environment(),
        )

    def _last_words(self) -> str:
        logs = [node.log_file for node in self._nodes if node.log_file.exists()]
        said = [line for log in logs for line in log.read_text(errors="replace").splitlines()[-_LAST_WORDS:]]
        return "\n".join(["The end of its log:", *said, f"All of it: {', '.join(map(str, logs))}"])


def node_names(count: int) -> list[str]:
    """What the processes are called: `kafka`, `kafka-2`, `kafka-3`."""
    return ["kafka", *(f"kafka-{number}" for number in range(2, count + 1))]


def render_cluster_id(random_bytes: bytes) -> str:
    """As Kafka writes its ids: 16 bytes in URL-safe base64, without padding."""
    return base64.urlsafe_b64encode(random_bytes).rstrip(b"=").decode()
