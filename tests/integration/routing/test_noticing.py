"""What notify tells of its own troubles becomes alerts to those who can mend them: once, and of no case."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from schemas.alert import AlertContent, AlertRecord
from schemas.directory import DirectoryFile, EndpointRecord
from schemas.receipt import EndpointAdded, EndpointResumed, EndpointSuspended, Failed
from schemas.topics import RECEIPTS
from schemas.vocabulary import EndpointContent
from services.runtime.kafka import PublishError, Record
from tests.integration.routing.events import CORRELATION_ID, RECEIVED_AT, build_event, lay_out
from tests.integration.routing.rig import OPERATOR, Rig, Routing, sample_directory
from tests.integration.routing.test_replay import FailingPublisher

pytestmark = pytest.mark.asyncio(loop_scope="module")

CW, TFC, SO = "ag-kern-cw", "ag-kern-tfc", "ag-kern-so"
ENDPOINT = "ep_0123456789abcdef"
NOT_NOW = RECEIVED_AT + timedelta(minutes=1)
Lines = list[dict[str, Any]]


def suspended(**changes: object) -> EndpointSuspended:
    return EndpointSuspended.model_validate(_about(**changes))


def resumed(**changes: object) -> EndpointResumed:
    return EndpointResumed.model_validate(_about(**changes))


def _about(**changes: object) -> dict[str, object]:
    return {
        "agency": CW,
        "endpoint_id": ENDPOINT,
        "reason": "failing",
        "since": RECEIVED_AT,
        "at": RECEIVED_AT,
        "correlation_id": CORRELATION_ID,
        **changes,
    }


def failed(alert: AlertRecord, **changes: object) -> Failed:
    return Failed.model_validate(
        {
            "alert_id": alert.alert_id,
            "revision": 1,
            "agency": alert.agency,
            "case_ref": alert.case_ref,
            "delivery_id": uuid4(),
            "channel": "webhook",
            "outcome": "refused",
            "at": RECEIVED_AT,
            "correlation_id": CORRELATION_ID,
            **changes,
        }
    )


async def receive(
    routing: Routing,
    *receipts: EndpointAdded | EndpointSuspended | EndpointResumed | Failed,
    offset: int = 0,
) -> None:
    records = [
        Record(
            RECEIPTS.name,
            receipt.agency.encode(),
            receipt.model_dump_json(exclude_none=True).encode(),
            (("kind", receipt.kind.value.encode()),),
        )
        for receipt in receipts
    ]
    await routing.receipts.handle(lay_out(records, first_offset=offset))


async def notices(rig: Rig) -> list[tuple[AlertRecord, AlertContent]]:
    """What was published of no case."""
    return [
        (alert, AlertContent.model_validate(await rig.open_content(alert)))
        for alert in await rig.published_alerts()
        if alert.case_ref == "tocsin.operations"
    ]


def added(agency: str = CW, endpoint_id: str = ENDPOINT) -> EndpointAdded:
    endpoint = EndpointRecord(
        endpoint_id=endpoint_id,
        url="https://new.example/",
        content=EndpointContent.DISCLOSED,
        secret_sealed=b"sealed",
        added=True,
    )
    return EndpointAdded(agency=agency, endpoint=endpoint, by="agency", at=RECEIVED_AT)


async def decide_two(rig: Rig, routing: Routing) -> list[AlertRecord]:
    """Alerts of child welfare, of two cases."""
    events = [build_event(f"e{n}", subject=f"case-{n}") for n in (1, 2)]
    await routing.events.handle(lay_out(await rig.sealer.seal(*events)))
    return [alert for alert in await rig.published_alerts() if alert.agency == CW]


async def test_a_suspended_endpoint_is_told_to_its_agency_and_the_coordinator(
    rig: Rig, routing: Routing
) -> None:
    await receive(routing, suspended())

    told = await notices(rig)
    assert [(alert.agency, alert.urgency, alert.mandated) for alert, _ in told] == [
        (CW, "immediate", False),
        (TFC, "immediate", True),
    ]
    for alert, content in told:
        assert (content.kind, content.reason) == ("error", "ENDPOINT_SUSPENDED")
        assert content.concern is not None
        assert (content.concern.agency, content.concern.endpoint_id) == (CW, ENDPOINT)
        assert (content.disclosed, content.duties, content.county) == ({}, [], None)
        assert alert.acknowledge_by == content.acknowledge_by == alert.decided_at + timedelta(minutes=15)
    assert await rig.rows("ladder") == []


async def test_it_is_told_once_however_often_it_is_said_and_its_end_takes_it_back(
    rig: Rig, routing: Routing
) -> None:
    await receive(routing, suspended(), suspended())
    await receive(routing, suspended(), offset=2)
    await receive(routing, resumed(), resumed(), offset=3)

    began, told = (await notices(rig))[:2], (await notices(rig))[2:]
    assert [(alert.agency, content.kind, alert.urgency) for alert, content in told] == [
        (CW, "cancel", "routine"),
        (TFC, "cancel", "routine"),
    ]
    assert [content.replaces for _, content in told] == [alert.alert_id for alert, _ in began]


async def test_the_next_suspension_is_another(rig: Rig, routing: Routing) -> None:
    await receive(routing, suspended(), suspended(since=RECEIVED_AT + timedelta(hours=1)))
    assert len({alert.alert_id for alert, _ in await notices(rig)}) == 4


async def test_who_adds_or_removes_an_endpoint_cannot_do_so_unseen(
    rig: Rig, routing: Routing, logs: Lines
) -> None:
    await receive(routing, added(), added())
    await receive(routing, added(), offset=2)
    version = await routing.enroller.remove(CW, ENDPOINT, operator=OPERATOR)

    told = await notices(rig)
    assert [(alert.agency, alert.urgency, content.reason) for alert, content in told] == [
        (CW, "urgent", "ENDPOINT_ADDED"),
        (TFC, "urgent", "ENDPOINT_ADDED"),
        (CW, "urgent", "ENDPOINT_REMOVED"),
        (TFC, "urgent", "ENDPOINT_REMOVED"),
    ]
    for alert, content in told:
        # Nothing that is suspended is spared it, and no agreement is asked for.
        assert alert.mandated
        assert content.concern is not None
        assert (content.concern.agency, content.concern.endpoint_id) == (CW, ENDPOINT)
        assert (content.disclosed, content.duties, content.county) == ({}, [], None)
    # Notify waits for the directory in which it is so.
    assert [alert.directory_version for alert, _ in told] == [version - 1] * 2 + [version] * 2
    assert [line["reason"] for line in logs if line["event"] == "notice.told"] == [
        *["ENDPOINT_ADDED"] * 2,
        *["ENDPOINT_REMOVED"] * 2,
    ]


async def test_an_endpoint_that_is_not_added_is_not_told(rig: Rig, routing: Routing) -> None:
    other = added().endpoint.model_copy(update={"secret_sealed": b"another"})
    await receive(routing, added(), added("ag-nobody", "ep_of_nobody"))
    await receive(routing, added().model_copy(update={"endpoint": other, "at": NOT_NOW}), offset=2)
    assert [alert.agency for alert, _ in await notices(rig)] == [CW, TFC]


async def test_a_crash_after_an_endpoint_was_added_or_removed_loses_no_notice(
    rig: Rig, routing: Routing
) -> None:
    async with rig.open_routing(publisher=FailingPublisher()) as dying:  # type: ignore[arg-type]
        with pytest.raises(PublishError):
            await receive(dying, added())
        await receive(routing, added())
        with pytest.raises(PublishError):
            await dying.enroller.remove(CW, ENDPOINT, operator=OPERATOR)

    await rig.admin.execute("UPDATE routing.outbox SET publish_after = now() - interval '1 second'")
    await routing.hand_over.republish_late()

    reasons = {content.reason for _, content in await notices(rig)}
    assert reasons == {"ENDPOINT_ADDED", "ENDPOINT_REMOVED"}


async def test_dead_letters_of_an_hour_are_one_alarm_to_the_coordinator(rig: Rig, routing: Routing) -> None:
    first, second = await decide_two(rig, routing)
    one, other = failed(first), failed(second)

    await receive(routing, one)
    await receive(routing, other, offset=1)
    await receive(routing, failed(second, at=RECEIVED_AT + timedelta(hours=1)), offset=2)

    told = await notices(rig)
    assert [(alert.agency, alert.urgency, content.reason) for alert, content in told] == [
        (TFC, first.urgency, "DEAD_LETTER")
    ] * 2
    concern = told[0][1].concern
    assert concern is not None
    assert (concern.agency, concern.channel, concern.delivery_id) == (CW, "webhook", one.delivery_id)


async def test_a_notice_that_is_a_dead_letter_itself_tells_nothing_more(rig: Rig, routing: Routing) -> None:
    alert, _ = await decide_two(rig, routing)
    await receive(routing, failed(alert), suspended())
    told = await notices(rig)

    await receive(routing, *[failed(notice, channel="email") for notice, _ in told], offset=2)

    assert await notices(rig) == told


async def test_a_notice_names_nothing_of_the_case(rig: Rig, routing: Routing) -> None:
    alert, _ = await decide_two(rig, routing)
    await receive(routing, failed(alert))
    [(_, content)] = await notices(rig)
    text = content.model_dump_json()
    assert not [
        word for word in (alert.case_ref, str(alert.alert_id), "06029", "victim", "K-0") if word in text
    ]


async def test_what_an_agency_that_left_missed_alarms_nobody(rig: Rig, routing: Routing) -> None:
    alert, _ = await decide_two(rig, routing)
    file = sample_directory()
    kept = [agency for agency in file.agencies if agency.id != CW]
    await routing.desk.apply(DirectoryFile(agencies=kept, sources=[]), operator=OPERATOR)
    await receive(routing, failed(alert))
    assert await notices(rig) == []


async def test_an_alarm_needs_no_agreement(rig: Rig, routing: Routing) -> None:
    """What is marked as by agreement is refused at sending to whoever has none: an alarm must not be."""
    alert, _ = await decide_two(rig, routing)
    file = sample_directory()
    lapsed = [
        agency.model_copy(update={"agreement_until": None}) if agency.id in {CW, TFC} else agency
        for agency in file.agencies
    ]
    await routing.desk.apply(DirectoryFile(agencies=lapsed, sources=[]), operator=OPERATOR)

    await receive(routing, failed(alert), suspended())

    assert [(notice.agency, notice.mandated) for notice, _ in await notices(rig)] == [
        (TFC, True),
        (CW, True),
        (TFC, True),
    ]


async def test_without_a_coordinator_the_log_alarms(rig: Rig, routing: Routing, logs: Lines) -> None:
    alert, _ = await decide_two(rig, routing)
    file = sample_directory()
    kept = [agency for agency in file.agencies if "TF_COORDINATOR" not in agency.roles]
    await routing.desk.apply(DirectoryFile(agencies=kept, sources=[]), operator=OPERATOR)

    await receive(routing, failed(alert))

    assert await notices(rig) == []
    [line] = [line for line in logs if line["event"] == "notice.undeliverable"]
    assert (line["level"], line["agency"], line["reason"]) == ("error", CW, "DEAD_LETTER")


async def test_a_crash_between_commit_and_publish_loses_no_notice(rig: Rig, routing: Routing) -> None:
    async with rig.open_routing(publisher=FailingPublisher()) as dying:  # type: ignore[arg-type]
        with pytest.raises(PublishError):
            await receive(dying, suspended())
    assert await notices(rig) == []

    await receive(routing, suspended())
    await rig.admin.execute("UPDATE routing.outbox SET publish_after = now() - interval '1 second'")
    await routing.hand_over.republish_late()

    assert sorted(alert.agency for alert, _ in await notices(rig)) == [CW, TFC]
