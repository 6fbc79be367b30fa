"""The composition root: builds intake from its settings, and ends it in order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from schemas.topics import TOPICS
from services.intake import logbook
from services.intake.api import Front, IntakeApi, build_app
from services.intake.handlers.directory import Directory
from services.intake.handlers.intake import Intake
from services.intake.handlers.keydesk import KeyDesk
from services.intake.handlers.receiving import Receiver
from services.intake.handlers.status import StatusDesk
from services.intake.ingress.rate import RateLimiter
from services.intake.repository import Repository
from services.intake.settings import IntakeSettings
from services.intake.subscribers import Subscriptions, subscribe_all
from services.runtime.clock import SystemClock, new_correlation_id
from services.runtime.connections import DEFAULT_LIMITS, ConnectionLimits
from services.runtime.crypto import Kek
from services.runtime.database import Pool, check_database, open_pool
from services.runtime.health import NotReadyError, Probes, health_routes
from services.runtime.http import open_server
from services.runtime.kafka import (
    ClusterWatch,
    GatheringPublisher,
    Publisher,
    build_broker,
    check_topics,
    open_cluster_watch,
    open_consumers,
    open_publisher,
    stop_on_cluster_change,
)
from services.runtime.keyring import Keyring
from services.runtime.lifecycle import Lifetime, background, run, unless_stopped
from services.runtime.logs import configure, get_logger

log = get_logger()

POOL_SIZE: Final = 8
CASE_KEYS_IN_MEMORY: Final = 5_000
"""Some 3 MB. Events of a case mostly come close together; an older key costs a share of a query."""


def main() -> int:
    """Runs intake from the environment; returns the exit code."""
    settings = IntakeSettings.from_environment()
    configure(
        service=settings.service,
        catalogue=logbook.CATALOGUE,
        format=settings.log_format,
        level=settings.log_level,
    )
    return run(lambda lifetime: run_intake(settings, lifetime))


async def run_intake(
    settings: IntakeSettings, lifetime: Lifetime, *, limits: ConnectionLimits = DEFAULT_LIMITS
) -> None:
    """Serves until the lifetime ends: liveness at once, events as soon as the servers behind it answer."""
    clock = SystemClock()
    probes = Probes(clock=clock)
    api = IntakeApi(durability=settings.durability, clock=clock, new_id=new_correlation_id)
    probes.add_check("connected", lambda: _check_connected(api))
    app = Front(api, build_app(api, routes=health_routes(probes)))
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
        opening = resources.enter_async_context(open_intake(settings, lifetime=lifetime, probes=probes))
        api.intake = await unless_stopped(lifetime, opening)
        await lifetime.wait()


@asynccontextmanager
async def open_intake(
    settings: IntakeSettings, *, lifetime: Lifetime, probes: Probes
) -> AsyncIterator[Intake]:
    """Intake with everything it needs; waits for PostgreSQL and Kafka."""
    kek = Kek.load(settings.kek_file)
    kafka = settings.kafka_settings
    async with (
        open_pool(settings.database_url, size=POOL_SIZE, shifted=settings.is_shifted) as pool,
        open_cluster_watch(kafka) as watch,
        open_publisher(kafka) as publisher,
    ):
        intake = _build_intake(
            settings, pool=pool, kek=kek, publisher=publisher, watch=watch, lifetime=lifetime
        )
        await check_topics(kafka, TOPICS, durability=settings.durability)
        await intake.directory.load()
        broker = build_broker(kafka)
        subscriptions = subscribe_all(
            broker,
            kafka.in_cluster(watch.cluster_id),
            directory=intake.directory,
            statuses=intake.statuses,
            lifetime=lifetime,
        )
        _add_probes(probes, pool=pool, watch=watch, directory=intake.directory, subscriptions=subscriptions)
        async with (
            open_consumers(broker),
            background(lifetime, stop_on_cluster_change(watch, lifetime)),
        ):
            yield intake


def _build_intake(
    settings: IntakeSettings,
    *,
    pool: Pool,
    kek: Kek,
    publisher: Publisher,
    watch: ClusterWatch,
    lifetime: Lifetime,
) -> Intake:
    repository = Repository(pool)
    keyring = Keyring(pool, kek, size=CASE_KEYS_IN_MEMORY)
    receiver = Receiver(
        limiter=RateLimiter(settings.intake_rate),
        keys=KeyDesk(keyring),
        publisher=GatheringPublisher(publisher),
        kafka=watch.check,
        clock=settings.clock,
        fail=lifetime.fail,
    )
    return Intake(Directory(repository), receiver, StatusDesk(repository, keyring))


def _add_probes(
    probes: Probes, *, pool: Pool, watch: ClusterWatch, directory: Directory, subscriptions: Subscriptions
) -> None:
    probes.add_check("postgres", lambda: check_database(pool))
    probes.add_check("kafka", watch.check)
    probes.add_check("directory", directory.check)
    probes.add_check("directory_consumer", subscriptions.directory.check)
    probes.add_check("receipts_consumer", subscriptions.receipts.check)
    probes.add_fact("directory_version", lambda: directory.version)
    probes.add_fact(
        "consumers",
        lambda: {
            "directory": subscriptions.directory.describe(),
            "receipts": subscriptions.receipts.describe(),
        },
    )


async def _check_connected(api: IntakeApi) -> None:
    if api.intake is None:
        raise NotReadyError("waiting for PostgreSQL and Kafka")
