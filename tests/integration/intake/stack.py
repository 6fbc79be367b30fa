"""Intake in this process, on the servers of the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
from pydantic import SecretStr

from schemas.directory import DirectorySnapshot
from schemas.sealed import SealedContent, SealedEvent
from schemas.topics import CASE_EVENTS, DIRECTORY, Topic
from services.intake.app import run_intake
from services.intake.settings import IntakeSettings
from services.runtime.connections import DEFAULT_LIMITS, ConnectionLimits
from services.runtime.crypto import Kek, open_sealed
from services.runtime.database import open_pool
from services.runtime.kafka import KafkaSettings, ReceivedRecord, Record, open_publisher, read_topic_to_end
from services.runtime.keyring import Keyring
from services.runtime.lifecycle import Lifetime
from services.runtime.settings import Durability
from tests.integration.intake.client import MemberSystem
from tests.support.ports import free_port
from tests.support.servers import Broker
from tests.support.waiting import SECONDS


@dataclass(frozen=True)
class Servers:
    """The URL of a database as intake's role, a broker, and the folder of the key files."""

    database_url: str
    broker: Broker
    secrets: Path

    @property
    def kafka_settings(self) -> KafkaSettings:
        return self.broker.settings(member="test-0")

    @property
    def bootstrap(self) -> str:
        return self.broker.bootstrap

    def settings(self, *, rate: int = 2000, member: str = "intake-0") -> IntakeSettings:
        return IntakeSettings(
            port=free_port(),
            kafka=self.bootstrap,
            kafka_membership=self.broker.server.membership,
            kafka_idempotence=self.broker.server.idempotence,
            member=member,
            database_url=SecretStr(self.database_url),
            kek_file=self.secrets / "kek.json",
            deployment_key_file=self.secrets / "deployment.key",
            durability=Durability.MEMORY,
            intake_rate=rate,
        )

    async def publish(self, topic: Topic, *records: tuple[bytes, bytes, list[tuple[str, bytes]]]) -> None:
        """Key, value and headers of each record."""
        async with open_publisher(self.kafka_settings) as publisher:
            await publisher.publish(
                [Record(topic.name, key=key, value=value, headers=headers) for key, value, headers in records]
            )

    async def publish_directory(self, snapshot: DirectorySnapshot) -> None:
        value = snapshot.model_dump_json(exclude_none=True).encode()
        await self.publish(DIRECTORY, (b"directory", value, []))

    async def read_case_events(self) -> list[ReceivedRecord]:
        return await read_topic_to_end(self.bootstrap, CASE_EVENTS.name, partitions=CASE_EVENTS.partitions)

    async def open_case_events(self) -> list[tuple[SealedEvent, SealedContent]]:
        """What routing would read, opened with the case keys of the database."""
        events = [
            SealedEvent.model_validate_json(record.value or b"") for record in await self.read_case_events()
        ]
        return [(event, content) async for event, content in self._open(events)]

    async def _open(self, events: Iterable[SealedEvent]) -> AsyncIterator[tuple[SealedEvent, SealedContent]]:
        kek = Kek.load(self.secrets / "kek.json")
        async with open_pool(self.database_url, size=1) as pool:
            keyring = Keyring(pool, kek)
            for event in events:
                key = (await keyring.find_keys([event.data.key_id]))[event.data.key_id]
                assert key is not None
                plaintext = open_sealed(key.secret, event.data.sealed, context=event.seal_context)
                assert plaintext == orjson.dumps(orjson.loads(plaintext), option=orjson.OPT_SORT_KEYS)
                yield event, SealedContent.model_validate_json(plaintext)


async def wait_for(fact: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await fact():  # noqa: ASYNC110 - it happens behind a server
            await asyncio.sleep(0.02)


@dataclass(frozen=True)
class RunningIntake:
    """One intake; `member` talks to it."""

    member: MemberSystem
    lifetime: Lifetime
    running: "asyncio.Task[None]"

    async def wait_ready(self, *, version: int = 1) -> None:
        """Returns when events are taken, by this version of the directory or a later one."""
        await wait_for(lambda: self._is_ready(version))

    async def wait_failing(self, check: str) -> None:
        """Returns when readiness is refused for this reason."""

        async def fails() -> bool:
            reply = await self.member.ask("GET", "/readyz")
            return reply.status == 503 and reply.body["checks"].get(check, "ok") != "ok"

        await wait_for(fails)

    async def wait_listening(self) -> None:
        await wait_for(self._is_alive)

    async def _is_alive(self) -> bool:
        with suppress(aiohttp.ClientConnectionError):
            return (await self.member.ask("GET", "/livez")).status == 200
        return False

    async def _is_ready(self, version: int) -> bool:
        with suppress(aiohttp.ClientConnectionError):
            reply = await self.member.ask("GET", "/readyz")
            return reply.status == 200 and reply.body["directory_version"] >= version
        return False


@asynccontextmanager
async def open_intake(
    settings: IntakeSettings, *, limits: ConnectionLimits = DEFAULT_LIMITS
) -> AsyncIterator[RunningIntake]:
    """Runs within the block; returns before it is ready."""
    lifetime = Lifetime()
    running = asyncio.create_task(run_intake(settings, lifetime, limits=limits))
    async with aiohttp.ClientSession() as session:
        member = MemberSystem(session, f"http://{settings.host}:{settings.port}")
        try:
            yield RunningIntake(member, lifetime, running)
        finally:
            lifetime.stop(reason="test")
            await running
