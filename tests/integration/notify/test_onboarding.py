"""Adding an endpoint: only a receiver that refuses what it must, and then told to routing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from schemas.receipt import EndpointAdded
from services.runtime.crypto import hash_api_key
from tests.integration.notify.adding import AGENCY, KEY, OPERATOR, add, asked, messages
from tests.integration.notify.rig import Rig, RunningNotify, running_notify
from tests.support.ports import free_port
from tests.support.receivers import Answer, Gate, Receivers, open_receivers, status

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def notify(module_rig: Rig) -> AsyncIterator[RunningNotify]:
    await module_rig.add_agency(AGENCY, key=KEY)
    operated = module_rig.settings(notify_operator_keys=hash_api_key(OPERATOR))
    async with running_notify(module_rig, operated) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def rig(shared_rig: Rig, notify: RunningNotify) -> Rig:
    """With one agency, which has no endpoint."""
    if shared_rig.agencies[AGENCY].endpoints:
        await shared_rig.add_agency(AGENCY, key=KEY)
    await notify.wait_ready(shared_rig.version)
    return shared_rig


@pytest_asyncio.fixture(loop_scope="module")
async def receivers() -> AsyncIterator[Receivers]:
    async with open_receivers() as opened:
        yield opened


async def test_a_receiver_that_refuses_what_it_must_is_added_by_its_agency_or_an_operator(
    rig: Rig, notify: RunningNotify, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    path = f"/v1/operator/agencies/{AGENCY}/endpoints"
    added, by_operator = await asyncio.gather(
        add(notify, receivers["one"], content="disclosed", exercises=True),
        notify.ask("POST", path, key=OPERATOR, json=asked(receivers["two"])),
    )
    receipts = await rig.wait_for_receipts("endpoint_added", "endpoint_added")
    told = sorted(
        (each for each in receipts if isinstance(each, EndpointAdded)), key=lambda each: each.endpoint.url
    )
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
    rig: Rig,
    notify: RunningNotify,
    receivers: Receivers,
    answer: Answer,
    advice: str,
    logs: list[dict[str, Any]],
) -> None:
    receivers["one"].answer = answer
    refused = await add(notify, receivers["one"])
    told = await rig.read_receipts()
    assert refused.status == 422
    assert advice in messages(refused)
    assert len(refused.text) < 2048
    assert "secret-of-the-inside" not in refused.text + str(logs)
    assert "xxx" not in str(logs)
    assert told == []


async def test_a_receiver_that_cannot_be_reached_is_said_to_be_so_once(
    rig: Rig, notify: RunningNotify, receivers: Receivers
) -> None:
    port = free_port()
    refused = await add(notify, receivers["one"], url=f"http://127.0.0.1:{port}/")
    assert messages(refused).startswith("no answer (ConnectionRefusedError); see that notify reaches it")
    assert "verify" not in messages(refused)


async def test_an_endpoint_that_is_there_is_not_added_again(
    rig: Rig, notify: RunningNotify, receivers: Receivers
) -> None:
    await rig.add_agency(AGENCY, receivers["one"], key=KEY)
    await notify.wait_ready(rig.version)
    refused = await add(notify, receivers["one"])
    assert "rotate its secret instead" in messages(refused)
    assert receivers["one"].arrivals == []


async def test_of_two_who_add_one_address_at_once_one_is_told_that_it_is_not_its_secret(
    rig: Rig, notify: RunningNotify, receivers: Receivers
) -> None:
    receiver, gate = receivers["one"], Gate()
    receiver.answer = gate.answer
    first = asyncio.create_task(add(notify, receiver))
    await receiver.wait_for(3)
    second = await add(notify, receiver, secret=receivers["another secret"].secret)
    gate.open()
    # It takes what is unsigned: it did not pass, and the next may try at once.
    assert (await first).status == 422
    receiver.answer = None
    passed = await add(notify, receiver)
    third = await add(notify, receiver, secret=receivers["another secret"].secret)
    told = [each for each in await rig.read_receipts() if isinstance(each, EndpointAdded)]
    assert (second.status, second.body["title"]) == (409, "Being added")
    # Until routing has taken over the first receipt, it would pass over another.
    assert (passed.status, third.status) == (202, 409)
    assert len(told) == 1


async def test_who_is_added_has_its_own_secret_in_force_and_not_anothers(
    rig: Rig, notify: RunningNotify, receivers: Receivers
) -> None:
    own, other = receivers["own"], receivers["other"]
    adding = asyncio.create_task(add(notify, own))
    await rig.wait_for_row("SELECT 1 FROM notify.onboarding WHERE batch_id IS NOT NULL")
    await rig.wait_for_receipts("endpoint_added")
    [told] = [each for each in await rig.read_receipts() if isinstance(each, EndpointAdded)]
    rig.agencies[AGENCY].endpoints.append(told.endpoint)
    await rig.publish_directory()
    added = await adding
    adding = asyncio.create_task(add(notify, other))
    await rig.wait_for_row("SELECT 1 FROM notify.onboarding WHERE batch_id IS NOT NULL OFFSET 1")
    await rig.add_agency(AGENCY, own, other, key=KEY)
    late = await adding
    assert (added.status, added.body["in_force"]) == (201, True)
    assert late.status == 409


async def test_a_request_that_died_holds_an_address_for_a_minute_at_most(
    rig: Rig, notify: RunningNotify, receivers: Receivers
) -> None:
    receiver, gate = receivers["one"], Gate()
    receiver.answer = gate.answer
    adding = asyncio.create_task(add(notify, receiver))
    await receiver.wait_for(3)
    adding.cancel()
    receiver.answer = None
    held = await add(notify, receiver)
    await rig.query("UPDATE notify.onboarding SET held_until = held_until - interval '1 minute'")
    free = await add(notify, receiver)
    assert (held.status, free.status) == (409, 202)
