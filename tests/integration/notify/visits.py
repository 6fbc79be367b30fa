"""People at a contact: invited, enrolled and signed in as they would be, by forms."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from argon2 import PasswordHasher

from schemas.alert import AlertRecord
from services.notify.passphrases import Hardness
from services.notify.totp import STEP_SECONDS, make_code
from tests.integration.notify.rig import Rig, RunningNotify
from tests.support.visiting import PASSPHRASE, Page, Visitor, begin_to_enrol

AGENCY, KEY = "ag-kern-cw", "tca_key_of_child_welfare"
OTHER, OTHER_KEY = "ag-other", "tca_key_of_another"

_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SOFT = Hardness(_HASHER, _HASHER.hash("nobody's"))
"""For tests of what follows from a passphrase, not of how long it takes to guess one."""


def code_of(secret: str, *, later: int = 0) -> str:
    """The six digits of this moment, or of so many steps later."""
    return make_code(secret, step=int(time.time()) // STEP_SECONDS + later)


@dataclass(frozen=True)
class Badge:
    """What a person signs in with."""

    sign_in_name: str
    secret: str


async def invite(notify: RunningNotify, *, key: str = KEY) -> str:
    made = await notify.ask("POST", "/v1/people/invite", key=key, json={"rung": "primary"})
    assert made.status == 200, made.text
    code: str = made.body["code"]
    return code


async def enrol(rig: Rig, notify: RunningNotify, visitor: Visitor, *, key: str = KEY, **typed: str) -> Badge:
    page = await begin_to_enrol(visitor, await invite(notify, key=key), **typed)
    assert page.status == 200, page.text
    [secret] = page.marked["code"]
    done = await visitor.submit(page.find_form("/enrol/confirm"), code=code_of(secret))
    assert done.marked["h1"] == ["Enrolled"], done.text
    await renew(rig)
    return Badge(typed.get("sign_in_name", "j.inventado"), secret)


async def renew(rig: Rig) -> None:
    """As if half a minute had gone by: the digits of this moment may be used (again)."""
    await rig.query("UPDATE notify.person SET last_step = 0")


async def sign_in(visitor: Visitor, alert: AlertRecord, badge: Badge, **typed: str) -> Page:
    form = (await visitor.get(f"/a/{alert.alert_id}")).find_form("/sign-in")
    given = {
        "sign_in_name": badge.sign_in_name,
        "passphrase": PASSPHRASE,
        "code": code_of(badge.secret),
    }
    return await visitor.submit(form, **{**given, **typed})


@asynccontextmanager
async def visiting(notify: RunningNotify) -> AsyncIterator[Visitor]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Visitor(notify.url, http)
