"""Exercises reach whoever accepts them, are marked everywhere, and are never taken for dead letters."""

from tests.integration.notify.rig import Rig, running_notify
from tests.support.mailbox import Mailbox
from tests.support.receivers import Receivers, status

AGENCY = "ag-kern-cw"
KEY = "tca_0123456789abcdefghij"


async def test_an_exercise_takes_the_paths_that_accept_it_and_says_what_it_is(
    rig: Rig, receivers: Receivers, mailbox: Mailbox
) -> None:
    drilled, other = receivers["drilled"], receivers["other"]
    await rig.add_agency(
        AGENCY,
        drilled,
        other,
        email="duty@cw.example",
        key=KEY,
        drilled={drilled.url, "duty@cw.example"},
    )
    async with running_notify(rig, rig.settings(mailbox=mailbox)) as notify:
        exercise = await rig.send_alert(exercise=True)
        (arrival,) = await drilled.wait_for(1)
        (mail,) = await mailbox.wait_for(1)
        await rig.wait_for_receipts("delivered", "delivered")
        page = await notify.ask("GET", f"/a/{exercise.alert_id}")
        real = await rig.send_alert()
        (heard,) = await other.wait_for(1)
    assert arrival.data["exercise"] is True
    assert mail.message["subject"].startswith("EXERCISE - ")
    assert mail.part("plain").startswith("EXERCISE: this is a drill.")
    assert "EXERCISE" in page.text
    assert heard.data["alert_id"] == str(real.alert_id)


async def test_an_exercise_that_nothing_accepts_shows_to_who_asks_and_alarms_nobody(
    rig: Rig, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with running_notify(rig, rig.settings()) as notify:
        exercise = await rig.send_alert(exercise=True)
        await rig.wait_for_receipts("stored")
        feed = await notify.ask("GET", "/v1/alerts", key=KEY)
    shown = [(alert["alert_id"], alert["exercise"]) for alert in feed.body["alerts"]]
    assert shown == [(str(exercise.alert_id), True)]
    assert receivers["one"].arrivals == []
    assert await rig.query("SELECT * FROM notify.delivery") == []
    assert "exercise.without_path" in [line["event"] for line in logs]
    assert not [line for line in logs if line["level"] in {"warning", "error"} and "alert_id" in line]


async def test_an_exercise_that_waits_ends_in_silence_when_it_is_no_longer_accepted(
    rig: Rig, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    one = receivers["one"]
    one.answer = status(503)
    await rig.add_agency(AGENCY, one, drilled={one.url})
    async with running_notify(rig, rig.settings()) as notify:
        await rig.send_alert(exercise=True)
        await one.wait_for(1)
        await rig.add_agency(AGENCY, one)
        await notify.wait_ready(rig.version)
        await rig.wait_for_row("SELECT 1 FROM notify.delivery WHERE state = 'superseded'")
    assert "exercise.withheld" in [line["event"] for line in logs]
    assert "delivery.refused" not in [line["event"] for line in logs]
