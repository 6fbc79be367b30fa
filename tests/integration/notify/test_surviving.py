"""Kills and lost brokers: what was stored is delivered under the same id, and routing is told in the end."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

import pytest

from schemas.alert import Command
from schemas.topics import RECEIPTS, ROUTING_RECEIPTS_GROUP
from schemas.vocabulary import AlertKind
from services.notify.settings import NotifySettings
from services.runtime.kafka import build_broker, open_admin, open_consumers, subscribe
from services.runtime.lifecycle import Lifetime
from tests.integration.notify.rig import Rig, running_notify, wait_until
from tests.integration.notify.telling import ids, make, send, wait_for_states
from tests.support.kafka_choice import ON_APACHE
from tests.support.receivers import Gate, Receivers, status
from tests.support.stack import ROOT
from tests.support.waiting import SECONDS

AGENCY = "ag-kern-cw"
OUTBOX = "SELECT cluster_id FROM notify.outbox ORDER BY batch_id"


def environment(settings: NotifySettings) -> Mapping[str, str]:
    """The settings as a process reads them."""
    given = settings.model_dump(mode="json", exclude_none=True)
    given["database_url"] = settings.database_url.get_secret_value()
    for name in ("notify_allow_cidrs", "notify_operator_keys", "notify_trusted_proxies"):
        given[name] = ",".join(given[name])
    return {f"TOCSIN_{name.upper()}": str(value) for name, value in given.items()}


@contextmanager
def notify_process(settings: NotifySettings) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "services.notify"],
        cwd=ROOT,
        env={**os.environ, **environment(settings)},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_a_kill_between_the_send_and_its_record_repeats_the_same_id_at_once(
    rig: Rig, receivers: Receivers
) -> None:
    gate = Gate()
    receivers["one"].answer = gate.answer
    await rig.add_agency(AGENCY, receivers["one"])
    await rig.send_alert()
    with notify_process(rig.settings()) as process:
        await receivers["one"].wait_for(1)
        process.send_signal(signal.SIGKILL)
        process.wait()
    receivers["one"].answer = None
    assert await rig.query("SELECT 1 FROM notify.attempt") == []
    async with running_notify(rig, rig.settings()):
        first, second = await receivers["one"].wait_for(2)
        await rig.wait_until_told("delivered")
    assert first.webhook_id == second.webhook_id
    assert first.data == second.data
    # The attempt that nobody recorded was counted all the same.
    assert [row["number"] for row in await rig.query("SELECT number FROM notify.attempt")] == [2]


async def test_what_was_being_sent_when_notify_was_killed_may_have_arrived_and_is_cancelled_there(
    rig: Rig, receivers: Receivers
) -> None:
    gate = Gate()
    receivers["one"].answer = gate.answer
    await rig.add_agency(AGENCY, receivers["one"])
    alert = await send(rig)
    with notify_process(rig.settings()) as process:
        await receivers["one"].wait_for(1)
        process.send_signal(signal.SIGKILL)
        process.wait()
    await rig.publish_alerts(await make(rig, command=Command.STOP, alert_id=alert.alert_id, revision=2))
    cancel = await send(rig, kind=AlertKind.CANCEL, replaces=alert.alert_id)
    # Whether it is tried again before its stop is read or not: no later attempt arrives.
    receivers["one"].answer = status(429)
    async with running_notify(rig, rig.settings()):
        await wait_for_states(rig, alert.alert_id, superseded=1)
        receivers["one"].answer = None
        await wait_for_states(rig, cancel.alert_id, delivered=1)
    assert ids(receivers["one"])[-1] == f"{cancel.alert_id}_1"


async def test_sigterm_ends_the_process_cleanly(rig: Rig, receivers: Receivers) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    await rig.send_alert()
    with notify_process(rig.settings()) as process:
        await receivers["one"].wait_for(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    await rig.wait_for_receipts("delivered")
    assert len(receivers["one"].arrivals) == 1


async def test_sigterm_cuts_no_attempt_and_begins_none(rig: Rig, receivers: Receivers) -> None:
    gate = Gate()
    receivers["one"].answer = gate.answer
    await rig.add_agency(AGENCY, receivers["one"])
    first, second = await rig.seal_alert(), await rig.seal_alert()
    with notify_process(rig.settings(notify_most_attempts_each=1)) as process:
        await rig.publish_alerts(first, second)
        await receivers["one"].wait_for(1)
        process.send_signal(signal.SIGTERM)
        # What was never begun is given back at once, for whoever comes next.
        await rig.wait_for_row("SELECT 1 FROM notify.delivery WHERE attempts = 0 AND leased_by IS NULL")
        assert process.poll() is None
        gate.open()
        assert await asyncio.to_thread(process.wait, SECONDS) == 0
    assert len(receivers["one"].arrivals) == 1
    rows = await rig.query("SELECT state, attempts FROM notify.delivery ORDER BY attempts")
    assert [tuple(row.values()) for row in rows] == [("pending", 0), ("delivered", 1)]


async def test_sigterm_waits_for_a_receiver_that_never_answers_no_longer_than_for_its_time_out(
    rig: Rig, receivers: Receivers
) -> None:
    receivers["one"].answer = Gate().answer
    await rig.add_agency(AGENCY, receivers["one"])
    await rig.send_alert()
    with notify_process(rig.settings(notify_timeout=timedelta(seconds=1))) as process:
        await receivers["one"].wait_for(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    # Its lease has ended, too, unless PostgreSQL took longer than a process waits at its end.
    rows = await rig.query("SELECT state, attempts FROM notify.delivery")
    assert [tuple(row.values()) for row in rows] == [("pending", 1)]


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
async def test_another_cluster_ends_the_process_with_75_and_its_receipts_are_published_again(
    rig: Rig, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings()) as notify:
        await rig.send_alert()
        await rig.wait_for_receipts("delivered")
        before = rig.broker.cluster_id
        await rig.broker.restart()
        await notify.lifetime.wait()
        assert await notify.stop() == 75
    assert await rig.read_receipts() == []
    assert {row["cluster_id"] for row in await rig.query(OUTBOX)} == {before}
    async with running_notify(rig, rig.settings()):
        await rig.wait_for_receipts("delivered")
        await rig.wait_for_row(
            "SELECT 1 FROM notify.outbox HAVING bool_and(cluster_id = $1)", rig.broker.cluster_id
        )
    assert len(receivers["one"].arrivals) == 1


async def test_a_receipt_is_forgotten_once_routing_has_committed_past_it_and_not_before(
    rig: Rig, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings()):
        await rig.send_alert()
        await rig.wait_for_receipts("delivered")
        assert await rig.query(OUTBOX) != []
        async with routing(rig):

            async def is_empty() -> bool:
                return await rig.query(OUTBOX) == []

            await wait_until(is_empty)


async def test_an_acknowledgement_is_told_to_routing_even_if_kafka_is_away_when_it_is_given(
    rig: Rig, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"], key="tca_key_of_child_welfare")
    async with running_notify(rig, rig.settings()) as notify:
        alert = await rig.send_alert()
        await rig.wait_for_receipts("delivered")
        await rig.broker.stop()
        reply = await notify.ask(
            "POST",
            f"/v1/alerts/{alert.alert_id}/acknowledge",
            key="tca_key_of_child_welfare",
            json={"person": "J. Ortiz", "role": "duty supervisor"},
        )
        assert reply.status == 200
        await rig.broker.start()
        if ON_APACHE:
            # The same cluster is back, with its log: the process goes on.
            await rig.wait_until_told("delivered", "acknowledged")
            return
        await notify.lifetime.wait()
        assert await notify.stop() == 75
    async with running_notify(rig, rig.settings()):
        await rig.wait_until_told("delivered", "acknowledged")


async def test_nothing_is_lost_while_the_database_is_away(rig: Rig, receivers: Receivers) -> None:
    gate = Gate()
    receivers["one"].answer = gate.answer
    await rig.add_agency(AGENCY, receivers["one"])
    first, second = await rig.seal_alert(), await rig.seal_alert()
    async with running_notify(rig, rig.settings()):
        await rig.publish_alerts(first)
        await receivers["one"].wait_for(1)
        async with rig.database_away():
            # The answer comes while nothing can be recorded, and an alert while nothing can be stored.
            gate.open()
            await rig.publish_alerts(second)
        await rig.wait_until_told("delivered")
        await rig.wait_for_row(
            "SELECT 1 FROM notify.delivery HAVING count(*) FILTER (WHERE state = 'delivered') = 2"
        )
    arrived = [arrival.webhook_id for arrival in receivers["one"].arrivals]
    assert arrived == [f"{first.alert_id}_1", f"{second.alert_id}_1"]


async def test_a_directory_that_came_while_the_database_was_away_is_stored_when_it_is_back(rig: Rig) -> None:
    """Else a later start goes by an older one, and whom it took out could come back with an old session."""
    await rig.add_agency(AGENCY)
    async with running_notify(rig, rig.settings()) as notify:
        async with rig.database_away():
            await rig.add_agency("ag-new")

            async def is_in_force() -> bool:
                facts = (await notify.ask("GET", "/readyz")).body
                return bool(facts["directory_version"] == rig.version)

            await wait_until(is_in_force)
        await rig.wait_for_row("SELECT 1 FROM notify.directory WHERE version = $1", rig.version)


@asynccontextmanager
async def routing(rig: Rig) -> AsyncIterator[None]:
    """A consumer of receipts in routing's group."""

    async def take(_: object) -> None:
        return

    async with open_admin(rig.kafka) as admin:
        kafka = rig.kafka.in_cluster(await admin.get_cluster_id())
    broker = build_broker(kafka)
    subscribe(broker, kafka, take, group=ROUTING_RECEIPTS_GROUP, topics=[RECEIPTS], lifetime=Lifetime())
    async with open_consumers(broker):
        yield
