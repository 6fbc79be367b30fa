"""What routing decided anew: amended, stopped, updated, cancelled, and no longer allowed by now."""

from uuid import uuid4

import pytest

from schemas.alert import Command
from schemas.vocabulary import AlertKind, EndpointContent, Group
from tests.integration.notify.rig import Rig, wait_until
from tests.integration.notify.standing.at_work import Standing
from tests.integration.notify.telling import (
    AGENCY,
    KEY,
    LONG_AGO,
    NAME,
    NOT_SOON,
    feed,
    ids,
    make,
    send,
    wait_for_states,
)
from tests.support.mailbox import Mailbox
from tests.support.receivers import Answer, Gate, Receivers, hang_up, status

pytestmark = pytest.mark.asyncio(loop_scope="module")

# ------------------------------------------------------------------------------------ amend


async def test_an_amendment_replaces_what_is_pending_and_leaves_alone_what_has_arrived(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    receivers["down"].answer = status(503)
    await rig.add_agency(AGENCY, receivers["up"], receivers["down"], key=KEY)
    async with standing.at_work() as notify:
        alert = await send(rig)
        await receivers["up"].wait_for(1)
        await receivers["down"].wait_for(1)
        await rig.wait_for_row("SELECT 1 FROM notify.delivery WHERE state = 'delivered'")
        await send(rig, command=Command.AMEND, alert_id=alert.alert_id, revision=2, disclosed={})
        await rig.wait_for_row("SELECT 1 FROM notify.delivery WHERE revision = 2 AND state = 'pending'")
        receivers["down"].answer = None
        await wait_for_states(rig, alert.alert_id, delivered=2, superseded=2)
        (pulled,) = await feed(notify)
    assert ids(receivers["up"]) == [f"{alert.alert_id}_1"]
    last = receivers["down"].arrivals[-1]
    assert (last.webhook_id, last.data["disclosed"]) == (f"{alert.alert_id}_2", {})
    assert (pulled["revision"], pulled["disclosed"]) == (2, {})


async def test_two_revisions_that_come_together_are_delivered_as_the_later(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    first = await make(rig)
    amended = await make(rig, command=Command.AMEND, alert_id=first.alert_id, revision=2, disclosed={})
    await rig.publish_alerts(first, amended)
    async with standing.at_work():
        await wait_for_states(rig, first.alert_id, delivered=1, superseded=1)
    assert ids(receivers["one"]) == [f"{first.alert_id}_2"]


async def test_a_revision_that_comes_late_delivers_nothing(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    first = await make(rig)
    async with standing.at_work() as notify:
        await send(rig, command=Command.AMEND, alert_id=first.alert_id, revision=3, disclosed={})
        await receivers["one"].wait_for(1)
        await rig.publish_alerts(first)
        await send(rig, command=Command.AMEND, alert_id=first.alert_id, revision=2)
        other = await send(rig)
        await receivers["one"].wait_for(2)
        pulled = await feed(notify)
        own = (await notify.ask("GET", f"/v1/alerts/{first.alert_id}", key=KEY)).body
    assert ids(receivers["one"]) == [f"{first.alert_id}_3", f"{other.alert_id}_1"]
    assert [(alert["alert_id"], alert["revision"]) for alert in pulled] == [
        (str(first.alert_id), 3),
        (str(other.alert_id), 1),
    ]
    assert own["disclosed"] == {}


async def test_an_acknowledged_alert_is_amended_in_silence(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    receivers["one"].answer = status(503)
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with standing.at_work() as notify:
        alert = await send(rig)
        await receivers["one"].wait_for(1)
        path, person = f"/v1/alerts/{alert.alert_id}/acknowledge", {"person": "J. Ortiz", "role": "officer"}
        assert (await notify.ask("POST", path, key=KEY, json=person)).status == 200
        await send(rig, command=Command.AMEND, alert_id=alert.alert_id, revision=2, disclosed={})
        await wait_for_states(rig, alert.alert_id, acknowledged=2)
    assert f"{alert.alert_id}_2" not in ids(receivers["one"])


# ------------------------------------------------------------------------------------- stop


async def test_a_stop_ends_what_is_pending_and_withdraws_the_alert(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    receivers["one"].answer = status(503)
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with standing.at_work() as notify:
        alert = await send(rig)
        await receivers["one"].wait_for(2)
        await send(rig, command=Command.STOP, alert_id=alert.alert_id, revision=2)
        await wait_for_states(rig, alert.alert_id, superseded=1)
        # One may have been under way; what comes after another alert's retries would be one too many.
        before = len([each for each in ids(receivers["one"]) if str(alert.alert_id) in each])
        other = await send(rig)
        while len([each for each in ids(receivers["one"]) if str(other.alert_id) in each]) < 3:
            await receivers["one"].wait_for(len(receivers["one"].arrivals) + 1)
        own = await notify.ask("GET", f"/v1/alerts/{alert.alert_id}", key=KEY)
        taken = await notify.ask(
            "POST", f"/v1/alerts/{alert.alert_id}/acknowledge", key=KEY, json={"person": "J", "role": "o"}
        )
        pulled = await feed(notify)
    after = len([each for each in ids(receivers["one"]) if str(alert.alert_id) in each])
    assert after <= before + 1
    assert (own.status, taken.status) == (404, 404)
    assert [each["alert_id"] for each in pulled] == [str(other.alert_id)]


async def test_an_attempt_under_way_when_the_stop_comes_may_finish_and_counts(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    gate = Gate()
    receivers["one"].answer = gate.answer
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with standing.at_work():
        alert = await send(rig)
        await receivers["one"].wait_for(1)
        await send(rig, command=Command.STOP, alert_id=alert.alert_id, revision=2)
        await wait_for_states(rig, alert.alert_id, superseded=1)
        gate.open()
        await wait_for_states(rig, alert.alert_id, delivered=1)
    assert ids(receivers["one"]) == [f"{alert.alert_id}_1"]


async def test_a_stop_that_comes_with_or_before_its_alert_lets_nothing_out(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    together, late = await make(rig), await make(rig)
    stops = [
        await make(rig, command=Command.STOP, alert_id=each.alert_id, revision=2) for each in (together, late)
    ]
    await rig.publish_alerts(together, *stops)
    async with standing.at_work() as notify:
        await rig.wait_for_row("SELECT 1 FROM notify.alert WHERE command = 'stop' HAVING count(*) = 2")
        await rig.publish_alerts(late)
        other = await send(rig)
        await receivers["one"].wait_for(1)
        pulled = await feed(notify)
    assert ids(receivers["one"]) == [f"{other.alert_id}_1"]
    assert [each["alert_id"] for each in pulled] == [str(other.alert_id)]


# ------------------------------------------------------------------------ update and cancel


async def test_an_update_takes_the_place_of_an_alert_that_never_arrived(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    receivers["one"].answer = status(503)
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with standing.at_work():
        alert = await send(rig)
        await receivers["one"].wait_for(1)
        update = await send(rig, kind=AlertKind.UPDATE, replaces=alert.alert_id)
        await wait_for_states(rig, alert.alert_id, superseded=1)
        await receivers["one"].wait_for(len(receivers["one"].arrivals) + 2)
        receivers["one"].answer = None
        await wait_for_states(rig, update.alert_id, delivered=1)
    arrived = ids(receivers["one"])
    # From its first attempt on, nothing of the alert.
    behind = arrived[arrived.index(f"{update.alert_id}_1") :]
    assert set(behind) == {f"{update.alert_id}_1"}


@pytest.mark.parametrize("content", list(EndpointContent))
async def test_an_update_waits_while_its_alert_is_under_way(
    rig: Rig,
    standing: Standing,
    receivers: Receivers,
    content: EndpointContent,
    logs: list[dict[str, object]],
) -> None:
    gate = Gate()
    receivers["one"].answer = gate.answer
    await rig.add_agency(AGENCY, receivers["one"], key=KEY, content=content)
    async with standing.at_work():
        alert = await send(rig)
        await receivers["one"].wait_for(1)
        update = await send(rig, kind=AlertKind.UPDATE, replaces=alert.alert_id)

        async def is_held() -> bool:
            return any(line["event"] == "delivery.held" for line in logs)

        await wait_until(is_held)
        assert ids(receivers["one"]) == [f"{alert.alert_id}_1"]
        gate.open()
        await wait_for_states(rig, update.alert_id, delivered=1)
    assert ids(receivers["one"]) == [f"{alert.alert_id}_1", f"{update.alert_id}_1"]
    # To be put off grants no attempt and costs none.
    rows = await rig.query("SELECT attempts FROM notify.delivery WHERE alert_id = $1", update.alert_id)
    assert [row["attempts"] for row in rows] == [1]


async def test_a_cancel_is_told_where_its_alert_arrived_and_silent_where_it_never_did(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    receivers["down"].answer = status(429)
    await rig.add_agency(AGENCY, receivers["up"], receivers["down"], key=KEY)
    async with standing.at_work() as notify:
        alert = await send(rig)
        await rig.wait_for_row("SELECT 1 FROM notify.delivery WHERE state = 'delivered'")
        cancel = await send(rig, kind=AlertKind.CANCEL, replaces=alert.alert_id)
        await wait_for_states(rig, cancel.alert_id, delivered=1, superseded=1)
        await wait_for_states(rig, alert.alert_id, delivered=1, superseded=1)
        pulled = await feed(notify)
    assert ids(receivers["up"]) == [f"{alert.alert_id}_1", f"{cancel.alert_id}_1"]
    assert f"{cancel.alert_id}_1" not in ids(receivers["down"])
    # Who pulls sees both.
    assert [each["alert_id"] for each in pulled] == [str(alert.alert_id), str(cancel.alert_id)]


@pytest.mark.parametrize("vague", [hang_up, status(500), status(504)], ids=["hangs-up", "500", "504"])
async def test_a_cancel_is_told_where_nobody_knows_whether_its_alert_arrived(
    rig: Rig, standing: Standing, receivers: Receivers, vague: Answer
) -> None:
    """Also when later attempts have missed for certain: it may have arrived by the first."""
    receivers["one"].answer = vague
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with standing.at_work():
        alert = await send(rig)
        await receivers["one"].wait_for(1)
        receivers["one"].answer = status(429)
        await rig.wait_for_row("SELECT 1 FROM notify.attempt WHERE status_code = 429")
        await rig.publish_alerts(await make(rig, command=Command.STOP, alert_id=alert.alert_id, revision=2))
        await wait_for_states(rig, alert.alert_id, superseded=1)
        receivers["one"].answer = None
        cancel = await send(rig, kind=AlertKind.CANCEL, replaces=alert.alert_id)
        await wait_for_states(rig, cancel.alert_id, delivered=1)
    assert ids(receivers["one"])[-1] == f"{cancel.alert_id}_1"


async def test_a_cancel_waits_for_an_attempt_that_a_stop_found_under_way_and_is_told_if_it_arrives(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    gate = Gate()
    receivers["one"].answer = gate.answer
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with standing.at_work():
        alert = await send(rig)
        await receivers["one"].wait_for(1)
        await rig.publish_alerts(
            await make(rig, command=Command.STOP, alert_id=alert.alert_id, revision=2),
            cancel := await make(rig, kind=AlertKind.CANCEL, replaces=alert.alert_id),
        )
        await rig.wait_for_row("SELECT 1 FROM notify.delivery WHERE state = 'superseded'")
        gate.open()
        await receivers["one"].wait_for(2)
    assert ids(receivers["one"]) == [f"{alert.alert_id}_1", f"{cancel.alert_id}_1"]


async def test_a_cancel_is_silent_and_does_not_wait_where_the_stop_came_together_with_the_alert(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    """As after an outage, when an event and its correction are decided at once: nothing was ever begun."""
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    alert = await make(rig)
    cancel = await make(rig, kind=AlertKind.CANCEL, replaces=alert.alert_id)
    await rig.publish_alerts(
        alert, await make(rig, command=Command.STOP, alert_id=alert.alert_id, revision=2), cancel
    )
    async with standing.at_work():
        await wait_for_states(rig, cancel.alert_id, superseded=1)
    assert ids(receivers["one"]) == []


async def test_a_cancel_of_an_update_is_told_to_whoever_has_the_alert_of_the_update(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with standing.at_work():
        alert = await send(rig)
        await wait_for_states(rig, alert.alert_id, delivered=1)
        receivers["one"].answer = status(503)
        update = await send(rig, kind=AlertKind.UPDATE, replaces=alert.alert_id)
        await receivers["one"].wait_for(2)
        cancel = await send(rig, kind=AlertKind.CANCEL, replaces=update.alert_id)
        await wait_for_states(rig, update.alert_id, superseded=1)
        receivers["one"].answer = None
        await wait_for_states(rig, cancel.alert_id, delivered=1)
    arrived = ids(receivers["one"])
    assert arrived[0] == f"{alert.alert_id}_1"
    assert arrived[-1] == f"{cancel.alert_id}_1"


async def test_e_mail_keeps_the_order_too(rig: Rig, standing: Standing, mailbox: Mailbox) -> None:
    await rig.add_agency(AGENCY, email="duty@cw.example", key=KEY)
    async with standing.at_work():
        cancel = await send(rig, kind=AlertKind.CANCEL, replaces=uuid4())
        alert = await send(rig)
        update = await send(rig, kind=AlertKind.UPDATE, replaces=alert.alert_id)
        await wait_for_states(rig, update.alert_id, delivered=1)
        await wait_for_states(rig, cancel.alert_id, superseded=1)
    told = [mail.part("plain") for mail in mailbox.mails]
    assert len(told) == 2
    assert str(alert.alert_id) in told[0]
    assert str(update.alert_id) in told[1]


# -------------------------------------------------------------------------------- agreement


async def test_what_needs_an_agreement_ends_with_it_also_while_it_waits(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    """Whether its ladder is over or was never climbed: nobody has to tell notify."""
    receivers["one"].answer = status(503)
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with standing.at_work() as notify:
        agreed = await send(rig, mandated=False, disclosed=NAME)
        ordered = await send(rig, disclosed={**NAME, Group.AGE: {"band": "adult"}}, by_agreement=[Group.AGE])
        await receivers["one"].wait_for(2)
        await rig.add_agency(AGENCY, receivers["one"], key=KEY, agreement_until=LONG_AGO)
        await notify.wait_ready(rig.version)
        await wait_for_states(rig, agreed.alert_id, refused=1)
        receivers["one"].answer = None
        await wait_for_states(rig, ordered.alert_id, delivered=1)
        pulled = {each["alert_id"]: each for each in await feed(notify)}
    (row,) = await rig.query("SELECT detail FROM notify.attempt WHERE outcome = 'refused'")
    assert row["detail"] == "agreement_ended"
    assert receivers["one"].arrivals[0].data["disclosed"].keys() >= {"name"}
    assert receivers["one"].arrivals[-1].data["disclosed"] == NAME
    assert "disclosed" not in pulled[str(agreed.alert_id)]
    assert pulled[str(ordered.alert_id)]["disclosed"] == NAME


# ------------------------------------------------------------------------------------ until


async def test_a_group_whose_time_is_over_is_sent_and_shown_to_nobody(
    rig: Rig, standing: Standing, receivers: Receivers
) -> None:
    """At the moment of sending: what waits for an endpoint is judged again at each attempt."""
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with standing.at_work() as notify:
        over = await send(rig, disclosed=NAME, until={Group.NAME: LONG_AGO})
        holds = await send(rig, disclosed=NAME, until={Group.NAME: NOT_SOON})
        await receivers["one"].wait_for(2)
        pulled = {each["alert_id"]: each for each in await feed(notify)}
        own = (await notify.ask("GET", f"/v1/alerts/{over.alert_id}", key=KEY)).body
    sent = {arrival.data["alert_id"]: arrival.data for arrival in receivers["one"].arrivals}
    for seen in (sent, pulled):
        assert seen[str(over.alert_id)]["disclosed"] == {}
        assert seen[str(holds.alert_id)]["disclosed"] == {"name": {"full": "Marisol Ejemplovich"}}
        # When a consent ends is nobody's business.
        assert "until" not in seen[str(holds.alert_id)]
    assert own["disclosed"] == {}
