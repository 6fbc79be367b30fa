"""Routing's parts on a real PostgreSQL and broker, put together as `app.py` does, and called directly."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import orjson

from schemas.alert import AlertContent, AlertRecord, DutyNotice
from schemas.directory import DirectoryFile
from schemas.receipt import Decided
from schemas.sealed import alert_seal_context
from schemas.topics import ALERTS, CASE_EVENTS, RECEIPTS
from services.devstack.directory import build_sample, complete_keys
from services.devstack.keys import Keys
from services.routing.escalation import NEVER_AGAIN, Realert
from services.routing.handlers.answering import Answers
from services.routing.handlers.attesting import Attestor
from services.routing.handlers.batch import CaseEventBatches, Means
from services.routing.handlers.case_states import CaseMemory
from services.routing.handlers.climbing import Climber
from services.routing.handlers.directories import Directories, DirectoryDesk
from services.routing.handlers.enrolling import Enroller
from services.routing.handlers.explaining import Explainer
from services.routing.handlers.hand_over import HandOver
from services.routing.handlers.hastening import Hastening
from services.routing.handlers.identities import OPERATIONS_KEY_ID, Identities, build_operations_key
from services.routing.handlers.noticing import Notices
from services.routing.handlers.protocols import Protocols
from services.routing.handlers.publishing import ProtocolDesk
from services.routing.handlers.read_back import ReadBack
from services.routing.handlers.receipts import Consequences, ReceiptBatches
from services.routing.handlers.recording import Recorder
from services.routing.handlers.register import DutyRegister
from services.routing.handlers.reminding import Reminders
from services.routing.handlers.sending import Sender
from services.routing.handlers.stopping import Brake
from services.routing.handlers.withdrawing import Withdrawals
from services.routing.packs import load_packs
from services.routing.repository.directories import DirectoryRepository
from services.routing.repository.outbox import OutboxRepository
from services.routing.repository.packs import PackRepository
from services.routing.repository.register import RegisterRepository
from services.routing.repository.views import ViewRepository
from services.routing.rules import PackSet
from services.runtime.clock import SystemClock
from services.runtime.crypto import Kek, load_key_file, open_sealed
from services.runtime.database import Pool, open_pool
from services.runtime.ed25519 import SigningKey
from services.runtime.kafka import Publisher, ReceivedRecord, read_topic_to_end
from services.runtime.keyring import Keyring
from services.runtime.lifecycle import Lifetime
from tests.integration.routing.events import Sealer
from tests.support.servers import Broker, Database

LogPlace: TypeAlias = tuple[str, str, int]
"""Of which cluster, which topic and which of its partitions."""

PACKS = load_packs()
CLUSTER = "cluster-1"
OPERATOR = "0f" * 4


READER = SigningKey.generate()
"""Of `op-ana`, an operator in every sample directory."""


def sample_directory() -> DirectoryFile:
    """The shipped sample, with new keys but for the reader's."""
    keys = Keys(operator="tco_" + "x" * 16, operators={"op-ana": READER.render()})
    return DirectoryFile.model_validate(build_sample(complete_keys(keys)))


@dataclass(frozen=True, kw_only=True)
class Routing:
    """One routing process's worth of parts. Two of them may work on the same servers."""

    events: CaseEventBatches
    receipts: ReceiptBatches
    climber: Climber
    withdrawals: Withdrawals
    reminders: Reminders
    read_back: ReadBack
    hand_over: HandOver
    desk: DirectoryDesk
    enroller: Enroller
    directories: Directories
    protocols: Protocols
    protocol_desk: ProtocolDesk
    attestor: Attestor
    explainer: Explainer
    register: DutyRegister
    brake: Brake
    lifetime: Lifetime
    keyring: Keyring
    pool: Pool


@dataclass(frozen=True, kw_only=True)
class Rig:
    """The servers of a test, and what stands around routing on them."""

    database: Database
    broker: Broker
    secrets: Path
    sealer: Sealer
    publisher: Publisher
    admin: Pool = field(repr=False)
    starts: Mapping[LogPlace, int] = field(default_factory=dict)
    """Where the topics of a broker that several rigs use begin for this one."""
    read_by_intake: dict[int, int] = field(default_factory=dict)
    """The next offset of the receipts by partition."""

    @asynccontextmanager
    async def open_routing(
        self,
        *,
        packs: PackSet = PACKS,
        publisher: Publisher | None = None,
        cluster_id: str = CLUSTER,
        realert: Realert = NEVER_AGAIN,
        shifted: bool = False,
    ) -> AsyncIterator[Routing]:
        async with open_pool(self.database.url("routing"), size=4, shifted=shifted) as pool:
            yield await self._build(pool, packs, publisher or self.publisher, cluster_id, realert)

    async def _build(
        self, pool: Pool, packs: PackSet, publisher: Publisher, cluster_id: str, realert: Realert
    ) -> Routing:
        deployment_key = load_key_file(self.secrets / "deployment.key")
        operations_key = build_operations_key(deployment_key)
        keyring = Keyring(pool, Kek.load(self.secrets / "kek.json"))
        lifetime, clock, outbox = Lifetime(), SystemClock(), OutboxRepository(pool)
        brake, directories = Brake(lifetime), Directories(DirectoryRepository(pool))
        for topic in (CASE_EVENTS, RECEIPTS):
            await outbox.ensure_positions(
                cluster_id=cluster_id, topic=topic.name, partitions=topic.partitions
            )
        attestor = Attestor(deployment_key)
        protocols = Protocols(PackRepository(pool), attestor, clock=clock, current=packs)
        read_back = ReadBack(outbox, find_read=self._find_read)
        sender = Sender(publisher=publisher, read_back=read_back)
        means = Means(
            pool=pool,
            keyring=keyring,
            sender=sender,
            directories=directories,
            protocols=protocols,
            recorder=Recorder(Identities(deployment_key)),
            case_memory=CaseMemory(),
            operations_key=operations_key,
            cluster_id=cluster_id,
            clock=clock,
            realert=realert,
        )
        climber = Climber(means)
        desk = DirectoryDesk(pool, publisher, directories, deployment_key=deployment_key)
        notices = Notices(
            directories=directories,
            identities=Identities(deployment_key),
            operations_key=operations_key,
            cluster_id=cluster_id,
        )
        enroller = Enroller(desk, notices, sender)
        return Routing(
            events=CaseEventBatches(means, brake),
            receipts=ReceiptBatches(
                pool,
                consequences=Consequences(
                    answers=Answers(keyring, means.case_memory),
                    hastening=Hastening(Identities(deployment_key)),
                    notices=notices,
                    sender=sender,
                ),
                wake_climber=climber.wake,
                enroller=enroller,
                cluster_id=cluster_id,
                clock=clock,
                brake=brake,
            ),
            climber=climber,
            withdrawals=Withdrawals(means),
            reminders=Reminders(means, Identities(deployment_key)),
            read_back=read_back,
            hand_over=HandOver(outbox, sender, cluster_id=cluster_id),
            desk=desk,
            enroller=enroller,
            directories=directories,
            protocols=protocols,
            protocol_desk=ProtocolDesk(pool, protocols, attestor, clock=clock),
            attestor=attestor,
            register=DutyRegister(RegisterRepository(pool), keyring, operations_key=operations_key),
            explainer=Explainer(ViewRepository(pool), keyring, protocols, operations_key=operations_key),
            brake=brake,
            lifetime=lifetime,
            keyring=keyring,
            pool=pool,
        )

    async def _find_read(self) -> Mapping[int, int]:
        return self.read_by_intake

    # ---------------------------------------------------------------- what is in PostgreSQL

    async def rows(self, table: str, *, columns: str = "*") -> list[dict[str, Any]]:
        """In the order of the first two columns."""
        rows = await self.admin.fetch(f"SELECT {columns} FROM routing.{table} ORDER BY 1, 2")  # noqa: S608 -- ours
        return [dict(row) for row in rows]

    async def count(self, table: str) -> int:
        found: int = await self.admin.fetchval(f"SELECT count(*) FROM routing.{table}")  # noqa: S608 -- ours
        return found

    async def position(self, *, topic: str = CASE_EVENTS.name, partition: int = 0) -> int:
        found: int = await self.admin.fetchval(
            "SELECT next_offset FROM routing.position "
            "WHERE cluster_id = $1 AND topic = $2 AND partition = $3",
            CLUSTER,
            topic,
            partition,
        )
        return found

    async def ledger(self) -> dict[str, list[dict[str, Any]]]:
        """Every table that a batch writes."""
        tables = ("decision", "alert", "duty", "ladder", "outbox", "quarantine", "position", "receipt")
        return {table: await self.rows(table) for table in tables}

    # -------------------------------------------------------------------- what is on topics

    async def published(self, topic: str, *, partitions: int = ALERTS.partitions) -> list[ReceivedRecord]:
        cluster_id = self.broker.cluster_id

        def is_own(record: ReceivedRecord) -> bool:
            return record.offset >= self.starts.get((cluster_id, record.topic, record.partition), 0)

        return await read_topic_to_end(self.broker.bootstrap, topic, partitions=partitions, keep=is_own)

    async def published_alerts(self) -> list[AlertRecord]:
        return [
            AlertRecord.model_validate_json(record.value or b"")
            for record in await self.published(ALERTS.name)
        ]

    async def published_receipts(self) -> list[Decided]:
        return [
            Decided.model_validate_json(record.value or b"") for record in await self.published(RECEIPTS.name)
        ]

    async def open_content(self, alert: AlertRecord) -> Mapping[str, Any]:
        """The sealed content, as notify reads it."""
        context = alert_seal_context(
            alert_id=str(alert.alert_id), agency=alert.agency, revision=alert.revision
        )
        key = await self._find_key(alert.key_id)
        plaintext = open_sealed(key, alert.sealed, context=context)
        model = DutyNotice if alert.form == "duty_notice" else AlertContent
        model.model_validate_json(plaintext)
        content: Mapping[str, Any] = orjson.loads(plaintext)
        return content

    async def _find_key(self, key_id: UUID) -> bytes:
        if key_id == OPERATIONS_KEY_ID:
            return build_operations_key(load_key_file(self.secrets / "deployment.key")).secret
        keyring = Keyring(self.admin, Kek.load(self.secrets / "kek.json"))
        key = (await keyring.find_keys([key_id]))[key_id]
        assert key is not None
        return key.secret


def alerts_by_agency(alerts: Sequence[AlertRecord]) -> dict[str, list[AlertRecord]]:
    found: dict[str, list[AlertRecord]] = {}
    for alert in alerts:
        found.setdefault(alert.agency, []).append(alert)
    return found
