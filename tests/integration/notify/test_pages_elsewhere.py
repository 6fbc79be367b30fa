"""The pages of several processes, and behind a proxy."""

from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest

from tests.integration.notify.rig import Rig, RunningNotify, running_notify
from tests.integration.notify.visits import AGENCY, KEY, SOFT, Badge, enrol, sign_in, visiting
from tests.support.visiting import NAME, ROLE, Page, Visitor


@pytest.fixture
async def notify(rig: Rig) -> AsyncIterator[RunningNotify]:
    await rig.add_agency(AGENCY, key=KEY, email="duty@cw.example")
    async with running_notify(rig, rig.settings(), hardness=SOFT) as running:
        yield running


@pytest.fixture
async def visitor(notify: RunningNotify) -> AsyncIterator[Visitor]:
    async with visiting(notify) as opened:
        yield opened


@pytest.fixture
async def badge(rig: Rig, notify: RunningNotify, visitor: Visitor) -> Badge:
    return await enrol(rig, notify, visitor)


async def test_who_tries_too_often_waits_in_every_process_and_after_a_restart(
    rig: Rig, notify: RunningNotify, visitor: Visitor, badge: Badge
) -> None:
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")
    for _ in range(10):
        assert (await sign_in(visitor, alert, badge, passphrase="x")).status == 403
    limited = await sign_in(visitor, alert, badge)
    assert (limited.status, limited.text.count("Wait 1")) == (429, 1)
    assert 0 < int(limited.headers["retry-after"]) <= 900
    # Of a name that nobody has, likewise: a limit tells nothing.
    for _ in range(10):
        await sign_in(visitor, alert, badge, sign_in_name="nobody")
    assert (await sign_in(visitor, alert, badge, sign_in_name="nobody")).status == 429
    other = rig.settings(member="notify-1")
    async with running_notify(rig, other, hardness=SOFT) as second, visiting(second) as there:
        assert (await sign_in(there, alert, badge)).status == 429
        await rig.query("UPDATE notify.throttle SET ends_at = now()")
        assert (await sign_in(there, alert, badge)).status == 200


class BehindProxy(Visitor):
    """Has notify under a path of its own, which the proxy takes off."""

    async def _ask(
        self, method: str, path: str, fields: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> Page:
        own = path.removeprefix("/tocsin")
        if method == "GET" or own != path:
            return await super()._ask(method, own, fields, headers)
        raise AssertionError("a form leads past the proxy's path")


async def test_behind_a_proxy_with_a_path_of_its_own_forms_lead_there(rig: Rig) -> None:
    await rig.add_agency(AGENCY, key=KEY, email="duty@cw.example")
    public = rig.settings(notify_public_url="https://notify.example/tocsin/")
    async with (
        running_notify(rig, public) as notify,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        visitor = BehindProxy(notify.url, http)
        badge = await enrol(rig, notify, visitor)
        alert = await rig.send_alert()
        await rig.wait_for_receipts("stored")
        read = await sign_in(visitor, alert, badge)
        taken = await visitor.submit(read.find_form("/acknowledge"))
        assert f"by {NAME}, {ROLE}" in taken.text
        form = read.find_form("/acknowledge")
        answer = await visitor._ask("POST", form.action, form.fields, visitor.headers)
        assert answer.headers["location"] == f"/tocsin/a/{alert.alert_id}"
        await visitor.submit(taken.find_form("/sign-out"))
        assert visitor.cookies == {}
