"""The composition root: builds notify from its settings, and ends it in order."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from schemas.topics import RECEIPTS, TOPICS
from services.notify import logbook
from services.notify.api import Door, Pages, Reception, build_app
from services.notify.bodies import Links
from services.notify.contents import Contents
from services.notify.directory import Directory
from services.notify.engine import Engine, Surroundings, open_engine
from services.notify.handlers.alerts import AlertHandler
from services.notify.handlers.desk import AgencyDesk
from services.notify.handlers.directory import DirectoryKeeper
from services.notify.handlers.duties import DutyDesk
from services.notify.handlers.limiting import Counted, Limits
from services.notify.handlers.onboarding import OnboardingDesk
from services.notify.handlers.operations import OperatorDesk
from services.notify.handlers.recovery import RecoveryDesk
from services.notify.handlers.refusing import RefusalDesk
from services.notify.leases import Leases
from services.notify.outward import Outward, open_outward
from services.notify.passphrases import RFC_9106, Hardness
from services.notify.people_keys import PeopleKeys
from services.notify.pulse import PulseState
from services.notify.reception import open_reception
from services.notify.repository.acknowledgements import AcknowledgementRepository
from services.notify.repository.alerts import AlertRepository
from services.notify.repository.dead_letters import DeadLetterRepository
from services.notify.repository.directory import DirectoryRepository
from services.notify.repository.duties import DutyRepository
from services.notify.repository.onboarding import OnboardingRepository
from services.notify.repository.refusals import RefusalRepository
from services.notify.repository.sessions import SessionRepository
from services.notify.repository.throttle import ThrottleRepository
from services.notify.schedule import Schedules
from services.notify.settings import NotifySettings
from services.notify.subscribers import Subscriptions, subscribe_all
from services.notify.worker.dead_letters import DeadLetterGauge
from services.runtime.bearer_keys import name_holder
from services.runtime.clock import SystemClock, new_ordered_id
from services.runtime.connections import DEFAULT_LIMITS, ConnectionLimits
from services.runtime.crypto import Cipher, Kek, derive_key, load_key_file
from services.runtime.database import Pool, check_database, open_pool
from services.runtime.health import NotReadyError, Probes, health_routes
from services.runtime.http import open_server
from services.runtime.kafka import (
    ClusterWatch,
    build_broker,
    check_topics,
    find_committed,
    open_admin,
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

Desks: TypeAlias = tuple[
    AgencyDesk, OperatorDesk, RecoveryDesk, OnboardingDesk, Callable[[], PulseState], Reception
]


def main() -> int:
    """Runs notify from the environment; returns the exit code."""
    settings = NotifySettings.from_environment()
    configure(
        service=settings.service,
        catalogue=logbook.CATALOGUE,
        format=settings.log_format,
        level=settings.log_level,
    )
    drain = Leases.of(settings.notify_timeout).drain
    return run(lambda lifetime: run_notify(settings, lifetime), drain_seconds=drain.total_seconds())


async def run_notify(
    settings: NotifySettings,
    lifetime: Lifetime,
    *,
    schedules: Schedules | None = None,
    hardness: Hardness = RFC_9106,
    limits: ConnectionLimits = DEFAULT_LIMITS,
) -> None:
    """Serves until the lifetime ends: liveness at once, the rest as soon as the servers behind it answer."""
    probes = Probes(clock=SystemClock())
    door = Door(Pages(settings.zone, urlsplit(settings.notify_public_url or "").path))
    probes.add_check("connected", lambda: _check_connected(door))
    app = build_app(door, routes=health_routes(probes))
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
        links = Links(settings.notify_public_url or address.url)
        opening = resources.enter_async_context(
            open_notify(
                settings,
                links=links,
                pages=door.pages,
                lifetime=lifetime,
                probes=probes,
                schedules=schedules,
                hardness=hardness,
            )
        )
        if (desks := await unless_stopped(lifetime, opening)) is not None:
            door.desk, door.operators, door.recovery, door.onboarding, door.judge_pulse, door.reception = (
                desks
            )
        await lifetime.wait()


@asynccontextmanager
async def open_notify(
    settings: NotifySettings,
    *,
    links: Links,
    pages: Pages,
    lifetime: Lifetime,
    probes: Probes,
    schedules: Schedules | None,
    hardness: Hardness,
) -> AsyncIterator[Desks]:
    """Notify with everything it needs; waits for PostgreSQL and Kafka."""
    deployment_key = load_key_file(settings.deployment_key_file)
    kek = Kek.load(settings.kek_file)
    async with (
        open_pool(settings.database_url, size=POOL_SIZE, shifted=settings.is_shifted) as pool,
        open_cluster_watch(settings.kafka_settings) as watch,
        open_publisher(settings.kafka_settings) as publisher,
        open_admin(settings.kafka_settings) as admin,
    ):
        kafka = settings.kafka_settings.in_cluster(watch.cluster_id)
        await check_topics(kafka, TOPICS, durability=settings.durability)
        keeper = _build_keeper(pool, deployment_key)
        dead_letters = DeadLetterGauge(DeadLetterRepository(pool).count_all)
        await keeper.load()
        around = Surroundings(
            pool=pool,
            publisher=publisher,
            cluster_id=watch.cluster_id,
            find_committed=lambda: find_committed(admin, kafka, settings.routing_receipts_group, RECEIPTS),
            directory=keeper.directory,
            contents=Contents(Keyring(pool, kek), operations_key=derive_key(deployment_key, "operations")),
            links=links,
            clock=settings.clock,
            schedules=schedules or settings.schedules,
            thread_key=derive_key(deployment_key, "mail-threads"),
        )
        async with (
            open_engine(settings, around, lifetime=lifetime) as engine,
            _open_subscriptions(settings, around, engine, keeper=keeper, lifetime=lifetime) as subscriptions,
            open_outward(settings, around, admin=admin) as outward,
            background(lifetime, stop_on_cluster_change(watch, lifetime), outward.pulse.beat_for_ever()),
            background(lifetime, dead_letters.look_for_ever()),
        ):
            _add_probes(probes, pool=pool, watch=watch, keeper=keeper, subscriptions=subscriptions)
            _add_facts(probes, engine, dead_letters)
            keys, desk = PeopleKeys(deployment_key), _build_desk(settings, around, engine)
            async with open_reception(
                settings, around, desk, keys=keys, pages=pages, hardness=hardness
            ) as reception:
                yield (*_build_desks(settings, around, engine, outward, desk), reception)


def _build_keeper(pool: Pool, deployment_key: bytes) -> DirectoryKeeper:
    return DirectoryKeeper(
        directory=Directory(),
        repository=DirectoryRepository(pool),
        directory_key=derive_key(deployment_key, "directory"),
        sessions=SessionRepository(pool),
    )


def _build_desks(
    settings: NotifySettings, around: Surroundings, engine: Engine, outward: Outward, desk: AgencyDesk
) -> tuple[AgencyDesk, OperatorDesk, RecoveryDesk, OnboardingDesk, Callable[[], PulseState]]:
    return (
        desk,
        _build_operator_desk(settings, around),
        _build_recovery_desk(settings, around, engine),
        _build_onboarding_desk(settings, around, engine, outward),
        lambda: outward.pulse.pulse.judge(around.clock.now()),
    )


@asynccontextmanager
async def _open_subscriptions(
    settings: NotifySettings,
    around: Surroundings,
    engine: Engine,
    *,
    keeper: DirectoryKeeper,
    lifetime: Lifetime,
) -> AsyncIterator[Subscriptions]:
    kafka = settings.kafka_settings.in_cluster(around.cluster_id)
    broker = build_broker(kafka)
    subscriptions = subscribe_all(
        broker,
        kafka,
        alerts=_build_alert_handler(settings, around, engine),
        directory=keeper,
        catch_up=engine.deliveries.catch_up,
        on_revoked=engine.distrust,
        lifetime=lifetime,
    )
    async with open_consumers(broker):
        yield subscriptions


def _build_alert_handler(settings: NotifySettings, around: Surroundings, engine: Engine) -> AlertHandler:
    return AlertHandler(
        alerts=AlertRepository(around.pool),
        directory=around.directory,
        contents=around.contents,
        deliveries=engine.deliveries,
        doubt=engine.doubt,
        hand_over=engine.hand_over,
        publish=engine.publish,
        channels=engine.channels,
        member=settings.member,
        cluster_id=around.cluster_id,
        lease=engine.lease,
        clock=around.clock,
        new_id=new_ordered_id,
    )


def _build_desk(settings: NotifySettings, around: Surroundings, engine: Engine) -> AgencyDesk:
    return AgencyDesk(
        alerts=AlertRepository(around.pool),
        acknowledgements=AcknowledgementRepository(around.pool),
        duties=DutyDesk(
            duties=DutyRepository(around.pool),
            contents=around.contents,
            publish=engine.publish,
            member=settings.member,
            clock=around.clock,
        ),
        refusals=RefusalDesk(
            refusals=RefusalRepository(around.pool),
            contents=around.contents,
            deliveries=engine.deliveries,
            publish=engine.publish,
            member=settings.member,
            clock=around.clock,
        ),
        directory=around.directory,
        contents=around.contents,
        deliveries=engine.deliveries,
        publish=engine.publish,
        links=around.links,
        member=settings.member,
        clock=around.clock,
    )


def _build_operator_desk(settings: NotifySettings, around: Surroundings) -> OperatorDesk:
    return OperatorDesk(
        letters=DeadLetterRepository(around.pool),
        find_operator=lambda key: name_holder(key, hashes=settings.notify_operator_keys),
        knows_agency=lambda agency: around.directory.view.find_agency(agency) is not None,
        clock=around.clock,
    )


def _build_onboarding_desk(
    settings: NotifySettings, around: Surroundings, engine: Engine, outward: Outward
) -> OnboardingDesk:
    deployment_key = load_key_file(settings.deployment_key_file)
    return OnboardingDesk(
        directory=around.directory,
        prober=outward.prober,
        onboarding=OnboardingRepository(around.pool),
        limits=Limits(
            throttle=ThrottleRepository(around.pool),
            keys=PeopleKeys(deployment_key),
            clock=around.clock,
            most={Counted.ENDPOINT: settings.notify_endpoint_tries},
        ),
        publish=engine.publish,
        cipher=Cipher(derive_key(deployment_key, "directory")),
        member=settings.member,
        clock=around.clock,
        new_id=new_ordered_id,
    )


def _build_recovery_desk(settings: NotifySettings, around: Surroundings, engine: Engine) -> RecoveryDesk:
    return RecoveryDesk(
        letters=DeadLetterRepository(around.pool),
        list_suspended=lambda: engine.suspensions.endpoint_ids,
        zone=settings.zone,
        clock=around.clock,
    )


def _add_probes(
    probes: Probes, *, pool: Pool, watch: ClusterWatch, keeper: DirectoryKeeper, subscriptions: Subscriptions
) -> None:
    probes.add_check("postgres", lambda: check_database(pool))
    probes.add_check("kafka", watch.check)
    probes.add_check("directory", keeper.check)
    probes.add_check("directory_consumer", subscriptions.directory.check)
    probes.add_check("alerts_consumer", subscriptions.alerts.check)
    probes.add_fact("directory_version", lambda: keeper.directory.view.version)
    probes.add_fact(
        "consumers",
        lambda: {
            "directory": subscriptions.directory.describe(),
            "alerts": subscriptions.alerts.describe(),
        },
    )


def _add_facts(probes: Probes, engine: Engine, dead_letters: DeadLetterGauge) -> None:
    probes.add_fact("suspended_endpoints", lambda: engine.suspensions.endpoint_ids)
    probes.add_fact("dead_letters", dead_letters.describe)
    probes.add_fact("without_next_step", engine.stranded.describe)


async def _check_connected(door: Door) -> None:
    if door.desk is None:
        raise NotReadyError("waiting for PostgreSQL and Kafka")
