"""One operator publishes a protocol, another approves it: nothing decides before, nothing changes after."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from schemas.operator import Purpose, digest_content
from services.routing.handlers.seeding import check_seeds, seed_packs
from services.routing.packs import SHIPPED, read_folder
from services.routing.settings import Seeding
from tests.integration.routing.events import build_event
from tests.integration.routing.operators import LABEL, Person, apply, list_packs
from tests.integration.routing.rig import Rig, Routing
from tests.integration.routing.service import RunningService, build_settings, running_service, wait_for
from tests.support.packs import PACK, swap, write_pack

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANA, BEN, EVE = Person.new("ana"), Person.new("ben"), Person.new("eve")
SOON = f"{datetime.now(UTC) + timedelta(days=300):%Y-%m-%dT%H:%M:%S+00:00}"
PLANNED = swap("2026-01-01T00:00:00-08:00", SOON)

Lines = list[dict[str, Any]]


@pytest.fixture
def rig(own_rig: Rig) -> Rig:
    return own_rig


@pytest_asyncio.fixture(loop_scope="module")
async def service(rig: Rig, logs: Lines) -> AsyncIterator[RunningService]:
    assert logs == []
    async with running_service(build_settings(rig)) as running:
        await wait_for(running.is_ready)
        await apply(running, ANA, BEN)
        yield running


def tip(event_id: str) -> dict[str, Any]:
    return build_event(event_id, type="org.tocsin.tip.received.v1", subject=f"case-{event_id}")


async def decide(rig: Rig, event_id: str) -> dict[str, Any]:
    """The row of the ledger, once the event is decided."""
    await rig.publisher.publish(await rig.sealer.seal(tip(event_id)))

    async def find() -> bool:
        return event_id in {row["event_id"] for row in await rig.rows("decision")}

    await wait_for(find)
    return next(row for row in await rig.rows("decision") if row["event_id"] == event_id)


# ------------------------------------------------------------------------- from a draft to a decision


async def test_a_pack_decides_once_another_operator_has_approved_it_and_not_before(
    rig: Rig, service: RunningService
) -> None:
    published = await ANA.publish(service, PACK)
    before = await decide(rig, "before")
    approved = await BEN.approve(service, PACK)
    after = await decide(rig, "after")

    assert (published.status, published.json()["state"]) == (200, "published")
    assert (approved.status, approved.json()["state"]) == (200, "in_force")
    assert LABEL not in before["packs"].split()
    assert LABEL in after["packs"].split()
    assert "K-02 T-01" in {row["rules"] for row in await rig.rows("alert") if row["event_id"] == "after"}


async def test_every_decision_names_the_version_and_the_content_of_its_packs(
    rig: Rig, service: RunningService
) -> None:
    await ANA.publish(service, PACK)
    await BEN.approve(service, PACK)
    row = await decide(rig, "e1")

    hashes = dict(zip(row["packs"].split(), row["pack_hashes"].split(), strict=True))
    kern = SHIPPED / "ca-kern-httf" / "2.2.0.yaml"
    assert hashes[LABEL] == digest_content(PACK.encode())
    assert hashes["ca-kern-httf@2.2.0"] == digest_content(kern.read_bytes())


async def test_approved_in_advance_it_waits_for_its_date(rig: Rig, service: RunningService) -> None:
    await ANA.publish(service, PLANNED)
    approved = (await BEN.approve(service, PLANNED)).json()

    assert (approved["state"], approved["effective_from"]) == ("approved", approved["in_force_from"])
    assert LABEL not in (await decide(rig, "e1"))["packs"].split()


async def test_approved_after_its_date_it_is_in_force_from_the_approval(service: RunningService) -> None:
    await ANA.publish(service, PACK)
    approved = (await BEN.approve(service, PACK)).json()

    assert approved["effective_from"] == approved["approved_at"] > approved["in_force_from"]


async def test_the_list_says_who_published_and_who_approved(service: RunningService) -> None:
    await ANA.publish(service, PACK)
    await BEN.approve(service, PACK)
    await ANA.publish(service, swap("1.0.0", "1.1.0", PLANNED), label="a-test@1.1.0")
    listed = await list_packs(service)

    assert {label: entry["state"] for label, entry in listed.items()} == {
        "a-test@1.0.0": "in_force",
        "a-test@1.1.0": "published",
        "ca-kern-httf@2.1.0": "superseded",
        "ca-kern-httf@2.2.0": "in_force",
        "fed-baseline@1.0.0": "in_force",
    }
    entry = listed[LABEL]
    assert (entry["author"], entry["approver"]) == ("ana", "ben")
    assert listed["fed-baseline@1.0.0"]["approver"] == "deployment"


async def test_a_published_version_is_read_as_it_was_sent(service: RunningService) -> None:
    await ANA.publish(service, PACK)
    answer = await service.ask("GET", f"/v1/protocols/{LABEL}")

    assert (answer.status, answer.body) == (200, PACK.encode())
    assert (await service.ask("GET", "/v1/protocols/a-test@9.9.9")).status == 404


# ------------------------------------------------------------------------------------ what is refused


async def test_only_an_operator_of_the_directory_publishes_and_approves(
    rig: Rig, service: RunningService
) -> None:
    unsigned = await service.ask("PUT", f"/v1/protocols/{LABEL}", body=PACK.encode())
    stranger = await EVE.publish(service, PACK)
    await ANA.publish(service, PACK)
    approved = await EVE.approve(service, PACK)

    assert (unsigned.status, stranger.status, approved.status) == (401, 401, 401)
    assert [row["author"] for row in await rig.rows("pack") if row["name"] == "a-test"] == ["ana"]
    assert LABEL not in {f"{row['name']}@{row['version']}" for row in await rig.rows("pack_approval")}


async def test_who_published_cannot_approve_whatever_the_name_or_the_key(
    rig: Rig, service: RunningService
) -> None:
    await ANA.publish(service, PACK)
    same = await ANA.approve(service, PACK)
    with_new_key = Person("ana", BEN.key)
    await apply(service, with_new_key, EVE)
    other_key = await with_new_key.approve(service, PACK)
    renamed = Person("anna", ANA.key)
    await apply(service, renamed, EVE)
    other_name = await renamed.approve(service, PACK)

    assert (same.status, other_key.status, other_name.status) == (409, 409, 409)
    assert await rig.count("pack_approval") == 3


async def test_a_signature_is_for_one_purpose_one_content_and_now(service: RunningService) -> None:
    digest = digest_content(PACK.encode())
    path, body = f"/v1/protocols/{LABEL}", PACK.encode()
    signatures = [
        ANA.sign(Purpose.APPROVE, LABEL, digest),
        ANA.sign(Purpose.PUBLISH, "a-test@1.0.1", digest),
        ANA.sign(Purpose.PUBLISH, LABEL, digest_content(b"other")),
        ANA.sign(Purpose.PUBLISH, LABEL, digest, ago=timedelta(minutes=6)),
        ANA.sign(Purpose.PUBLISH, LABEL, digest, ago=timedelta(minutes=-6)),
        ANA.sign(Purpose.PUBLISH, LABEL, digest)[:-4] + "AAA=",
        f"{BEN.key.public} {ANA.sign(Purpose.PUBLISH, LABEL, digest).partition(' ')[2]}",
        "nonsense",
        "a b c",
    ]
    for signature in signatures:
        answer = await service.ask("PUT", path, body=body, signature=signature)
        assert answer.status == 401, signature
    assert LABEL not in await list_packs(service)


async def test_a_request_that_is_sent_again_changes_nothing(rig: Rig, service: RunningService) -> None:
    digest = digest_content(PACK.encode())
    publication = ANA.sign(Purpose.PUBLISH, LABEL, digest)
    approval = BEN.sign(Purpose.APPROVE, LABEL, digest)
    asked = [
        ("PUT", f"/v1/protocols/{LABEL}", PACK.encode(), publication),
        ("POST", f"/v1/protocols/{LABEL}/approval", b'{"sha256": "%s"}' % digest.encode(), approval),
    ]
    changed = []
    for method, path, body, signature in [*asked, *asked]:
        answer = await service.ask(method, path, body=body, signature=signature)
        assert answer.status == 200, answer.body
        changed.append(answer.json()["changed"])

    assert changed == [True, True, False, False]
    assert await rig.count("pack") == await rig.count("pack_approval") == 4


async def test_a_published_version_never_changes(rig: Rig, service: RunningService) -> None:
    await ANA.publish(service, PACK)
    other = swap("urgent", "routine")
    republished = await BEN.publish(service, other)
    approved = await BEN.approve(service, other)

    assert (republished.status, approved.status) == (409, 409)
    assert (await service.ask("GET", f"/v1/protocols/{LABEL}")).body == PACK.encode()
    assert (await list_packs(service))[LABEL]["state"] == "published"
    for statement in ("UPDATE routing.pack SET content = ''", "DELETE FROM routing.pack_approval"):
        connection = await asyncpg.connect(rig.database.url("routing"))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
        await connection.close()


async def test_a_faulty_pack_is_refused_with_every_problem_and_its_place(service: RunningService) -> None:
    faulty = swap("when: minor", "when: minr", swap("LEA_LEAD", "LEA_LED"))
    answer = await ANA.publish(service, faulty)
    misnamed = await ANA.publish(service, PACK, label="a-test@2.0.0")

    messages = [error["message"] for error in answer.json()["errors"]]
    assert (answer.status, misnamed.status) == (422, 422)
    assert [message.partition(": ")[2] for message in messages] == [
        "rule T-01: unknown fact `minr`; did you mean `minor`?",
        "rule T-01: unknown role `LEA_LED`; did you mean `LEA_LEAD`?",
    ]


async def test_what_clashes_with_an_approved_pack_is_refused(service: RunningService) -> None:
    await ANA.publish(service, PACK)
    await BEN.approve(service, PACK)
    of_kern = await ANA.publish(service, swap("T-01", "K-01", swap("a-test", "b-test")), label="b-test@1.0.0")
    planned = swap("1.0.0", "1.1.0", PLANNED)
    await ANA.publish(service, planned, label="a-test@1.1.0")
    await BEN.approve(service, planned, label="a-test@1.1.0")
    same_day = await ANA.publish(service, swap("1.0.0", "1.2.0", PLANNED), label="a-test@1.2.0")

    assert (of_kern.status, same_day.status) == (422, 422)
    assert "this id is taken by pack ca-kern-httf" in of_kern.json()["errors"][0]["message"]
    assert "comes into force at the same instant" in same_day.json()["errors"][0]["message"]


async def test_a_draft_that_nobody_approved_is_in_nobodys_way_until_it_clashes(
    service: RunningService,
) -> None:
    one, other = PLANNED, swap("1.0.0", "1.0.1", PLANNED)
    await ANA.publish(service, one)
    await ANA.publish(service, other, label="a-test@1.0.1")
    first = await BEN.approve(service, other, label="a-test@1.0.1")
    second = await BEN.approve(service, one)

    assert (first.status, second.status) == (200, 422)


async def test_a_version_that_was_overtaken_cannot_come_back_by_a_late_approval(
    service: RunningService,
) -> None:
    later = swap("1.0.0", "1.1.0", swap("2026-01-01", "2026-02-01"))
    await ANA.publish(service, PACK)
    await ANA.publish(service, later, label="a-test@1.1.0")
    await BEN.approve(service, later, label="a-test@1.1.0")
    late = await BEN.approve(service, PACK)

    assert late.status == 409
    assert "a-test@1.1.0" in late.json()["detail"]
    assert (await list_packs(service))["a-test@1.1.0"]["state"] == "in_force"


# ------------------------------------------------------------------------------------- taking it up


async def test_a_process_takes_up_what_another_approved_in_its_next_batch(
    rig: Rig, service: RunningService
) -> None:
    async with rig.open_routing() as other:
        await other.protocols.load_first()
        await ANA.publish(service, PACK)
        await BEN.approve(service, PACK)
        revision = await rig.count("pack_approval")
        packs = await other.protocols.get(revision)

    assert LABEL in {version.label for version in packs.versions}


async def test_what_was_altered_in_the_database_decides_nothing_and_alarms(
    rig: Rig, service: RunningService, logs: Lines
) -> None:
    await ANA.publish(service, PACK)
    other = swap("urgent", "routine").encode()
    await rig.admin.execute(
        "UPDATE routing.pack SET content = $1, sha256 = $2 WHERE name = 'a-test'",
        other,
        digest_content(other),
    )
    await rig.admin.execute(
        "INSERT INTO routing.pack_approval "
        "SELECT name, version, sha256, in_force_from, 'ben', NULL, NULL, NULL, now(), attestation "
        "FROM routing.pack WHERE name = 'a-test'"
    )

    async def has_alarmed() -> bool:
        return "packs.not_loaded" in {line["event"] for line in logs}

    await wait_for(has_alarmed)
    row = await decide(rig, "e1")
    assert row["packs"].split() == ["ca-kern-httf@2.2.0", "fed-baseline@1.0.0"]
    assert await service.is_ready()
    assert [line["level"] for line in logs if line["event"] == "packs.not_loaded"] == ["error"]


# -------------------------------------------------------------------------- what comes with the installation


def folder_with(tmp_path: Path, *packs: str) -> Path:
    for number, pack in enumerate(packs):
        write_pack(tmp_path, pack, name=f"{number}.yaml")
    return tmp_path


async def seed(routing: Routing, folder: Path, seeding: Seeding) -> list[str]:
    await seed_packs(routing.pool, routing.attestor, check_seeds(read_folder(folder)), seeding=seeding)
    await routing.protocols.load_first()
    return [version.label for version in routing.protocols.current.versions]


async def test_a_deployment_begins_with_the_packs_of_its_folder(
    routing: Routing, tmp_path: Path, logs: Lines
) -> None:
    folder = folder_with(tmp_path, PACK)

    assert await seed(routing, folder, Seeding.FIRST) == [LABEL]
    assert await seed(routing, folder, Seeding.FIRST) == [LABEL]
    assert [line["event"] for line in logs if "seeded" in line["event"]] == ["pack.seeded"]


async def test_later_a_file_in_the_folder_decides_nothing_and_it_is_said(
    routing: Routing, tmp_path: Path, logs: Lines
) -> None:
    await seed(routing, folder_with(tmp_path, PACK), Seeding.FIRST)
    folder = folder_with(tmp_path, swap("urgent", "routine"), swap("1.0.0", "1.1.0", PLANNED))

    assert await seed(routing, folder, Seeding.FIRST) == [LABEL]
    left_out = [(line["pack"], line["reason"]) for line in logs if line["event"] == "pack.not_seeded"]
    assert left_out == [(LABEL, "published with other content"), ("a-test@1.1.0", "publish it")]


async def test_for_trying_a_new_file_counts_at_the_next_start(
    routing: Routing, tmp_path: Path, logs: Lines
) -> None:
    await seed(routing, folder_with(tmp_path, PACK), Seeding.ALWAYS)
    folder = folder_with(tmp_path, PACK, swap("1.0.0", "1.1.0", PLANNED))

    assert await seed(routing, folder, Seeding.ALWAYS) == [LABEL, "a-test@1.1.0"]
    assert [line["pack"] for line in logs if line["event"] == "pack.seeded"] == [LABEL, "a-test@1.1.0"]


async def test_two_processes_that_start_at_once_seed_once(rig: Rig, tmp_path: Path) -> None:
    folder = folder_with(tmp_path, PACK)
    async with rig.open_routing() as one, rig.open_routing() as other:
        await asyncio.gather(*(seed(each, folder, Seeding.FIRST) for each in (one, other)))

    assert (await rig.count("pack"), await rig.count("pack_approval")) == (1, 1)
