"""The composition root: builds routing from its settings, and ends it in order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from schemas.topics import CASE_EVENTS, DIRECTORY, RECEIPTS, TOPICS
from services.routing import logbook
from services.routing.api import Desk, RoutingApi, build_app
from services.routing.escalation import Realert
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
from services.routing.handlers.identities import Identities, build_operations_key
from services.routing.handlers.noticing import Notices
from services.routing.handlers.operators import Operators
from services.routing.handlers.protocols import Protocols
from services.routing.handlers.publishing import ProtocolDesk
from services.routing.handlers.read_back import ReadBack
from services.routing.handlers.receipts import Consequences, ReceiptBatches
from services.routing.handlers.recording import Recorder
from services.routing.handlers.register import DutyRegister
from services.routing.handlers.reminding import Reminders
from services.routing.handlers.rotating import Rotator
from services.routing.handlers.seeding import check_seeds, seed_packs
from services.routing.handlers.sending import Sender
from services.routing.handlers.signatures import Signatures
from services.routing.handlers.snapshots import derive_directory_key
from services.routing.handlers.stopping import Brake
from services.routing.handlers.stranding import Stranding
from services.routing.handlers.withdrawing import Withdrawals
from services.routing.packs import ReadPacks, read_folder
from services.routing.repository.directories import DirectoryRepository
from services.routing.repository.outbox import OutboxRepository
from services.routing.repository.packs import PackRepository
from services.routing.repository.register import RegisterRepository
from services.routing.repository.stranded import StrandedRepository
from services.routing.repository.views import ViewRepository
from services.routing.settings import RoutingSettings
from services.routing.subscribers import EVENTS_GROUP, RECEIPTS_GROUP, subscribe_all
from services.runtime.clock import SystemClock
from services.runtime.connections import DEFAULT_LIMITS, ConnectionLimits
from services.runtime.crypto import Kek, load_key_file
from services.runtime.database import Pool, check_database, open_pool
from services.runtime.health import NotReadyError, Probes, health_routes
from services.runtime.http import open_server
from services.runtime.kafka import (
    ClusterWatch,
    KafkaAdmin,
    KafkaSettings,
    Publisher,
    ReceivedRecord,
    build_broker,
    check_topics,
    find_committed,
    open_admin,
    open_cluster_watch,
    open_consumers,
    open_publisher,
    read_topic_to_end,
    rewind_commits,
    stop_on_cluster_change,
)
from services.runtime.keyring import Keyring
from services.runtime.lifecycle import Lifetime, background, run, unless_stopped
from services.runtime.logs import configure, get_logger
from services.runtime.stranded import StrandedWatch

log = get_logger()

POOL_SIZE: Final = 8
KEYS_IN_MEMORY: Final = 1_000


def main() -> int:
    """Runs routing from the environment; returns the exit code."""
    settings = RoutingSettings.from_environment()
    configure(
        service=settings.service,
        catalogue=logbook.CATALOGUE,
        format=settings.log_format,
        level=settings.log_level,
    )
    return run(lambda lifetime: run_routing(settings, lifetime))


async def run_routing(
    settings: RoutingSettings, lifetime: Lifetime, *, limits: ConnectionLimits = DEFAULT_LIMITS
) -> None:
    """Serves until the lifetime ends: liveness at once, decisions once there is a directory."""
    seeds = check_seeds(read_folder(settings.routing_protocols))
    probes = Probes(clock=SystemClock())
    api = RoutingApi(Operators(settings.routing_operator_keys))
    probes.add_check("connected", lambda: _check_connected(api))
    app = build_app(api, routes=health_routes(probes))
    # The server is entered last and left first: requests in hand are answered before what they need closes.
    async with (
        AsyncExitStack() as resources,
        open_server(app, host=settings.host, port=settings.port, lifetime=lifetime, limits=limits) as address,
    ):
        log.info(
            "service.started",
            host=address.host,
            port=address.port,
            member=settings.member,
            durability=settings.durability,
        )
        opening = resources.enter_async_context(
            open_routing(settings, seeds, api=api, probes=probes, lifetime=lifetime)
        )
        await unless_stopped(lifetime, opening)
        await lifetime.wait()


@asynccontextmanager
async def open_routing(
    settings: RoutingSettings, seeds: ReadPacks, *, api: RoutingApi, probes: Probes, lifetime: Lifetime
) -> AsyncIterator[None]:
    """Routing with everything it needs; waits for PostgreSQL, Kafka and the first directory.

    Operators are served before that, since they apply the directory.
    """
    async with (
        open_pool(settings.database_url, size=POOL_SIZE, shifted=settings.is_shifted) as pool,
        open_cluster_watch(settings.kafka_settings) as watch,
        open_publisher(settings.kafka_settings) as publisher,
        open_admin(settings.kafka_settings) as admin,
    ):
        kafka = settings.kafka_settings.in_cluster(watch.cluster_id)
        parts = _build_parts(
            settings, pool=pool, watch=watch, publisher=publisher, admin=admin, lifetime=lifetime
        )
        await seed_packs(pool, parts.attestor, seeds, seeding=settings.routing_seeding)
        await parts.protocols.load_first()
        await check_topics(kafka, TOPICS, durability=settings.durability)
        await _prepare_cluster(parts, kafka)
        parts.connect(api)
        _add_probes(probes, parts)
        async with background(
            lifetime,
            stop_on_cluster_change(watch, lifetime),
            parts.directories.follow_for_ever(),
            parts.desk.directory.publish_missing_for_ever(partial(_read_directory, kafka)),
            parts.protocols.follow_for_ever(),
        ):
            await parts.directories.wait_for_first()
            async with _open_consumers(kafka, parts, probes=probes, lifetime=lifetime):
                yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Routing, put together."""

    pool: Pool
    watch: ClusterWatch
    outbox: OutboxRepository
    directories: Directories
    attestor: Attestor
    protocols: Protocols
    desk: Desk
    hand_over: HandOver
    read_back: ReadBack
    events: CaseEventBatches
    receipts: ReceiptBatches
    climber: Climber
    withdrawals: Withdrawals
    stranded: StrandedWatch
    reminders: Reminders
    brake: Brake

    def connect(self, api: RoutingApi) -> None:
        api.desk = self.desk


def _build_parts(
    settings: RoutingSettings,
    *,
    pool: Pool,
    watch: ClusterWatch,
    publisher: Publisher,
    admin: KafkaAdmin,
    lifetime: Lifetime,
) -> Parts:
    deployment_key, clock = load_key_file(settings.deployment_key_file), settings.clock
    outbox, brake = OutboxRepository(pool), Brake(lifetime)
    attestor = Attestor(deployment_key)
    protocols = Protocols(PackRepository(pool), attestor, clock=clock)
    kafka = settings.kafka_settings.in_cluster(watch.cluster_id)
    read_back = ReadBack(
        outbox, find_read=lambda: find_committed(admin, kafka, settings.intake_receipts_group, RECEIPTS)
    )
    sender = Sender(publisher=publisher, read_back=read_back)
    means = _build_means(settings, pool, sender, protocols, deployment_key, cluster_id=watch.cluster_id)
    climber, identities = Climber(means), Identities(deployment_key)
    desk = _build_desk(means, attestor, deployment_key=deployment_key)
    return Parts(
        pool=pool,
        watch=watch,
        outbox=outbox,
        directories=means.directories,
        attestor=attestor,
        protocols=protocols,
        desk=desk,
        hand_over=HandOver(outbox, sender, cluster_id=watch.cluster_id),
        events=CaseEventBatches(means, brake),
        read_back=read_back,
        receipts=_build_receipts(means, climber, identities, enroller=desk.enroller, brake=brake),
        climber=climber,
        withdrawals=Withdrawals(means),
        stranded=StrandedWatch(Stranding(StrandedRepository(pool)).count),
        reminders=Reminders(means, identities),
        brake=brake,
    )


def _build_means(
    settings: RoutingSettings,
    pool: Pool,
    sender: Sender,
    protocols: Protocols,
    deployment_key: bytes,
    *,
    cluster_id: str,
) -> Means:
    return Means(
        pool=pool,
        keyring=Keyring(pool, Kek.load(settings.kek_file), size=KEYS_IN_MEMORY),
        sender=sender,
        directories=Directories(DirectoryRepository(pool)),
        protocols=protocols,
        recorder=Recorder(Identities(deployment_key)),
        case_memory=CaseMemory(),
        operations_key=build_operations_key(deployment_key),
        cluster_id=cluster_id,
        clock=settings.clock,
        realert=Realert(settings.routing_realert_every, settings.routing_realert_most),
    )


def _build_receipts(
    means: Means, climber: Climber, identities: Identities, *, enroller: Enroller, brake: Brake
) -> ReceiptBatches:
    return ReceiptBatches(
        means.pool,
        enroller=enroller,
        consequences=Consequences(
            answers=Answers(means.keyring, means.case_memory),
            hastening=Hastening(identities),
            notices=_build_notices(means, identities),
            sender=means.sender,
        ),
        wake_climber=climber.wake,
        cluster_id=means.cluster_id,
        clock=means.clock,
        brake=brake,
    )


def _build_notices(means: Means, identities: Identities) -> Notices:
    return Notices(
        directories=means.directories,
        identities=identities,
        operations_key=means.operations_key,
        cluster_id=means.cluster_id,
    )


def _build_desk(means: Means, attestor: Attestor, *, deployment_key: bytes) -> Desk:
    pool, clock, directories = means.pool, means.clock, means.directories
    directory_desk = DirectoryDesk(pool, means.sender.publisher, directories, deployment_key=deployment_key)
    return Desk(
        directory_desk,
        Explainer(ViewRepository(pool), means.keyring, means.protocols, operations_key=means.operations_key),
        Rotator(directory_desk, directory_key=derive_directory_key(deployment_key)),
        ProtocolDesk(pool, means.protocols, attestor, clock=clock),
        Signatures(directories, clock),
        DutyRegister(RegisterRepository(pool), means.keyring, operations_key=means.operations_key),
        Enroller(directory_desk, _build_notices(means, Identities(deployment_key)), means.sender),
    )


async def _prepare_cluster(parts: Parts, kafka: KafkaSettings) -> None:
    """A cluster that we have not seen starts at 0 and is told the directory.

    Its committed offsets may lie beyond our positions: a predecessor that had not yet noticed that the log
    was lost may have committed the old cluster's. Starting there would be a gap that never closes.
    """
    for group, topic in ((EVENTS_GROUP, CASE_EVENTS), (RECEIPTS_GROUP, RECEIPTS)):
        positions = await parts.outbox.ensure_positions(
            cluster_id=parts.watch.cluster_id, topic=topic.name, partitions=topic.partitions
        )
        await rewind_commits(kafka, kafka.name_group(group), topic.name, not_beyond=positions)
    await parts.desk.directory.publish_newer_than(await _read_directory(kafka))


async def _read_directory(kafka: KafkaSettings) -> list[ReceivedRecord]:
    return await read_topic_to_end(kafka, DIRECTORY.name, partitions=DIRECTORY.partitions)


@asynccontextmanager
async def _open_consumers(
    kafka: KafkaSettings, parts: Parts, *, probes: Probes, lifetime: Lifetime
) -> AsyncIterator[None]:
    broker = build_broker(kafka)
    subscriptions = subscribe_all(
        broker,
        kafka,
        events=parts.events.handle,
        receipts=parts.receipts.handle,
        lifetime=lifetime,
    )
    probes.add_check("events_consumer", subscriptions.events.check)
    probes.add_check("receipts_consumer", subscriptions.receipts.check)
    probes.add_fact("consumers", subscriptions.describe)
    async with (
        open_consumers(broker),
        background(
            lifetime,
            parts.hand_over.sweep_for_ever(),
            parts.read_back.settle_for_ever(),
            parts.climber.climb_for_ever(),
            parts.withdrawals.look_for_ever(),
            parts.stranded.look_for_ever(),
            parts.reminders.remind_for_ever(),
        ),
    ):
        yield


def _add_probes(probes: Probes, parts: Parts) -> None:
    probes.add_check("postgres", lambda: check_database(parts.pool))
    probes.add_check("kafka", parts.watch.check)
    probes.add_check("directory", parts.directories.check)
    probes.add_check("decidable", parts.brake.check)
    probes.add_fact("directory_version", lambda: parts.directories.version)
    probes.add_fact("without_next_step", parts.stranded.describe)
    probes.add_fact("pack_revision", lambda: parts.protocols.revision)


async def _check_connected(api: RoutingApi) -> None:
    if api.desk is None:
        raise NotReadyError("waiting for PostgreSQL and Kafka")
