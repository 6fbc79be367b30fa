"""Notify on real servers: what routing would publish goes in, what routing would read comes out."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict, Unpack
from uuid import UUID, uuid4

import aiohttp
import asyncpg
from pydantic import SecretStr

from schemas.alert import AlertForm, AlertRecord, Command, RungTo
from schemas.directory import (
    AgencyRecord,
    Contact,
    DirectorySnapshot,
    EndpointRecord,
    endpoint_id,
    endpoint_seal_context,
)
from schemas.receipt import RECEIPT, Receipt, ReceiptKind
from schemas.sealed import alert_seal_context
from schemas.topics import ALERTS, DIRECTORY, RECEIPTS, Topic
from schemas.vocabulary import AgencyStatus, EndpointContent, Role, Rung, Urgency
from services.notify.app import run_notify
from services.notify.contents import OPERATIONS_KEY_ID
from services.notify.passphrases import RFC_9106, Hardness
from services.notify.schedule import SCHEDULES, Schedule, Schedules
from services.notify.settings import MailTls, NotifySettings
from services.runtime.crypto import Kek, derive_key, hash_api_key, load_key_file, seal
from services.runtime.database import Pool, open_pool
from services.runtime.kafka import (
    KafkaSettings,
    ReceivedRecord,
    Record,
    open_publisher,
    read_topic_to_end,
)
from services.runtime.keyring import CaseKey, Keyring
from services.runtime.lifecycle import Lifetime
from services.runtime.settings import Durability
from tests.support.following import open_follower
from tests.support.mailbox import Mailbox
from tests.support.ports import free_port
from tests.support.receivers import Receiver
from tests.support.servers import Broker, Database
from tests.support.waiting import SECONDS
from tests.unit.notify.records import alert_content, alert_record, duty_notice

QUICK: Schedules = dict.fromkeys(
    SCHEDULES, Schedule((timedelta(milliseconds=50),) * 3, repeat=timedelta(milliseconds=100))
)
"""For tests of what a retry does, not of when."""
ONE_ATTEMPT: Schedules = dict.fromkeys(SCHEDULES, Schedule((), repeat=timedelta(hours=1)))
"""For tests that look at the first one, however slow this machine is."""

COORDINATOR = AgencyRecord(
    id="ag-tfc",
    name="Coordinator",
    roles=[Role.TF_COORDINATOR],
    counties="*",
    contacts=[Contact(rung=Rung.PRIMARY, email="desk@tfc.example", phone="+1 661 555 0100")],
)
NOT_SOON = datetime(2126, 3, 4, 6, 55, tzinfo=UTC)
"""Nothing is late in a test that is not about that."""

_FORGET = """
DO $$
DECLARE
  known record;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR known IN SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
    WHERE schemaname IN ('notify', 'keyring') AND tablename <> 'directory'
  LOOP
    EXECUTE format('DELETE FROM %s', known.name);
  END LOOP;
END $$
"""
"""Without a TRUNCATE's locks: a notify runs meanwhile."""

_PASSED_OVER = frozenset({"stored", "unreachable", "endpoint_suspended", "endpoint_resumed"})


class Given(TypedDict, total=False):
    """What may differ from one alert to the next."""

    agency: str
    alert_id: UUID
    revision: int
    form: AlertForm
    urgency: Urgency
    command: Command
    acknowledge_by: datetime
    mandated: bool
    exercise: bool
    contact: Rung
    rung_of: UUID
    rung_to: RungTo
    decided_at: datetime


@dataclass
class Rig:
    """A database, a broker and keys; everything that is not notify itself."""

    database: Database
    broker: Broker
    secrets: Path
    admin: Pool = field(repr=False)
    """The owner's. It is kept: to connect costs ninety times what a query costs."""
    agencies: dict[str, AgencyRecord] = field(default_factory=lambda: {COORDINATOR.id: COORDINATOR})
    version: int = 0
    _keys: dict[str, CaseKey] = field(default_factory=dict, repr=False)
    _sealed: set[UUID] = field(default_factory=set, repr=False)
    _forgotten: set[UUID] = field(default_factory=set, repr=False)
    _receipts_from: dict[int, int] = field(default_factory=dict, repr=False)

    async def forget(self) -> None:
        """Begins anew in the same database and on the same broker, with the directory as it is.

        What routing is still told of an alert sealed before does not count as a receipt.
        """
        self._forgotten |= self._sealed
        for record in await self._read_receipts():
            self._receipts_from[record.partition] = record.offset + 1
        await wait_until(self._is_forgotten)
        self._keys.clear()

    async def _is_forgotten(self) -> bool:
        try:
            await self.query(_FORGET)
        except asyncpg.DeadlockDetectedError:
            # With something that notify still wrote of an earlier test.
            return False
        return True

    @property
    def kafka(self) -> KafkaSettings:
        return self.broker.settings(member="rig")

    @property
    def deployment_key(self) -> bytes:
        return load_key_file(self.secrets / "deployment.key")

    def settings(self, *, mailbox: Mailbox | None = None, **changes: object) -> NotifySettings:
        given: dict[str, object] = {
            "port": free_port(),
            "kafka": self.broker.bootstrap,
            "kafka_membership": self.broker.server.membership,
            "kafka_idempotence": self.broker.server.idempotence,
            "database_url": SecretStr(self.database.url("notify")),
            "kek_file": self.secrets / "kek.json",
            "deployment_key_file": self.secrets / "deployment.key",
            "durability": Durability.MEMORY,
            "notify_public_url": "https://notify.example",
            "notify_smtp": None if mailbox is None else f"127.0.0.1:{mailbox.port}",
            "notify_smtp_tls": MailTls.OFF,
            "notify_allow_cidrs": "127.0.0.0/8",
            "notify_allow_http": True,
            **changes,
        }
        return NotifySettings.model_validate(given)

    async def add_agency(
        self,
        name: str,
        *receivers: Receiver,
        content: EndpointContent = EndpointContent.DISCLOSED,
        email: str | None = None,
        backup: str | None = None,
        key: str | None = None,
        status: AgencyStatus = AgencyStatus.ACTIVE,
        agreement_until: datetime | None = NOT_SOON,
        drilled: Collection[str] = (),
    ) -> None:
        """Publishes a new version of the directory with this agency in it.

        `drilled` are the URLs and addresses that accept exercises.
        """
        emails = {Rung.PRIMARY: email, Rung.BACKUP: backup}
        contacts = [
            Contact(rung=rung, email=email, exercises=email in drilled)
            for rung, email in emails.items()
            if email is not None
        ]
        self.agencies[name] = AgencyRecord(
            id=name,
            name=name,
            roles=[Role.CHILD_WELFARE],
            counties="*",
            status=status,
            agreement_until=agreement_until,
            contacts=contacts,
            endpoints=[
                self._endpoint(name, receiver, content).model_copy(
                    update={"exercises": receiver.url in drilled}
                )
                for receiver in receivers
            ],
            key_hashes=[] if key is None else [hash_api_key(key)],
        )
        await self.publish_directory()

    async def publish_directory(self) -> None:
        self.version += 1
        snapshot = DirectorySnapshot(
            version=self.version,
            applied_at=datetime(2026, 3, 1, tzinfo=UTC),
            agencies=list(self.agencies.values()),
            sources=[],
        )
        await self.publish(DIRECTORY, (b"directory", snapshot.model_dump_json(exclude_none=True).encode()))

    async def seal_alert(self, *, for_operations: bool = False, **given: Unpack[Given]) -> AlertRecord:
        """An alert as routing would make it: sealed under its case's key."""
        key_id, key = await self._find_key("01JNF0Z6W3", for_operations=for_operations)
        facts = {
            "alert_id": uuid4(),
            "key_id": key_id,
            "directory_version": self.version,
            "acknowledge_by": NOT_SOON,
            **given,
        }
        plain = alert_record().model_copy(update=facts)
        self._sealed.add(plain.alert_id)
        is_alert = plain.form is AlertForm.ALERT
        content = alert_content(plain) if is_alert else duty_notice(plain)
        context = alert_seal_context(
            alert_id=str(plain.alert_id), agency=plain.agency, revision=plain.revision
        )
        sealed = seal(key, content.model_dump_json(exclude_unset=True).encode(), context=context)
        return plain.model_copy(update={"sealed": sealed})

    async def publish_alerts(self, *alerts: AlertRecord) -> None:
        await self.publish(
            ALERTS, *((alert.case_ref.encode(), alert.model_dump_json().encode()) for alert in alerts)
        )

    async def send_alert(self, **given: Unpack[Given]) -> AlertRecord:
        alert = await self.seal_alert(**given)
        await self.publish_alerts(alert)
        return alert

    async def publish(self, topic: Topic, *records: tuple[bytes, bytes]) -> None:
        async with open_publisher(self.kafka) as publisher:
            await publisher.publish([Record(topic.name, key=key, value=value) for key, value in records])

    async def read_receipts(self) -> list[Receipt]:
        return self._parse_receipts(await self._read_receipts())

    def _parse_receipts(self, records: Iterable[ReceivedRecord]) -> list[Receipt]:
        fresh = [each for each in records if each.offset >= self._receipts_from.get(each.partition, 0)]
        receipts = [RECEIPT.validate_json(record.value or b"") for record in fresh]
        kinds = [dict(record.headers)["kind"].decode() for record in fresh]
        assert kinds == [receipt.kind.value for receipt in receipts]
        return [
            receipt
            for receipt in receipts
            if receipt.kind is not ReceiptKind.PULSE
            and getattr(receipt, "alert_id", None) not in self._forgotten
        ]

    async def _read_receipts(self) -> list[ReceivedRecord]:
        return await read_topic_to_end(self.broker.bootstrap, RECEIPTS.name, partitions=RECEIPTS.partitions)

    async def wait_for_receipts(self, *kinds: str) -> list[Receipt]:
        """Returns when exactly these are there, in any order; `stored` counts only if it is asked for.

        Whether an alert's result comes before the moment after which it is told as stored is chance. That no
        path is left, or an endpoint is suspended, counts only if it is asked for, too.
        """
        passed_over = _PASSED_OVER - set(kinds)

        def are_there(receipts: Sequence[Receipt]) -> bool:
            told = [receipt.kind.value for receipt in receipts]
            return sorted(kind for kind in told if kind not in passed_over) == sorted(kinds)

        return await self._follow_receipts(are_there)

    async def wait_until_told(self, *kinds: str) -> None:
        """Returns when routing has heard of each kind, some perhaps more than once (after a kill)."""

        def are_told(receipts: Sequence[Receipt]) -> bool:
            told = {receipt.kind.value for receipt in receipts}
            return told - (_PASSED_OVER - set(kinds)) == set(kinds)

        await self._follow_receipts(are_told)

    async def _follow_receipts(self, fact: Callable[[Sequence[Receipt]], bool]) -> list[Receipt]:
        """All of them, once what the topic holds is so: one consumer looks again and again."""
        async with asyncio.timeout(SECONDS), open_follower(self.broker.bootstrap, RECEIPTS) as read_on:
            records = await read_on()
            while not fact(receipts := self._parse_receipts(records)):
                records += await read_on()
        return receipts

    async def query(self, statement: str, *arguments: object) -> list[Mapping[str, Any]]:
        return [dict(row) for row in await self.admin.fetch(statement, *arguments)]

    async def wait_for_row(self, statement: str, *arguments: object) -> Mapping[str, Any]:
        """The first row, once there is one."""

        async def is_there() -> bool:
            return bool(await self.query(statement, *arguments))

        await wait_until(is_there)
        return (await self.query(statement, *arguments))[0]

    @asynccontextmanager
    async def database_away(self) -> AsyncIterator[None]:
        """Within the block notify is not connected to the database, and cannot be."""
        await self.query("ALTER ROLE tocsin_notify CONNECTION LIMIT 0")
        await self.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tocsin_notify'"
        )
        try:
            yield
        finally:
            await self.query("ALTER ROLE tocsin_notify CONNECTION LIMIT -1")

    async def shred(self, key_id: UUID) -> None:
        await self.query("UPDATE keyring.case_key SET wrapped = NULL WHERE key_id = $1", key_id)
        self._keys.clear()

    def _endpoint(self, agency: str, receiver: Receiver, content: EndpointContent) -> EndpointRecord:
        endpoint = endpoint_id(agency=agency, url=receiver.url)
        key = derive_key(self.deployment_key, "directory")
        context = endpoint_seal_context(agency=agency, endpoint=endpoint)
        return EndpointRecord(
            endpoint_id=endpoint,
            url=receiver.url,
            content=content,
            secret_sealed=seal(key, receiver.secret.encode(), context=context),
        )

    async def _find_key(self, case_ref: str, *, for_operations: bool) -> tuple[UUID, bytes]:
        if for_operations:
            return OPERATIONS_KEY_ID, derive_key(self.deployment_key, "operations")
        if case_ref not in self._keys:
            async with open_pool(self.database.url("intake"), size=1) as pool:
                keyring = Keyring(pool, Kek.load(self.secrets / "kek.json"))
                self._keys |= await keyring.ensure_keys([case_ref])
        key = self._keys[case_ref]
        return key.key_id, key.secret


def kinds(receipts: Iterable[Receipt]) -> Counter[str]:
    """How many there are of each."""
    return Counter(receipt.kind.value for receipt in receipts)


async def wait_until(fact: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await fact():  # noqa: ASYNC110 - it happens behind a server
            await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Reply:
    """All of an answer."""

    status: int
    headers: Mapping[str, str]
    text: str
    body: Any


@dataclass
class RunningNotify:
    """One notify in this process."""

    url: str
    session: aiohttp.ClientSession
    lifetime: Lifetime
    running: "asyncio.Task[None]"

    async def ask(
        self,
        method: str,
        path: str,
        *,
        key: str | None = None,
        json: object = None,
        data: bytes | None = None,
    ) -> Reply:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        if data is not None:
            headers["content-type"] = "application/json"
        async with self.session.request(
            method, self.url + path, headers=headers, json=json, data=data
        ) as response:
            text = await response.text()
            is_json = "json" in response.content_type
            body = await response.json(content_type=None) if is_json else None
            return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, text, body)

    async def wait_ready(self, version: int) -> None:
        async def is_ready() -> bool:
            try:
                reply = await self.ask("GET", "/readyz")
            except aiohttp.ClientConnectionError:
                return False
            return reply.status == 200 and reply.body["directory_version"] >= version

        await wait_until(is_ready)

    async def wait_unready(self) -> None:
        async def is_unready() -> bool:
            return (await self.ask("GET", "/readyz")).status == 503

        await wait_until(is_unready)

    async def stop(self) -> int:
        """The exit code."""
        self.lifetime.stop(reason="test")
        await self.running
        return int(self.lifetime.exit_code)


@asynccontextmanager
async def running_notify(
    rig: Rig,
    settings: NotifySettings,
    *,
    schedules: Schedules = QUICK,
    hardness: Hardness = RFC_9106,
) -> AsyncIterator[RunningNotify]:
    """Runs within the block, ready for the directory as it is at its beginning."""
    lifetime = Lifetime()
    notifying = run_notify(settings, lifetime, schedules=schedules, hardness=hardness)
    running = asyncio.create_task(notifying)
    async with aiohttp.ClientSession() as session:
        notify = RunningNotify(f"http://{settings.host}:{settings.port}", session, lifetime, running)
        try:
            if rig.version:
                await notify.wait_ready(rig.version)
            yield notify
        finally:
            await notify.stop()
