"""Intake in this process, on the servers of the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from pydantic import SecretStr

import services.intake
from schemas.directory import DirectorySnapshot
from schemas.topics import DIRECTORY, TOPICS
from services.intake.app import run_intake
from services.intake.settings import IntakeSettings
from services.runtime.kafka import KafkaSettings, Record, TopicSpec, ensure_topics, open_publisher
from services.runtime.lifecycle import Lifetime
from services.runtime.migrate import KEYRING_MIGRATIONS, KEYRING_TABLE, apply_migrations
from services.runtime.settings import Durability, Membership
from tests.integration.intake.client import MemberSystem
from tests.integration.runtime.servers import KafkaServer, PostgresServer, free_port

MIGRATIONS = Path(services.intake.__file__).parent / "migrations"


@dataclass(frozen=True)
class Servers:
    postgres: PostgresServer
    kafka: KafkaServer
    secrets: Path
    """The folder of the key files."""

    @property
    def kafka_settings(self) -> KafkaSettings:
        return KafkaSettings(
            bootstrap=self.kafka.bootstrap, membership=Membership.SOLE, idempotence=False, member="test-0"
        )

    def settings(self, *, rate: int = 2000) -> IntakeSettings:
        return IntakeSettings(
            port=free_port(),
            kafka=self.kafka.bootstrap,
            kafka_membership=Membership.SOLE,
            kafka_idempotence=False,
            database_url=SecretStr(self.postgres.url("tocsin_intake")),
            kek_file=self.secrets / "kek.json",
            deployment_key_file=self.secrets / "deployment.key",
            durability=Durability.MEMORY,
            intake_rate=rate,
        )


def migrate(postgres: PostgresServer) -> None:
    apply_migrations(postgres.url(), KEYRING_MIGRATIONS, KEYRING_TABLE)
    apply_migrations(postgres.url(), MIGRATIONS, "intake.schema_migrations")


async def make_topics(servers: Servers) -> None:
    specs = [TopicSpec(topic.name, topic.partitions, topic.config) for topic in TOPICS]
    await ensure_topics(servers.kafka.bootstrap, specs)


async def publish_directory(servers: Servers, snapshot: DirectorySnapshot) -> None:
    record = Record(DIRECTORY.name, key=b"directory", value=snapshot.model_dump_json(exclude_none=True).encode())
    async with open_publisher(servers.kafka_settings) as publisher:
        await publisher.publish([record])


@dataclass(frozen=True)
class RunningIntake:
    """One intake; `member` talks to it."""

    member: MemberSystem
    lifetime: Lifetime
    running: "asyncio.Task[None]"

    async def wait_ready(self, *, version: int = 1) -> None:
        """Returns when events are taken, by this version of the directory or a later one."""
        async with asyncio.timeout(20):
            while not await self._is_ready(version):
                await asyncio.sleep(0.02)

    async def wait_unready(self) -> None:
        async with asyncio.timeout(20):
            while (await self.member.ask("GET", "/readyz")).status == 200:
                await asyncio.sleep(0.02)

    async def _is_ready(self, version: int) -> bool:
        with suppress(aiohttp.ClientConnectionError):
            reply = await self.member.ask("GET", "/readyz")
            return reply.status == 200 and reply.body["directory_version"] >= version
        return False


@asynccontextmanager
async def open_intake(settings: IntakeSettings) -> AsyncIterator[RunningIntake]:
    """Serves within the block; not waited for."""
    lifetime = Lifetime()
    running = asyncio.create_task(run_intake(settings, lifetime))
    async with aiohttp.ClientSession() as session:
        member = MemberSystem(session, f"http://{settings.host}:{settings.port}")
        try:
            yield RunningIntake(member, lifetime, running)
        finally:
            lifetime.stop(reason="test")
            await running
