"""Adding an endpoint: only a receiver that refuses what it must, and then told to routing."""

from typing import Any

import pytest
from aiohttp import web

from schemas.receipt import EndpointAdded
from services.runtime.crypto import hash_api_key
from tests.integration.notify.rig import Reply, Rig, RunningNotify, running_notify
from tests.support.ports import free_port
from tests.support.receivers import Answer, Receiver, Receivers, status

AGENCY = "ag-kern-cw"
KEY = "tca_0123456789abcdefghij"
OPERATOR = "tco_0123456789abcdefghij"


def asked(receiver: Receiver, **changes: object) -> dict[str, object]:
    return {"url": receiver.url, "secret": receiver.secret, **changes}


async def add(notify: RunningNotify, receiver: Receiver, **changes: object) -> Reply:
    return await notify.ask("POST", "/v1/endpoints", key=KEY, json=asked(receiver, **changes))


def messages(reply: Reply) -> str:
    return "\n".join(error["message"] for error in reply.body["errors"])


async def test_a_receiver_that_refuses_what_it_must_is_added_by_its_agency_or_an_operator(
    rig: Rig, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    await rig.add_agency(AGENCY, key=KEY)
    operated = rig.settings(notify_operator_keys=hash_api_key(OPERATOR))
    async with running_notify(rig, operated) as notify:
        added = await add(notify, receivers["one"], content="disclosed", exercises=True)
        path = f"/v1/operator/agencies/{AGENCY}/endpoints"
        by_operator = await notify.ask("POST", path, key=OPERATOR, json=asked(receivers["two"]))
        told = [each for each in await rig.read_receipts() if isinstance(each, EndpointAdded)]
    # Nobody here applies it to the directory: that is routing's.
    assert (added.status, added.body["in_force"]) == (202, False)
    assert [(probe["probe"], probe["status_code"], probe["reason"]) for probe in added.body["probes"]] == [
        ("unsigned", 401, "Unauthorized"),
        ("wrongly_signed", 401, "Unauthorized"),
        ("signed", 204, "No Content"),
    ]
    assert by_operator.status == 202
    assert (told[0].agency, told[0].endpoint.url, told[0].by) == (AGENCY, receivers["one"].url, "agency")
    assert (told[0].endpoint.content, told[0].endpoint.exercises, told[0].endpoint.added) == (
        "disclosed",
        True,
        True,
    )
    assert {each.event["type"] for each in receivers["one"].arrivals} == {"org.tocsin.test.v1"}
    assert sorted(each.is_verified for each in receivers["one"].arrivals) == [False, False, True]
    assert receivers["one"].secret not in str(logs)


async def _redirect(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"location": "http://169.254.169.254/"})


async def _hostile(_: web.Request) -> web.StreamResponse:
    return web.Response(status=403, reason="x" * 5000, body=b"secret-of-the-inside" * 1000)


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (status(204), "the unsigned probe: answered 204 No Content; refuse"),
        (status(204), "signed with another secret: answered 204 No Content; verify"),
        (status(401), "the signed test message: answered 401 Unauthorized; verify"),
        (status(500), "the unsigned probe: answered 500"),
        (_redirect, "answered 302 Found"),
        (_hostile, "answered 403 xxx"),
    ],
)
async def test_a_refusal_says_what_was_answered_and_what_to_do(
    rig: Rig, receivers: Receivers, answer: Answer, advice: str, logs: list[dict[str, Any]]
) -> None:
    receivers["one"].answer = answer
    await rig.add_agency(AGENCY, key=KEY)
    async with running_notify(rig, rig.settings()) as notify:
        refused = await add(notify, receivers["one"])
        told = await rig.read_receipts()
    assert refused.status == 422
    assert advice in messages(refused)
    assert len(refused.text) < 2048
    assert "secret-of-the-inside" not in refused.text + str(logs)
    assert "xxx" not in str(logs)
    assert told == []


async def test_an_address_that_may_not_be_dialled_is_not_tried(rig: Rig, receivers: Receivers) -> None:
    await rig.add_agency(AGENCY, key=KEY)
    async with running_notify(rig, rig.settings(notify_allow_cidrs="")) as notify:
        refused = await add(notify, receivers["one"])
        plain = await notify.ask("POST", "/v1/endpoints", key=KEY, json={"url": "ftp://x", "secret": "no"})
        stranger = await notify.ask("POST", "/v1/endpoints", json=asked(receivers["one"]))
    assert refused.status == 422
    assert messages(refused) == (
        "no answer (EgressRefusedError); webhooks do not go to this address: give a public one, or have the "
        "operator allow its network (TOCSIN_NOTIFY_ALLOW_CIDRS)"
    )
    assert {error["path"] for error in plain.body["errors"]} == {"/url", "/secret"}
    assert stranger.status == 401
    assert receivers["one"].arrivals == []


async def test_a_receiver_that_cannot_be_reached_is_said_to_be_so_once(
    rig: Rig, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, key=KEY)
    port = free_port()
    async with running_notify(rig, rig.settings()) as notify:
        refused = await add(notify, receivers["one"], url=f"http://127.0.0.1:{port}/")
    assert messages(refused).startswith("no answer (ConnectionRefusedError); see that notify reaches it")
    assert "verify" not in messages(refused)


async def test_an_endpoint_that_is_there_is_not_added_again(rig: Rig, receivers: Receivers) -> None:
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    async with running_notify(rig, rig.settings()) as notify:
        refused = await add(notify, receivers["one"])
    assert "rotate its secret instead" in messages(refused)
    assert receivers["one"].arrivals == []
