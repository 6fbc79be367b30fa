"""The machinery that delivers: built here, recovered from what an earlier life left, drained at the end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final, NamedTuple

from services.notify.bodies import Links
from services.notify.channels.email import EmailChannel
from services.notify.channels.mailing import open_configured_email
from services.notify.channels.posting import build_tls_context
from services.notify.channels.webhook import WebhookChannel, open_webhook_channel
from services.notify.contents import Contents
from services.notify.delivery import Channel
from services.notify.directory import Directory
from services.notify.egress import Egress
from services.notify.handlers.ports import Doubt, Outgoing
from services.notify.leases import Leases
from services.notify.postcard import PostcardForm
from services.notify.repository.alerts import AlertRepository
from services.notify.repository.awaited import AwaitedRepository
from services.notify.repository.deliveries import DeliveryRepository
from services.notify.repository.heartbeats import HeartbeatRepository
from services.notify.repository.ladders import LadderRepository
from services.notify.repository.outbox import OutboxRepository
from services.notify.repository.rows import ReceiptBatch, Result
from services.notify.repository.stranded import StrandedRepository
from services.notify.repository.suspensions import SuspensionRepository
from services.notify.schedule import Schedules
from services.notify.settings import NotifySettings
from services.notify.templates import load_template
from services.notify.worker.attempts import Attempts
from services.notify.worker.batching import Gatherer
from services.notify.worker.claims import Claims
from services.notify.worker.handover import HandOver
from services.notify.worker.heartbeats import Heartbeats
from services.notify.worker.lane import LaneLimit
from services.notify.worker.lanes import Dispatcher, Limits
from services.notify.worker.lateness import LatenessWatch
from services.notify.worker.outbox import OutboxPublisher, OutboxSweeper
from services.notify.worker.performing import Performer
from services.notify.worker.recorder import Recorder
from services.notify.worker.retries import RetryWorker
from services.notify.worker.stranding import Stranding
from services.notify.worker.suspending import Suspensions, build_breaker
from services.notify.worker.turns import Turns
from services.runtime.clock import Clock, new_ordered_id, random_fraction
from services.runtime.database import Pool
from services.runtime.kafka import Publisher
from services.runtime.lifecycle import Lifetime, background
from services.runtime.logs import get_logger
from services.runtime.stranded import StrandedWatch

log = get_logger()

MOST_WAITING: Final = 2000
MOST_RESULTS: Final = 200
RESULT_SECONDS: Final = 0.05
RECEIPT_SECONDS: Final = 0.05
MOST_RECEIPT_BATCHES: Final = 50
POLL: Final = timedelta(milliseconds=250)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the engine works with and does not own."""

    pool: Pool
    publisher: Publisher
    cluster_id: str
    find_committed: Callable[[], Awaitable[dict[int, int]]]
    """Routing's committed offsets of the receipts topic."""
    directory: Directory
    contents: Contents
    links: Links
    clock: Clock
    schedules: Schedules
    thread_key: bytes = field(repr=False)
    poll: timedelta = POLL


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What handlers need of it."""

    deliveries: Dispatcher
    doubt: Doubt
    hand_over: HandOver
    publish: Outgoing
    channels: frozenset[Channel]
    lease: timedelta
    suspensions: Suspensions
    stranded: StrandedWatch
    distrust: Callable[[], None]
    """Partitions were taken from this process."""


@asynccontextmanager
async def open_engine(
    settings: NotifySettings, around: Surroundings, *, lifetime: Lifetime
) -> AsyncIterator[Engine]:
    """Delivers within the block; leaving it finishes what was begun and gives back what was not."""
    patience, clock = settings.notify_timeout, around.clock
    async with (
        open_webhook_channel(
            Egress(settings.notify_allow_cidrs, allow_http=settings.notify_allow_http),
            patience=patience,
            clock=clock,
            tls=build_tls_context(settings.notify_ca_file),
        ) as webhook,
        open_configured_email(settings, clock=clock) as email,
    ):
        receipts = _gather_receipts(around)
        attempts = _build_attempts(settings, around, _Channels(webhook, email), receipts)
        works = _build_works(settings, around, attempts, receipts)
        await works.recover()
        async with _running(works, lifetime):
            yield Engine(
                deliveries=works.dispatcher,
                doubt=works.retries.doubt,
                hand_over=works.hand_over,
                publish=works.publish,
                channels=_channels(email),
                lease=works.retries.lease,
                suspensions=attempts.suspensions,
                stranded=works.stranded,
                distrust=attempts.claims.distrust,
            )


class _Channels(NamedTuple):
    webhook: WebhookChannel
    email: EmailChannel | None


def _build_attempts(
    settings: NotifySettings,
    around: Surroundings,
    channels: _Channels,
    receipts: Gatherer[ReceiptBatch],
) -> Attempts:
    return Attempts(
        directory=around.directory,
        contents=around.contents,
        webhook=channels.webhook,
        email=channels.email,
        links=around.links,
        form=build_form(settings),
        claims=Claims(
            find_held=partial(DeliveryRepository(around.pool).find_held, member=settings.member),
            lease=Leases.of(settings.notify_timeout).lease,
            clock=around.clock,
        ),
        turns=Turns(
            alerts=AlertRepository(around.pool),
            deliveries=DeliveryRepository(around.pool),
            ladders=LadderRepository(around.pool),
            contents=around.contents,
            clock=around.clock,
            new_id=new_ordered_id,
        ),
        clock=around.clock,
        suspensions=Suspensions(
            breaker=build_breaker(settings),
            repository=SuspensionRepository(around.pool),
            publish=_publishing(receipts),
            member=settings.member,
            clock=around.clock,
        ),
        thread_key=around.thread_key,
    )


@asynccontextmanager
async def _running(works: "_Works", lifetime: Lifetime) -> AsyncIterator[None]:
    async with background(lifetime, works.receipts.run(), works.results.run()):
        try:
            async with background(
                lifetime,
                works.retries.run(),
                works.sweeper.sweep_for_ever(),
                works.hand_over.tell_for_ever(),
                works.lateness.watch_for_ever(),
                works.suspensions.run(),
                works.stranded.look_for_ever(),
                works.heartbeats.send_for_ever(),
                _close_at_the_end(lifetime, works.dispatcher),
            ):
                yield
        finally:
            await works.drain()


def build_form(settings: NotifySettings) -> PostcardForm:
    return PostcardForm(load_template("postcard.txt"), load_template("postcard.html"), settings.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Works:
    """The moving parts."""

    dispatcher: Dispatcher
    retries: RetryWorker
    sweeper: OutboxSweeper
    hand_over: HandOver
    lateness: LatenessWatch
    results: Gatherer[Result]
    receipts: Gatherer[ReceiptBatch]
    publish: Outgoing
    suspensions: Suspensions
    stranded: StrandedWatch
    heartbeats: Heartbeats

    async def recover(self) -> None:
        await self.suspensions.load()
        await self.sweeper.recover()
        await self.retries.recover()

    async def drain(self) -> None:
        # First what never began: whoever takes this process's place need not wait for what is under way.
        self.dispatcher.close()
        await self.retries.give_back(self.dispatcher.release())
        await self.retries.give_back(await self.dispatcher.drain())
        await self.results.finish()
        await self.suspensions.finish()
        await self.hand_over.tell_at_the_end()
        await self.receipts.finish()


def _publishing(receipts: Gatherer[ReceiptBatch]) -> Outgoing:
    def publish(batch: ReceiptBatch | None) -> None:
        if batch is not None:
            receipts.add(batch)

    return publish


def _build_works(
    settings: NotifySettings, around: Surroundings, attempts: Attempts, receipts: Gatherer[ReceiptBatch]
) -> _Works:
    publish = _publishing(receipts)
    hand_over = HandOver(
        outbox=OutboxRepository(around.pool), publish=publish, member=settings.member, clock=around.clock
    )
    results = _gather_results(settings, around, hand_over, attempts.suspensions)
    dispatcher = _build_dispatcher(settings, around, attempts, settle=results.add)
    return _Works(
        dispatcher=dispatcher,
        retries=RetryWorker(
            deliveries=DeliveryRepository(around.pool),
            dispatcher=dispatcher,
            member=settings.member,
            lease=Leases.of(settings.notify_timeout).lease,
            poll=around.poll,
            clock=around.clock,
        ),
        sweeper=_build_sweeper(settings, around, receipts),
        hand_over=hand_over,
        lateness=LatenessWatch(
            awaited=AwaitedRepository(around.pool),
            publish=receipts.add,
            member=settings.member,
            clock=around.clock,
        ),
        results=results,
        receipts=receipts,
        publish=publish,
        suspensions=attempts.suspensions,
        stranded=_build_stranded_watch(settings, around),
        heartbeats=_build_heartbeats(settings, around, attempts),
    )


def _build_heartbeats(settings: NotifySettings, around: Surroundings, attempts: Attempts) -> Heartbeats:
    return Heartbeats(
        repository=HeartbeatRepository(around.pool),
        directory=around.directory,
        webhook=attempts.webhook,
        suspensions=attempts.suspensions,
        period=settings.notify_heartbeat,
        lease=Leases.of(settings.notify_timeout).lease,
        clock=around.clock,
    )


def _build_stranded_watch(settings: NotifySettings, around: Surroundings) -> StrandedWatch:
    stranding = Stranding(
        repository=StrandedRepository(around.pool),
        schedules=around.schedules,
        lease=Leases.of(settings.notify_timeout).lease,
        clock=around.clock,
    )
    return StrandedWatch(stranding.count)


def _build_sweeper(
    settings: NotifySettings, around: Surroundings, receipts: Gatherer[ReceiptBatch]
) -> OutboxSweeper:
    return OutboxSweeper(
        outbox=OutboxRepository(around.pool),
        publish=receipts.add,
        list_held=lambda: [batch.batch_id for batch in receipts.items],
        find_committed=around.find_committed,
        member=settings.member,
        cluster_id=around.cluster_id,
        clock=around.clock,
    )


def _gather_receipts(around: Surroundings) -> Gatherer[ReceiptBatch]:
    publisher = OutboxPublisher(
        outbox=OutboxRepository(around.pool), publisher=around.publisher, cluster_id=around.cluster_id
    )
    return Gatherer(publisher.publish, name="receipts", most=MOST_RECEIPT_BATCHES, moment=RECEIPT_SECONDS)


def _gather_results(
    settings: NotifySettings, around: Surroundings, hand_over: HandOver, suspensions: Suspensions
) -> Gatherer[Result]:
    recorder = Recorder(
        deliveries=DeliveryRepository(around.pool),
        publish=hand_over.publish,
        hand_over=hand_over,
        see=suspensions.see_results,
        member=settings.member,
        clock=around.clock,
    )
    return Gatherer(recorder.record, name="results", most=MOST_RESULTS, moment=RESULT_SECONDS)


def _build_dispatcher(
    settings: NotifySettings, around: Surroundings, attempts: Attempts, *, settle: Callable[[Result], None]
) -> Dispatcher:
    performer = Performer(
        attempt=attempts.attempt,
        settle=settle,
        schedules=around.schedules,
        clock=around.clock,
        chance=random_fraction,
    )
    limits = Limits(
        total=settings.notify_most_attempts,
        each=settings.notify_most_attempts_each,
        waiting=MOST_WAITING,
        each_per_second=settings.notify_rate_each,
        find=lambda lane: _find_limit(lane, settings, around.directory),
    )
    patience = Leases.of(settings.notify_timeout).attempt
    return Dispatcher(performer.perform, limits=limits, patience=patience, clock=around.clock)


def _find_limit(lane: str, settings: NotifySettings, directory: Directory) -> LaneLimit | None:
    """The mail server's connections, or what the directory says of an endpoint."""
    if lane == Channel.EMAIL.value:
        return LaneLimit(settings.notify_smtp_connections)
    special = directory.view.limits.get(lane)
    if special is None:
        return None
    return LaneLimit(
        special.most_at_once or settings.notify_most_attempts_each,
        special.per_second or settings.notify_rate_each,
    )


async def _close_at_the_end(lifetime: Lifetime, dispatcher: Dispatcher) -> None:
    """No attempt is begun once the process is to stop, whatever else still has to be closed first."""
    await lifetime.wait()
    dispatcher.close()


def _channels(email: EmailChannel | None) -> frozenset[Channel]:
    return frozenset(Channel) if email is not None else frozenset({Channel.WEBHOOK})
