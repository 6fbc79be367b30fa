"""What looks outward beside the alerts, built: the pulse and whom it tells, and what tries new endpoints."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from schemas.topics import ALERTS, CASE_EVENTS, RECEIPTS, Topic
from services.notify.channels.posting import HttpClient, build_tls_context, open_http_client, read_target
from services.notify.channels.probing import ProbeChannel
from services.notify.channels.webhook import TROUBLES
from services.notify.egress import Egress
from services.notify.engine import Surroundings
from services.notify.pulse import Hop, Pulse
from services.notify.settings import NotifySettings
from services.notify.subscribers import ALERTS_GROUP
from services.notify.worker.pulse import PulseWorker, WatchedHop
from services.runtime.database import check_database
from services.runtime.kafka import FindEnds, KafkaAdmin, find_committed, open_end_finder

PATIENCE: Final = timedelta(seconds=5)
"""Whoever adds an endpoint waits for the answers to its probes."""
PING_HEAD: Final = "user-agent: Tocsin\r\naccept: */*\r\naccept-encoding: identity\r\n"
_TAKEN: Final = range(200, 300)

Ping = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outward:
    """Both."""

    pulse: PulseWorker
    prober: ProbeChannel


@asynccontextmanager
async def open_outward(
    settings: NotifySettings, around: Surroundings, *, admin: KafkaAdmin
) -> AsyncIterator[Outward]:
    egress = Egress(settings.notify_allow_cidrs, allow_http=settings.notify_allow_http)
    async with (
        open_end_finder(settings.kafka_settings) as find_ends,
        open_http_client(
            egress,
            patience=min(settings.notify_timeout, PATIENCE),
            clock=around.clock,
            tls=build_tls_context(settings.notify_ca_file),
        ) as client,
    ):
        hops = _list_hops(settings, around, admin=admin, find_ends=find_ends)
        ping = _build_ping(settings, client, egress)
        yield Outward(
            pulse=_build_pulse(settings, around, hops=hops, ping=ping),
            prober=ProbeChannel(client, egress, clock=around.clock),
        )


def _build_pulse(
    settings: NotifySettings, around: Surroundings, *, hops: Sequence[WatchedHop], ping: Ping | None
) -> PulseWorker:
    return PulseWorker(
        pulse=Pulse([Hop(hop.name) for hop in hops], settings.notify_pulse_patience),
        hops=hops,
        publisher=around.publisher,
        ping=ping,
        check_database=lambda: check_database(around.pool),
        period=settings.notify_pulse,
        clock=around.clock,
    )


def _list_hops(
    settings: NotifySettings, around: Surroundings, *, admin: KafkaAdmin, find_ends: FindEnds
) -> list[WatchedHop]:
    kafka = settings.kafka_settings.in_cluster(around.cluster_id)

    def watch(name: str, group: str, topic: Topic, *, pulsed: bool = False) -> WatchedHop:
        return WatchedHop(
            name=name,
            find_committed=lambda: find_committed(admin, kafka, group, topic),
            find_ends=None if pulsed else lambda: find_ends(topic),
        )

    return [
        watch("decided", settings.routing_events_group, CASE_EVENTS),
        watch("taken_over", ALERTS_GROUP, ALERTS),
        watch("told", settings.routing_receipts_group, RECEIPTS, pulsed=True),
        watch("answered", settings.intake_receipts_group, RECEIPTS, pulsed=True),
    ]


def _build_ping(settings: NotifySettings, client: HttpClient, egress: Egress) -> Ping | None:
    """A POST without content, to where webhooks may go. Its address holds a token: not logged."""
    if settings.notify_pulse_url is None:
        return None
    url = settings.notify_pulse_url.get_secret_value()

    async def ping() -> bool:
        if not egress.permits_scheme(url):
            return False
        try:
            answer = await client.post(read_target(url, PING_HEAD), headers=b"", body=b"")
        except TROUBLES:
            return False
        return answer.status in _TAKEN

    return ping
