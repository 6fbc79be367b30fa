"""Once a later rung arrived, or somebody took the alert over, what is still tried of its ladder ends."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from schemas.alert import AlertRecord, RungTo
from schemas.vocabulary import AlertKind, Rung
from services.notify.repository.dead_letters import COUNT_ALL
from services.notify.repository.ladders import _FACTS
from tests.integration.notify.rig import COORDINATOR, Reply, Rig, RunningNotify
from tests.integration.notify.standing.at_work import OPERATOR, Standing
from tests.integration.notify.telling import AGENCY, KEY, ids, send, states, wait_for_states
from tests.support.mailbox import Mailbox
from tests.support.receivers import Receiver, Receivers, status
from tests.support.servers import Database
from tests.support.stored_deliveries import fill

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER, OTHER_KEY = "ag-bpd", "tca_key_of_the_police"
TFC, TFC_KEY = COORDINATOR.id, "tca_key_of_the_coordinator"
PATH = "/v1/operator/deliveries"
SECONDS = 20.0
LETTER_TRIES = "SELECT attempts FROM notify.delivery WHERE alert_id = $1 AND channel = 'email'"
LETTER_TRIED = f"{LETTER_TRIES} AND attempts >= $2"
PERSON = {"person": "J. Ortiz", "role": "duty supervisor"}


@pytest.fixture
def down(receivers: Receivers) -> Receiver:
    """The agency's system, which takes nothing."""
    receivers["down"].answer = status(503)
    return receivers["down"]


async def send_rung(rig: Rig, of: AlertRecord, number: int, to: RungTo, **given: object) -> AlertRecord:
    contact = Rung.BACKUP if number == 1 else Rung.PRIMARY
    decided_at = of.decided_at + timedelta(minutes=15) * number
    facts = {"rung_of": of.alert_id, "rung_to": to, "contact": contact, "decided_at": decided_at, **given}
    return await send(rig, escalation=number, **facts)


async def say(notify: RunningNotify, what: str, alert: AlertRecord, *, key: str, **more: str) -> Reply:
    return await notify.ask("POST", f"/v1/alerts/{alert.alert_id}/{what}", key=key, json={**PERSON, **more})


async def wait_for_another_try(receiver: Receiver, alert: AlertRecord) -> None:
    """Twice: what was claimed before a fact may begin after it."""
    wanted = ids(receiver).count(f"{alert.alert_id}_1") + 2
    async with asyncio.timeout(SECONDS):
        while ids(receiver).count(f"{alert.alert_id}_1") < wanted:
            await receiver.wait_for(len(receiver.arrivals) + 1)


async def test_a_rung_that_arrived_by_any_path_ends_what_is_tried_of_those_before_it(
    rig: Rig, standing: Standing, down: Receiver, mailbox: Mailbox
) -> None:
    await rig.add_agency(AGENCY, down, backup="watch@cw.example")
    async with standing.at_work():
        alert = await send(rig)
        await wait_for_another_try(down, alert)
        rung = await send_rung(rig, alert, 1, RungTo.AGENCY)
        await wait_for_states(rig, alert.alert_id, superseded=1)
        # The later one is tried on: whoever reads the system learns of the alert by it.
        await wait_for_states(rig, rung.alert_id, delivered=1, pending=1)
        await wait_for_another_try(down, rung)
        # Its system may have kept what it answered 503 for, and hears of the end.
        down.answer = None
        cancel = await send(rig, kind=AlertKind.CANCEL, replaces=alert.alert_id)
        await wait_for_states(rig, cancel.alert_id, delivered=2)
    assert ids(down)[-1] == f"{cancel.alert_id}_1"


async def test_a_system_that_takes_a_rung_spares_nobody_an_e_mail_but_a_later_e_mail_does(
    rig: Rig, standing: Standing, receivers: Receivers, mailbox: Mailbox
) -> None:
    await rig.add_agency(AGENCY, receivers["up"], email="duty@cw.example", backup="watch@cw.example")
    away = dict.fromkeys(("duty@cw.example", "watch@cw.example"), "450 4.2.1 busy")
    mailbox.answers_by_recipient.update(away)
    async with standing.at_work():
        alert = await send(rig)
        await wait_for_states(rig, alert.alert_id, delivered=1, pending=1)
        rung = await send_rung(rig, alert, 1, RungTo.AGENCY)
        await wait_for_states(rig, rung.alert_id, delivered=1, pending=1)
        [tried] = await rig.query(LETTER_TRIES, alert.alert_id)
        await rig.wait_for_row(LETTER_TRIED, alert.alert_id, tried["attempts"] + 2)
        del mailbox.answers_by_recipient["watch@cw.example"]
        await wait_for_states(rig, rung.alert_id, delivered=2)
        await wait_for_states(rig, alert.alert_id, delivered=1, superseded=1)


async def test_a_rung_to_another_agency_ends_nothing_until_that_takes_the_alert_over(
    rig: Rig, standing: Standing, receivers: Receivers, down: Receiver, mailbox: Mailbox
) -> None:
    await rig.add_agency(AGENCY, down)
    await rig.add_agency(OTHER, receivers["other"], key=OTHER_KEY)
    async with standing.at_work() as notify:
        alert = await send(rig)
        alternate = await send_rung(rig, alert, 3, RungTo.ALTERNATE, agency=OTHER)
        await wait_for_states(rig, alternate.alert_id, delivered=1)
        await wait_for_another_try(down, alert)
        assert await states(rig, alert.alert_id) == {"pending": 1}
        assert (await say(notify, "acknowledge", alternate, key=OTHER_KEY)).status == 200
        await wait_for_states(rig, alert.alert_id, acknowledged=1)


async def test_an_alert_that_is_acknowledged_late_ends_its_rungs(
    rig: Rig, standing: Standing, receivers: Receivers, down: Receiver, mailbox: Mailbox
) -> None:
    receivers["tfc"].answer = status(503)
    await rig.add_agency(AGENCY, down, key=KEY)
    await rig.add_agency(TFC, receivers["tfc"])
    async with standing.at_work() as notify:
        alert = await send(rig)
        backup = await send_rung(rig, alert, 1, RungTo.AGENCY)
        coordinator = await send_rung(rig, alert, 2, RungTo.COORDINATOR, agency=TFC)
        await receivers["tfc"].wait_for(1)
        assert (await say(notify, "acknowledge", alert, key=KEY)).status == 200
        await wait_for_states(rig, backup.alert_id, acknowledged=1)
        await wait_for_states(rig, coordinator.alert_id, acknowledged=1)


async def test_what_an_update_takes_the_place_of_ends_where_nobody_needs_the_update_any_more(
    rig: Rig, standing: Standing, receivers: Receivers, down: Receiver
) -> None:
    await rig.add_agency(AGENCY, receivers["up"], key=KEY)
    await rig.add_agency(OTHER, down)
    async with standing.at_work() as notify:
        stale = await send(rig, agency=OTHER)
        await down.wait_for(1)
        update = await send(rig)
        await wait_for_states(rig, update.alert_id, delivered=1)
        assert (await say(notify, "acknowledge", update, key=KEY)).status == 200
        # Decided before routing had heard of it.
        replacing = {"kind": AlertKind.UPDATE, "replaces": stale.alert_id}
        alternate = await send_rung(rig, update, 3, RungTo.ALTERNATE, agency=OTHER, **replacing)
        await wait_for_states(rig, alternate.alert_id, acknowledged=1)
        await wait_for_states(rig, stale.alert_id, superseded=1)
    assert f"{alternate.alert_id}_1" not in ids(down)


async def test_what_a_coordinator_has_spares_its_earlier_rungs_and_no_agency_anything(
    rig: Rig, standing: Standing, receivers: Receivers, down: Receiver, mailbox: Mailbox
) -> None:
    receivers["tfc"].answer = status(503)
    await rig.add_agency(AGENCY, down, email="duty@cw.example")
    await rig.add_agency(TFC, receivers["tfc"])
    mailbox.answers_by_recipient["duty@cw.example"] = "450 4.2.1 busy"
    async with standing.at_work() as notify:
        alert = await send(rig)
        first = await send_rung(rig, alert, 2, RungTo.COORDINATOR, agency=TFC)
        await receivers["tfc"].wait_for(1)
        await rig.add_agency(TFC, receivers["tfc"], email="desk@tfc.example", key=TFC_KEY)
        await notify.wait_ready(rig.version)
        later = await send_rung(rig, alert, 4, RungTo.COORDINATOR, agency=TFC)
        await wait_for_states(rig, first.alert_id, superseded=1)
        assert (await say(notify, "acknowledge", later, key=TFC_KEY)).status == 200
        # Nor does the coordinators' word for what the agency's own people would see.
        mailbox.answers_by_recipient.clear()
        own = await send_rung(rig, alert, 5, RungTo.COORDINATOR)
        await wait_for_states(rig, own.alert_id, delivered=1, pending=1)
        await wait_for_another_try(down, alert)
    assert (await states(rig, alert.alert_id))["pending"] == 1


async def test_what_was_overtaken_is_no_dead_letter_and_says_by_what(
    rig: Rig, standing: Standing, down: Receiver, mailbox: Mailbox
) -> None:
    down.answer = status(422)
    await rig.add_agency(AGENCY, down, backup="watch@cw.example")
    async with standing.at_work() as notify:
        alert = await send(rig)
        await wait_for_states(rig, alert.alert_id, refused=1)
        [dead] = await list_dead(notify)
        rung = await send_rung(rig, alert, 1, RungTo.AGENCY)
        await wait_for_states(rig, rung.alert_id, delivered=1, refused=1)
        assert [row["count"] for row in await rig.query(COUNT_ALL)] == [1]
        assert [entry["alert_id"] for entry in await list_dead(notify)] == [str(rung.alert_id)]
        body = {"delivery_ids": [dead["delivery_id"]]}
        redriven = await notify.ask("POST", f"{PATH}/redrive", key=OPERATOR, json=body)
        assert redriven.body["count"] == 0
        shown = await notify.ask("GET", f"{PATH}/{dead['delivery_id']}", key=OPERATOR)
    assert (dead["overtaken_by"], shown.body["delivery"]["overtaken_by"]) == (None, str(rung.alert_id))


@pytest.mark.parametrize(("reason", "ending"), [("conflict_of_interest", "declined"), ("no_capacity", None)])
async def test_who_refuses_for_a_conflict_of_interest_is_told_no_other_rung(
    rig: Rig, standing: Standing, down: Receiver, mailbox: Mailbox, reason: str, ending: str | None
) -> None:
    await rig.add_agency(AGENCY, down, key=KEY)
    async with standing.at_work() as notify:
        alert = await send(rig)
        rung = await send_rung(rig, alert, 1, RungTo.AGENCY)
        await wait_for_another_try(down, rung)
        assert (await say(notify, "refuse", alert, key=KEY, reason=reason)).status == 200
        if ending is None:
            await wait_for_another_try(down, rung)
        await wait_for_states(rig, rung.alert_id, **{ending or "pending": 1})
        # One that was decided at the same moment is not even begun.
        last = await send_rung(rig, alert, 13, RungTo.AGENCY)
        await wait_for_states(rig, last.alert_id, **{ending or "pending": 1})
    assert (f"{last.alert_id}_1" in ids(down)) is (ending is None)


async def test_looking_at_a_ladder_reads_its_alerts_however_much_is_stored(database: Database) -> None:
    connection = await asyncpg.connect(database.admin)
    await fill(connection, count=20_000)
    await connection.execute(
        "UPDATE notify.alert SET rung_of = gen_random_uuid(), rung_to = 'agency' WHERE feed_position % 50 = 0"
    )
    await connection.execute("ANALYZE notify.alert, notify.delivery")
    [found] = await connection.fetch("SELECT alert_id, delivery_id FROM notify.delivery LIMIT 1")
    looked_up = _FACTS.replace("$1", f"'{found['alert_id']}'").replace("$2", f"'{found['delivery_id']}'")
    plan = [row["QUERY PLAN"] for row in await connection.fetch(f"EXPLAIN {looked_up}")]
    await connection.close()
    assert not [line for line in plan if "Seq Scan on alert" in line or "Seq Scan on delivery" in line]


async def list_dead(notify: RunningNotify) -> list[dict[str, Any]]:
    found = (await notify.ask("GET", f"{PATH}?standing=dead", key=OPERATOR)).body
    assert found["total"] == len(found["deliveries"])
    dead: list[dict[str, Any]] = found["deliveries"]
    return dead
