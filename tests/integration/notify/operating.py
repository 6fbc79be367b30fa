"""Operators at work: two agencies whose endpoints refuse, and what an operator asks of notify about them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlencode

from services.notify.schedule import SCHEDULES, Schedule
from services.runtime.crypto import hash_api_key, new_api_key
from tests.integration.notify.rig import Reply, Rig, RunningNotify, running_notify
from tests.support.receivers import Receivers, status

AGENCY, OTHER = "ag-kern-cw", "ag-other"
KEY = new_api_key("tco")
PATH = "/v1/operator/deliveries"
ONCE = dict.fromkeys(SCHEDULES, Schedule((timedelta(seconds=0.02),), repeat=None))


def key_of(agency: str) -> str:
    return f"tca_key-of-{agency}"


@asynccontextmanager
async def operated_notify(rig: Rig) -> AsyncIterator[RunningNotify]:
    """One that lets the operator in; a delivery has two attempts."""
    settings = rig.settings(notify_operator_keys=hash_api_key(KEY))
    async with running_notify(rig, settings, schedules=ONCE) as running:
        yield running


async def add_refusing_agencies(rig: Rig, receivers: Receivers) -> None:
    for agency in (AGENCY, OTHER):
        receivers[agency].answer = status(422)
        await rig.add_agency(agency, receivers[agency], key=key_of(agency))


async def make_dead_letters(rig: Rig) -> None:
    """One for each agency."""
    for count, agency in enumerate((AGENCY, OTHER), start=1):
        # One after the other: of what is planned in one millisecond nobody is the newer.
        await rig.send_alert(agency=agency)
        await rig.wait_for_receipts(*["failed"] * count)


async def listed(notify: RunningNotify, **query: str) -> list[dict[str, object]]:
    reply = await notify.ask("GET", f"{PATH}?{urlencode(query)}", key=KEY)
    assert reply.status == 200, reply.text
    found: list[dict[str, object]] = reply.body["deliveries"]
    return found


async def redrive(notify: RunningNotify, **criteria: object) -> Reply:
    return await notify.ask("POST", f"{PATH}/redrive", key=KEY, json=criteria)
