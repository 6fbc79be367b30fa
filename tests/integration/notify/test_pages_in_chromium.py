"""The pages in a real browser: on a telephone and at a desk, with scripts and without, light and dark."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

from schemas.vocabulary import AlertKind, Group
from tests.integration.notify.rig import Rig, RunningNotify, running_notify
from tests.integration.notify.telling import send
from tests.integration.notify.visits import AGENCY, KEY, code_of, invite, renew
from tests.support.visiting import NAME, PASSPHRASE

pytestmark = pytest.mark.system

PHONE, DESK = (360, 740), (1280, 900)
DISCLOSED = {
    Group.NAME: {"full": "Marisol Ejemplovich", "aliases": ["M. <b>E.</b>"]},
    Group.AGE: {"band": "13to15", "presumed_minor": False},
    Group.SAFETY: {"risk": "imminent", "indicators": ["followed", "no-blank-in-it" * 5]},
    Group.LOCATION: {"address": "1 Invented Street, Bakersfield"},
}


@pytest.fixture
async def notify(rig: Rig) -> AsyncIterator[RunningNotify]:
    await rig.add_agency(AGENCY, key=KEY, email="duty@cw.example")
    async with running_notify(rig, rig.settings(notify_public_url=None)) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "there is no Chromium: `make test-system` installs it"
    async with async_playwright() as playwright:
        # Without its sandbox, which a container's root cannot have: it sees nothing but our own pages.
        launched = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        await launched.close()


@asynccontextmanager
async def opened(
    browser: Browser, size: tuple[int, int], *, scripts: bool, colours: Literal["light", "dark"] = "light"
) -> AsyncIterator[Page]:
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        java_script_enabled=scripts,
        color_scheme=colours,
        has_touch=size == PHONE,
    )
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def enrol(page: Page, notify: RunningNotify) -> str:
    """By hand; the secret that the app would keep."""
    await page.goto(f"{notify.url}/enrol")
    await page.get_by_label("One-time code").fill(await invite(notify))
    await page.get_by_label("Sign-in name").fill("j.inventado")
    await page.get_by_label("Your name").fill(NAME)
    await page.get_by_label("Your role").fill("duty supervisor")
    await page.get_by_label("Passphrase", exact=True).fill(PASSPHRASE)
    await page.get_by_label("Passphrase again").fill(PASSPHRASE)
    await page.get_by_role("button", name="Go on").click()
    return await page.locator("code").inner_text()


async def finish_enrolment(page: Page, secret: str) -> None:
    await page.get_by_label("Code").fill(code_of(secret))
    await page.get_by_role("button", name="Finish").click()
    await page.get_by_role("heading", name="Enrolled").wait_for()


async def sign_in(page: Page, link: str, secret: str) -> None:
    await page.goto(link)
    await page.get_by_label("Sign-in name").fill("j.inventado")
    await page.get_by_label("Passphrase").fill(PASSPHRASE)
    await page.get_by_label("Code").fill(code_of(secret))
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_text(f"Signed in as {NAME}.").wait_for()


async def test_without_scripts_on_a_telephone_a_person_enrols_signs_in_and_takes_over(
    rig: Rig, notify: RunningNotify, browser: Browser
) -> None:
    alert = await send(rig, disclosed=DISCLOSED)
    async with opened(browser, PHONE, scripts=False) as page:
        secret = await enrol(page, notify)
        await page.get_by_role("img", name="QR code").wait_for()
        await finish_enrolment(page, secret)
        await renew(rig)
        await sign_in(page, f"{notify.url}/a/{alert.alert_id}", secret)
        await page.get_by_text("M. <b>E.</b>").wait_for()
        await page.get_by_role("button", name="Take over").click()
        await page.get_by_text("Taken over").wait_for()
        assert await page.get_by_role("button", name="Take over").count() == 0
        [cookie] = await page.context.cookies()
        assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("tocsin-session", True, "Lax")
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("heading", name="Signed out").wait_for()
        await page.go_back()
        await page.reload()
        await page.get_by_role("heading", name="Sign in to read it").wait_for()
    assert len(await rig.query("SELECT 1 FROM notify.acknowledgement")) == 1


async def test_a_person_refuses_with_a_reason_and_words(
    rig: Rig, notify: RunningNotify, browser: Browser
) -> None:
    alert = await send(rig, disclosed=DISCLOSED)
    async with opened(browser, PHONE, scripts=False) as page:
        secret = await enrol(page, notify)
        await finish_enrolment(page, secret)
        await renew(rig)
        await sign_in(page, f"{notify.url}/a/{alert.alert_id}", secret)
        await page.get_by_label("Nobody is free to act").check()
        await page.get_by_label("In words").fill("Night shift of two")
        await page.get_by_role("button", name="Refuse").click()
        await page.get_by_text("Refused").first.wait_for()
        await page.get_by_text("Night shift of two").wait_for()
    [row] = await rig.query("SELECT reason FROM notify.refusal")
    assert row["reason"] == "no_capacity"


@pytest.mark.parametrize(
    ("size", "colours"), [(PHONE, "light"), (PHONE, "dark"), (DESK, "light")], ids=["phone", "dark", "desk"]
)
async def test_every_page_fits_and_breaks_no_rule_of_accessibility(
    rig: Rig,
    notify: RunningNotify,
    browser: Browser,
    tmp_path: Path,
    size: tuple[int, int],
    colours: Literal["light", "dark"],
) -> None:
    alert = await send(rig, disclosed=DISCLOSED, kind=AlertKind.ALERT)
    link = f"{notify.url}/a/{alert.alert_id}"
    async with opened(browser, size, scripts=True, colours=colours) as page:

        async def judge(name: str) -> None:
            await page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
            found = await Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]

        await page.goto(f"{notify.url}/enrol")
        await judge("enrol")
        secret = await enrol(page, notify)
        await judge("app")
        await finish_enrolment(page, secret)
        await judge("enrolled")
        await page.goto(link)
        await judge("notice")
        await page.get_by_label("Sign-in name").fill("nobody")
        await page.get_by_label("Passphrase").fill("x")
        await page.get_by_label("Code").fill("1")
        await page.get_by_role("button", name="Sign in").click()
        await judge("refused")
        await renew(rig)
        await sign_in(page, link, secret)
        await judge("alert")
        await page.get_by_role("button", name="Take over").click()
        await page.get_by_text("Taken over").wait_for()
        await judge("taken")
        await page.goto(f"{notify.url}/a/unknown")
        await judge("unknown")
