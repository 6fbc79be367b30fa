"""The page behind an e-mail's link: signed in to, read, answered; over HTTP, without a script."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import pytest_asyncio

from schemas.alert import AlertForm, Command
from schemas.directory import AgencyRecord
from schemas.receipt import Refused
from schemas.vocabulary import AgencyStatus, Group, RefusalReason
from services.runtime.crypto import open_sealed
from tests.integration.notify.rig import Rig, RunningNotify, running_notify
from tests.integration.notify.telling import send
from tests.integration.notify.visits import (
    AGENCY,
    KEY,
    OTHER,
    OTHER_KEY,
    SOFT,
    Badge,
    code_of,
    enrol,
    invite,
    renew,
    sign_in,
    visiting,
)
from tests.support.visiting import NAME, PASSPHRASE, ROLE, Visitor, begin_to_enrol
from tests.unit.notify.records import PLANTED

COOKIE = "__Host-tocsin-session"
ANSWERS = "SELECT 1 FROM notify.acknowledgement UNION ALL SELECT 1 FROM notify.refusal"
PUT_BACK = "INSERT INTO notify.person SELECT * FROM json_populate_record(NULL::notify.person, $1::json)"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Enrolled:
    """Somebody who is enrolled in a notify that runs, and may be forgotten with all else."""

    badge: Badge
    row: str
    agencies: Mapping[str, AgencyRecord]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def notify(module_rig: Rig) -> AsyncIterator[RunningNotify]:
    await module_rig.add_agency(AGENCY, key=KEY, email="duty@cw.example")
    await module_rig.add_agency(OTHER, key=OTHER_KEY, email="desk@other.example")
    async with running_notify(module_rig, module_rig.settings(), hardness=SOFT) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def enrolled(module_rig: Rig, notify: RunningNotify) -> Enrolled:
    async with visiting(notify) as visitor:
        badge = await enrol(module_rig, notify, visitor)
    [person] = await module_rig.query("SELECT row_to_json(person)::text AS row FROM notify.person")
    return Enrolled(badge, person["row"], dict(module_rig.agencies))


@pytest_asyncio.fixture(loop_scope="module")
async def rig(shared_rig: Rig, notify: RunningNotify, enrolled: Enrolled) -> Rig:
    """With the directory that the module began with."""
    if shared_rig.agencies != enrolled.agencies:
        shared_rig.agencies = dict(enrolled.agencies)
        await shared_rig.publish_directory()
    await notify.wait_ready(shared_rig.version)
    return shared_rig


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(notify: RunningNotify) -> AsyncIterator[Visitor]:
    async with visiting(notify) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def badge(rig: Rig, enrolled: Enrolled) -> Badge:
    """Of somebody who enrolled when the module began."""
    await rig.query(PUT_BACK, enrolled.row)
    return enrolled.badge


async def test_a_person_signs_in_reads_takes_over_and_signs_out(
    rig: Rig, notify: RunningNotify, visitor: Visitor, badge: Badge, logs: list[dict[str, object]]
) -> None:
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")

    before = await visitor.get(f"/a/{alert.alert_id}")
    assert (before.status, [word for word in PLANTED if word in before.text]) == (200, [])
    read = await sign_in(visitor, alert, badge)
    assert "Marisol Ejemplovich" in read.text
    assert "Victim recovered" in read.text
    assert f"Signed in as {NAME}." in read.text
    assert await rig.query("SELECT 1 FROM notify.acknowledgement") == []
    [row] = await rig.query("SELECT alert_id, agency FROM notify.alert_read")
    assert (row["alert_id"], row["agency"]) == (alert.alert_id, AGENCY)

    taken = await visitor.submit(read.find_form("/acknowledge"))
    assert f"by {NAME}, {ROLE}" in taken.text
    assert not taken.has_form("/acknowledge")
    assert not taken.has_form("/refuse")
    await rig.wait_for_receipts("stored", "acknowledged")
    api = await notify.ask(
        "POST", f"/v1/alerts/{alert.alert_id}/acknowledge", key=KEY, json={"person": "x", "role": "y"}
    )
    assert (api.body["person"], api.body["role"]) == (NAME, ROLE)

    await visitor.submit(taken.find_form("/sign-out"))
    assert visitor.cookies == {}
    assert (await visitor.get(f"/a/{alert.alert_id}")).has_form("/sign-in")
    assert await rig.query("SELECT 1 FROM notify.session") == []
    events = [line["event"] for line in logs]
    assert events.count("alert.read") == 2
    assert events.count("sign_in.accepted") == 1
    for secret in (NAME, PASSPHRASE, badge.secret, badge.sign_in_name, "Marisol"):
        assert secret not in str(logs)


async def test_a_cookie_is_for_this_host_alone_and_no_script_reads_it(
    rig: Rig, visitor: Visitor, badge: Badge
) -> None:
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")
    read = await sign_in(visitor, alert, badge)
    morsel = visitor.cookies[COOKIE]
    names = ("secure", "httponly", "samesite", "path", "domain", "expires")
    assert [morsel[name] for name in names] == [True, True, "lax", "/", "", ""]
    [row] = await rig.query("SELECT token_hash FROM notify.session")
    assert morsel.value.encode() not in row["token_hash"]
    assert read.headers["cache-control"] == "no-store"
    policy = read.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'self'; frame-ancestors 'none'" in policy
    assert {tag for tag, _ in read.tags} & {"script", "img", "link", "iframe"} == set()


async def test_a_refusal_goes_to_routing_by_its_reason_and_its_words_stay(
    rig: Rig, visitor: Visitor, badge: Badge
) -> None:
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")
    read = await sign_in(visitor, alert, badge)
    form = read.find_form("/refuse")

    without_words = await visitor.submit(form, reason="other")
    no_reason = await visitor.submit(form, note="Kept while <b>typing</b>")
    assert (without_words.status, no_reason.status) == (422, 422)
    assert "Kept while &lt;b&gt;typing&lt;/b&gt;" in no_reason.text
    assert await rig.query("SELECT 1 FROM notify.refusal") == []

    refused = await visitor.submit(form, reason="conflict_of_interest", note="My cousin Ejemplovich")
    assert "Conflict of interest" in refused.text
    assert "My cousin Ejemplovich" in refused.text
    assert refused.has_form("/acknowledge")
    assert not refused.has_form("/refuse")
    receipts = await rig.wait_for_receipts("stored", "refused")
    assert [receipt.reason for receipt in receipts if isinstance(receipt, Refused)] == [
        RefusalReason.CONFLICT_OF_INTEREST
    ]
    assert "cousin" not in str(receipts)

    taken = await visitor.submit(refused.find_form("/acknowledge"), role="deputy")
    assert f"by {NAME}, deputy" in taken.text


async def test_whoever_only_looks_changes_nothing(
    rig: Rig, notify: RunningNotify, visitor: Visitor, badge: Badge
) -> None:
    """As a link scanner does: every address of the page, by GET and HEAD, with and without the cookie."""
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")
    await sign_in(visitor, alert, badge)
    page = f"/a/{alert.alert_id}"
    for path in (page, f"{page}/acknowledge", f"{page}/refuse", f"{page}/sign-in", "/sign-out"):
        await visitor.get(path)
        await notify.ask("HEAD", path)
        await notify.ask("GET", path)
    assert await rig.query(ANSWERS) == []
    assert len(await rig.query("SELECT 1 FROM notify.session")) == 1


async def test_another_site_cannot_answer_and_neither_can_an_old_form(
    rig: Rig, visitor: Visitor, badge: Badge
) -> None:
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")
    read = await sign_in(visitor, alert, badge)
    form = read.find_form("/acknowledge")
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ):
        visitor.headers = headers
        assert (await visitor.submit(form)).status == 403
    visitor.headers = {"origin": "https://notify.example"}
    assert (await visitor.submit(form, form_token="0" * 64)).status == 403
    assert (await visitor.post(form.action, role="x")).status == 403
    assert await rig.query("SELECT 1 FROM notify.acknowledgement") == []
    assert (await visitor.submit(form)).status == 200
    assert len(await rig.query("SELECT 1 FROM notify.acknowledgement")) == 1


async def test_what_is_another_agencys_is_not_shown_and_not_answered(
    rig: Rig, visitor: Visitor, badge: Badge
) -> None:
    own, foreign = await rig.send_alert(), await rig.send_alert(agency=OTHER)
    await rig.wait_for_receipts("stored", "stored")
    read = await sign_in(visitor, own, badge)
    shown = await visitor.get(f"/a/{foreign.alert_id}")
    assert (shown.status, [word for word in PLANTED if word in shown.text]) == (404, [])
    token = read.find_form("/acknowledge").fields["form_token"]
    answered = await visitor.post(f"/a/{foreign.alert_id}/acknowledge", role="x", form_token=token)
    refused = await visitor.post(
        f"/a/{foreign.alert_id}/refuse", role="x", reason="duplicate", form_token=token
    )
    assert (answered.status, refused.status) == (404, 404)
    assert await rig.query(ANSWERS) == []


async def test_a_group_whose_time_is_over_and_an_alert_that_was_stopped_are_not_shown(
    rig: Rig, visitor: Visitor, badge: Badge
) -> None:
    over = datetime(2026, 1, 1, tzinfo=UTC)
    alert = await send(rig, disclosed={Group.NAME: {"full": "Marisol"}}, until={Group.NAME: over})
    await rig.wait_for_receipts("stored")
    read = await sign_in(visitor, alert, badge)
    assert (read.status, "Marisol" in read.text) == (200, False)
    await rig.send_alert(alert_id=alert.alert_id, revision=2, command=Command.STOP)
    await rig.wait_for_receipts("stored", "stored")
    stopped = await visitor.get(f"/a/{alert.alert_id}")
    answered = await visitor.submit(read.find_form("/acknowledge"))
    assert (stopped.status, answered.status) == (404, 404)


async def test_a_notice_of_a_duty_and_what_was_shredded_are_shown_as_what_they_are(
    rig: Rig, visitor: Visitor, badge: Badge
) -> None:
    notice = await rig.seal_alert(form=AlertForm.DUTY_NOTICE, for_operations=True)
    shredded = await rig.seal_alert()
    await rig.shred(shredded.key_id)
    await rig.publish_alerts(notice, shredded)
    await rig.wait_for_receipts("stored", "stored")
    read = await sign_in(visitor, notice, badge)
    gone = await visitor.get(f"/a/{shredded.alert_id}")
    assert (read.status, read.has_form("/acknowledge"), read.has_form("/refuse")) == (200, False, False)
    assert (gone.status, "no longer kept" in gone.text, gone.has_form("/refuse")) == (200, True, False)
    assert "load this page again" not in gone.text
    taken = await visitor.submit(gone.find_form("/acknowledge"))
    assert "Taken over" in taken.text


async def test_whatever_does_not_fit_is_answered_alike(
    rig: Rig, visitor: Visitor, badge: Badge, logs: list[dict[str, object]]
) -> None:
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")
    wrong = [
        {"sign_in_name": "nobody"},
        {"passphrase": "wrong horse battery staple"},
        {"code": code_of(badge.secret, later=5)},
        {"code": "", "passphrase": "", "sign_in_name": ""},
        {"code": "\uff11\uff12\uff13\uff14\uff15\uff16"},
    ]
    pages = [await sign_in(visitor, alert, badge, **typed) for typed in wrong]
    assert {(page.status, page.text) for page in pages} == {(403, pages[0].text)}
    assert visitor.cookies == {}
    assert [line["event"] for line in logs].count("sign_in.refused") == len(wrong)
    digits = code_of(badge.secret)
    assert (await sign_in(visitor, alert, badge, code=f" {digits[:3]} {digits[3:]}")).status == 200
    # The same digits a second time: somebody looked over the shoulder.
    visitor.cookies.clear()
    assert (await sign_in(visitor, alert, badge, code=digits)).text == pages[0].text


async def test_a_session_ends_with_rest_with_age_and_with_its_person(
    rig: Rig, notify: RunningNotify, visitor: Visitor, badge: Badge
) -> None:
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")
    page = f"/a/{alert.alert_id}"
    endings = [
        "UPDATE notify.session SET seen_at = seen_at - interval '16 minutes'",
        "UPDATE notify.session SET begun_at = begun_at - interval '241 minutes'",
    ]
    for ending in endings:
        assert (await sign_in(visitor, alert, badge)).has_form("/acknowledge")
        await rig.query(ending)
        assert (await visitor.get(page)).has_form("/sign-in")
        await renew(rig)
    read = await sign_in(visitor, alert, badge)
    [person] = (await notify.ask("GET", "/v1/people", key=KEY)).body["people"]
    assert (person["name"], person["contact"]) == (NAME, "primary")
    removed = "/v1/people/" + person["person_id"]
    assert (await notify.ask("DELETE", removed, key=OTHER_KEY)).status == 404
    assert (await notify.ask("DELETE", removed, key=KEY)).status == 200
    answered = await visitor.submit(read.find_form("/acknowledge"))
    assert (answered.status, answered.has_form("/sign-in")) == (403, True)
    assert await rig.query("SELECT 1 FROM notify.acknowledgement") == []
    assert (await sign_in(visitor, alert, badge)).status == 403


async def test_who_read_an_alert_is_known_when_that_person_has_left(
    rig: Rig, notify: RunningNotify, visitor: Visitor, badge: Badge
) -> None:
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")
    await sign_in(visitor, alert, badge)
    [person] = (await notify.ask("GET", "/v1/people", key=KEY)).body["people"]
    assert (await notify.ask("DELETE", f"/v1/people/{person['person_id']}", key=KEY)).status == 200

    [row] = await rig.query("SELECT * FROM notify.alert_read")

    assert row["key_id"] == alert.key_id
    assert (NAME.encode() in row["person_sealed"], ROLE.encode() in row["role_sealed"]) == (False, False)
    _, key = await rig._find_key(alert.case_ref, for_operations=False)
    for purpose, sealed, word in (
        ("read_by", row["person_sealed"], NAME),
        ("read_as", row["role_sealed"], ROLE),
    ):
        context = ("acknowledgement", purpose, str(alert.alert_id))
        assert open_sealed(key, sealed, context=context).decode() == word


async def test_what_an_agreement_that_ended_hides_is_not_called_destroyed(
    rig: Rig, notify: RunningNotify, visitor: Visitor, badge: Badge
) -> None:
    alert = await rig.send_alert(mandated=False)
    await rig.wait_for_receipts("stored")
    await rig.add_agency(AGENCY, key=KEY, email="duty@cw.example", agreement_until=None)
    await notify.wait_ready(rig.version)
    read = await sign_in(visitor, alert, badge)
    assert (read.status, "Marisol" in read.text) == (200, False)
    assert "your agency has none in force. Call the duty desk" in read.text
    assert ("destroyed" in read.text, "load this page again" in read.text) == (False, False)


async def test_what_does_not_open_now_is_not_called_gone_and_says_whom_to_call(
    rig: Rig, visitor: Visitor, badge: Badge
) -> None:
    alert = await rig.seal_alert()
    kept = "SELECT wrapped FROM keyring.case_key WHERE key_id = $1"
    [row] = await rig.query(kept, alert.key_id)
    put = "UPDATE keyring.case_key SET wrapped = $2 WHERE key_id = $1"
    await rig.query(put, alert.key_id, row["wrapped"][::-1])
    await rig.publish_alerts(alert)
    await rig.wait_for_receipts("stored")

    # Of it nothing is told to who has nothing but the link.
    outside = await visitor.get(f"/a/{alert.alert_id}")
    assert [word for word in ("opened", "kept", "destroyed") if word in outside.text] == []
    read = await sign_in(visitor, alert, badge)
    assert (read.status, "no longer kept" in read.text, read.has_form("/acknowledge")) == (200, False, True)
    assert "load this page again in a few minutes" in read.text
    assert "call the duty desk: +1 661 555 0100" in read.text

    await rig.query(put, alert.key_id, row["wrapped"])
    assert "Marisol" in (await visitor.get(f"/a/{alert.alert_id}")).text


@pytest.mark.parametrize("leaves", ["contact", "agency"])
async def test_who_leaves_the_directory_is_signed_out_for_good(
    rig: Rig, notify: RunningNotify, visitor: Visitor, badge: Badge, leaves: str
) -> None:
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")
    assert (await sign_in(visitor, alert, badge)).has_form("/acknowledge")
    [row] = await rig.query("SELECT token_hash, person_id, begun_at, seen_at FROM notify.session")
    if leaves == "contact":
        await rig.add_agency(AGENCY, key=KEY, email="new@cw.example")
    else:
        await rig.add_agency(AGENCY, key=KEY, email="duty@cw.example", status=AgencyStatus.OFFBOARDED)
    await notify.wait_ready(rig.version)
    await renew(rig)
    assert (await visitor.get(f"/a/{alert.alert_id}")).has_form("/sign-in")
    assert (await sign_in(visitor, alert, badge)).status == 403
    await rig.wait_for_row("SELECT 1 WHERE NOT EXISTS (SELECT FROM notify.session)")
    # The directory is asked each time, too: a row that nobody deleted opens nothing.
    await rig.query("INSERT INTO notify.session VALUES ($1, $2, $3, $4)", *row.values())
    assert (await visitor.get(f"/a/{alert.alert_id}")).has_form("/sign-in")
    await rig.query("DELETE FROM notify.session")
    # Back again, the session stays ended; the person signs in anew.
    await rig.add_agency(AGENCY, key=KEY, email="duty@cw.example")
    await notify.wait_ready(rig.version)
    assert (await visitor.get(f"/a/{alert.alert_id}")).has_form("/sign-in")
    assert (await sign_in(visitor, alert, badge)).has_form("/acknowledge")


async def test_a_code_enrols_once_and_only_with_an_app_and_a_long_passphrase(
    rig: Rig, notify: RunningNotify, visitor: Visitor
) -> None:
    code = await invite(notify)
    for typed in (
        {"again": "another one, quite long"},
        {"passphrase": "too short", "again": "too short"},
        {"passphrase": "a" * 20, "again": "a" * 20},
        {"passphrase": "j.inventado is my name", "again": "j.inventado is my name"},
        {"name": " "},
        {"role": ""},
        {"sign_in_name": ""},
        {"invitation": "AAAAA-AAAAA-AAAAA-AAAAA"},
    ):
        page = await begin_to_enrol(visitor, code, **typed)
        assert (page.status, page.has_form("/enrol")) == (422, True)
        assert PASSPHRASE not in page.text
    offered = await begin_to_enrol(visitor, code.lower().replace("-", " "))
    assert "<svg" in offered.text
    [secret] = offered.marked["code"]
    form = offered.find_form("/enrol/confirm")
    assert (await visitor.submit(form, code=code_of(secret, later=7))).status == 422
    assert await rig.query("SELECT 1 FROM notify.person") == []
    assert (await visitor.submit(form, code=code_of(secret))).status == 200
    assert (await visitor.submit(form, code=code_of(secret))).status == 422
    assert (await begin_to_enrol(visitor, code)).status == 422
    taken = await begin_to_enrol(visitor, await invite(notify), sign_in_name=" J.Inventado")
    assert (taken.status, "another sign-in name" in taken.text) == (422, True)
    [row] = await rig.query("SELECT * FROM notify.person")
    for kept in (NAME, ROLE, PASSPHRASE, secret, "argon2", "inventado"):
        assert kept.encode() not in row["sealed"] + row["sign_in_digest"]


async def test_only_contacts_of_active_agencies_are_invited_and_codes_end(
    rig: Rig, notify: RunningNotify, visitor: Visitor
) -> None:
    backup = await notify.ask("POST", "/v1/people/invite", key=KEY, json={"rung": "backup"})
    assert backup.status == 404
    code = await invite(notify)
    await rig.query("UPDATE notify.enrolment SET expires_at = now()")
    assert (await begin_to_enrol(visitor, code)).status == 422
    [row] = await rig.query("SELECT * FROM notify.enrolment")
    assert code.replace("-", "").encode() not in row["code_hash"]
    pages = [await begin_to_enrol(visitor, "AAAAA-AAAAA-AAAAA-AAAAA") for _ in range(20)]
    # The expired one counted, too.
    assert [page.status for page in pages] == [422] * 19 + [429]


async def test_forms_that_are_none_are_turned_away(rig: Rig, notify: RunningNotify, visitor: Visitor) -> None:
    alert = await rig.send_alert()
    await rig.wait_for_receipts("stored")
    path = f"/a/{alert.alert_id}/sign-in"
    as_json = await notify.ask("POST", path, json={"sign_in_name": "x"})
    large = await visitor.post(path, passphrase="x" * 20_000)
    many = await visitor.post(path, **{f"f{number}": "" for number in range(30)})
    unknown = await visitor.post(f"/a/{uuid4()}/sign-in", sign_in_name="x")
    assert (as_json.status, large.status, many.status, unknown.status) == (403, 403, 403, 404)
    async with rig.database_away():
        away = await visitor.post(path, sign_in_name="x")
    assert (away.status, away.headers["content-type"]) == (503, "text/html; charset=utf-8")
