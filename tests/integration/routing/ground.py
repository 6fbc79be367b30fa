"""What routing's tests stand on, one after the other: servers, connections and the sample directory."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from services.runtime.crypto import Kek
from services.runtime.database import Pool, open_pool
from services.runtime.kafka import Place, Publisher, PublishError, Record, open_publisher
from services.runtime.keyring import Keyring
from tests.integration.routing.events import Sealer
from tests.integration.routing.rig import OPERATOR, LogPlace, Rig, sample_directory
from tests.support.databases import CLEAR
from tests.support.servers import Broker, Database

SAMPLE = sample_directory()


class WatchedPublisher(Publisher):
    """Knows how far the topics go by what it published itself: a broker tells only who reads them."""

    def __init__(self, publisher: Publisher, broker: Broker) -> None:
        vars(self).update(vars(publisher))
        self._broker = broker
        self.ends: dict[LogPlace, int] = {}

    async def publish_each(self, records: Sequence[Record]) -> list[Place | PublishError]:
        outcomes = await super().publish_each(records)
        for record, outcome in zip(records, outcomes, strict=True):
            if not isinstance(outcome, PublishError):
                partition, offset = outcome
                self.ends[self._broker.cluster_id, record.topic, partition] = offset + 1
        return outcomes


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Servers and connections that rigs use one after the other: to make them costs more than a test does."""

    database: Database
    broker: Broker
    secrets: Path
    intake: Pool = field(repr=False)
    admin: Pool = field(repr=False)
    publisher: WatchedPublisher

    async def begin(self) -> Rig:
        """In whose database and topics nothing is but the sample directory."""
        await self.admin.execute(CLEAR)
        rig = Rig(
            database=self.database,
            broker=self.broker,
            secrets=self.secrets,
            sealer=Sealer(Keyring(self.intake, Kek.load(self.secrets / "kek.json"))),
            publisher=self.publisher,
            admin=self.admin,
            starts=dict(self.publisher.ends),
        )
        async with rig.open_routing() as routing:
            await routing.desk.apply(SAMPLE, operator=OPERATOR)
        return rig


@asynccontextmanager
async def open_ground(database: Database, broker: Broker, secrets: Path) -> AsyncIterator[Ground]:
    async with (
        open_pool(database.url("intake"), size=1) as intake,
        asyncpg.create_pool(database.admin, min_size=1, max_size=2) as admin,
        open_publisher(broker.settings(member="test-0")) as publisher,
    ):
        yield Ground(
            database=database,
            broker=broker,
            secrets=secrets,
            intake=intake,
            admin=admin,
            publisher=WatchedPublisher(publisher, broker),
        )
