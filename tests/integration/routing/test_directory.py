"""Applying a directory: versions, what is kept of it, and what the other services are told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from schemas.directory import (
    Agency,
    Contact,
    DirectoryFile,
    DirectorySnapshot,
    Endpoint,
    EndpointRecord,
    Source,
    endpoint_id,
    endpoint_seal_context,
)
from schemas.receipt import KIND_HEADER, EndpointAdded
from schemas.topics import DIRECTORY, RECEIPTS
from schemas.vocabulary import AgencyStatus, EndpointContent, Role, Rung
from services.routing.handlers.enrolling import UnknownEndpointError
from services.routing.handlers.snapshots import derive_directory_key
from services.runtime.crypto import hash_api_key, load_key_file, new_api_key, new_webhook_secret, open_sealed
from services.runtime.kafka import Publisher, PublishError, ReceivedRecord, Record
from tests.integration.routing.events import build_event, lay_out
from tests.integration.routing.rig import OPERATOR, Rig, Routing, alerts_by_agency, sample_directory
from tests.integration.routing.service import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

URL = "https://cw.example/tocsin"


def one_agency(**changes: object) -> DirectoryFile:
    agency = {
        "id": "ag-kern-cw",
        "name": "Child welfare",
        "roles": [Role.CHILD_WELFARE],
        "counties": ["06029"],
        "contacts": [Contact(rung=Rung.PRIMARY, email="duty@cw.example")],
    }
    return DirectoryFile(agencies=[Agency.model_validate({**agency, **changes})])


async def read(rig: Rig) -> list[ReceivedRecord]:
    return await rig.published(DIRECTORY.name, partitions=DIRECTORY.partitions)


async def published(rig: Rig) -> list[DirectorySnapshot]:
    records = await read(rig)
    assert {record.key for record in records} == {b"directory"}
    return [DirectorySnapshot.model_validate_json(record.value or b"") for record in records]


async def test_a_directory_is_published_as_the_next_version(rig: Rig, routing: Routing) -> None:
    applied = await routing.desk.apply(one_agency(), operator=OPERATOR)

    assert (applied.snapshot.version, applied.changed) == (2, True)
    assert [snapshot.version for snapshot in await published(rig)] == [1, 2]
    assert (await published(rig))[-1] == applied.snapshot
    assert [row["applied_by"] for row in await rig.rows("directory")] == [OPERATOR, OPERATOR]


async def test_the_same_file_again_is_the_same_version_and_is_published_once_more(
    rig: Rig, routing: Routing
) -> None:
    first = await routing.desk.apply(one_agency(), operator=OPERATOR)
    again = await routing.desk.apply(one_agency(), operator=OPERATOR)

    assert (again.snapshot, again.changed) == (first.snapshot, False)
    assert [snapshot.version for snapshot in await published(rig)] == [1, 2, 2]
    assert await rig.count("directory") == 2


def passed(url: str = "https://new.example/tocsin", agency: str = "ag-kern-cw") -> EndpointAdded:
    """What notify tells once an endpoint passed its probes."""
    endpoint = EndpointRecord(
        endpoint_id=endpoint_id(agency=agency, url=url),
        url=url,
        content=EndpointContent.POINTER,
        secret_sealed=b"sealed",
        added=True,
    )
    return EndpointAdded(agency=agency, endpoint=endpoint, by="agency", at=datetime(2026, 3, 4, tzinfo=UTC))


async def tell(routing: Routing, *receipts: EndpointAdded, offset: int = 0) -> None:
    records = [
        Record(
            RECEIPTS.name,
            each.agency.encode(),
            each.model_dump_json(exclude_none=True).encode(),
            ((KIND_HEADER, each.kind.value.encode()),),
        )
        for each in receipts
    ]
    await routing.receipts.handle(lay_out(records, first_offset=offset))


async def endpoints(rig: Rig) -> list[str]:
    newest = (await published(rig))[-1]
    return [e.url for agency in newest.agencies if agency.id == "ag-kern-cw" for e in agency.endpoints]


async def test_an_endpoint_that_passed_its_probes_is_added_once_however_often_it_is_told(
    rig: Rig, routing: Routing
) -> None:
    await routing.desk.apply(one_agency(), operator=OPERATOR)
    await tell(routing, passed(), passed(), passed(agency="ag-nobody"))
    assert await endpoints(rig) == [passed().endpoint.url]
    assert await rig.count("directory") == 3
    assert (await rig.rows("directory"))[-1]["applied_by"] == "agency"
    # Told again, after a crash before the position moved or a broker that forgot.
    await tell(routing, passed(), offset=3)
    assert await rig.count("directory") == 3


class HeldPublisher:
    """Kafka, which takes its time."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.asked, self.released = asyncio.Event(), asyncio.Event()

    async def publish(self, records: Sequence[Record]) -> list[tuple[int, int]]:
        self.asked.set()
        await self.released.wait()
        return await self._publisher.publish(records)


async def test_a_kafka_that_is_slow_holds_no_transaction_and_a_kill_meanwhile_loses_nothing(
    rig: Rig, routing: Routing
) -> None:
    await routing.desk.apply(one_agency(), operator=OPERATOR)
    held = HeldPublisher(rig.publisher)
    async with rig.open_routing(publisher=held) as dying:  # type: ignore[arg-type]
        telling = asyncio.create_task(tell(dying, passed()))
        await held.asked.wait()
        transactions = await rig.admin.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL"
            " AND usename = 'tocsin_routing' AND datname = current_database()"
        )
        telling.cancel()
    assert (transactions, await endpoints(rig), await rig.count("directory")) == (0, [], 3)

    await tell(routing, passed())
    assert (await endpoints(rig), await rig.count("directory")) == ([passed().endpoint.url], 3)
    assert await rig.position(topic=RECEIPTS.name) == 1


async def test_a_file_that_does_not_name_an_added_endpoint_leaves_it_and_one_that_does_takes_it_over(
    rig: Rig, routing: Routing
) -> None:
    await routing.desk.apply(one_agency(), operator=OPERATOR)
    await tell(routing, passed())
    url = passed().endpoint.url
    same = await routing.desk.apply(one_agency(), operator=OPERATOR)
    assert not same.changed
    changed = await routing.desk.apply(one_agency(name="Another name"), operator=OPERATOR)
    assert await endpoints(rig) == [url]
    assert [warning for warning in changed.warnings if "was added by itself and stays" in warning]
    named = Endpoint(url=url, content=EndpointContent.DISCLOSED)
    await routing.desk.apply(one_agency(endpoints=[named]), operator=OPERATOR)
    [agency] = [a for a in (await published(rig))[-1].agencies if a.id == "ag-kern-cw"]
    assert [(e.url, e.content, e.added) for e in agency.endpoints] == [(url, "disclosed", False)]
    await routing.desk.apply(one_agency(), operator=OPERATOR)
    assert await endpoints(rig) == []


class LostPublisher:
    """Kafka, which cannot be reached."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.is_back = False

    async def publish(self, records: Sequence[Record]) -> list[tuple[int, int]]:
        if not self.is_back:
            raise PublishError("TimeoutError")
        return await self._publisher.publish(records)


@asynccontextmanager
async def seeing_to_it(rig: Rig, routing: Routing) -> AsyncIterator[None]:
    """As `app.py` does in the background."""
    task = asyncio.create_task(routing.desk.publish_missing_for_ever(partial(read, rig)))
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def wait_published(rig: Rig, *versions: int) -> None:
    async def is_published() -> bool:
        return [snapshot.version for snapshot in await published(rig)] == list(versions)

    await wait_for(is_published)


async def test_what_kafka_did_not_take_is_published_when_it_is_back(
    rig: Rig, logs: list[dict[str, object]]
) -> None:
    lost = LostPublisher(rig.publisher)
    async with rig.open_routing(publisher=lost) as routing, seeing_to_it(rig, routing):  # type: ignore[arg-type]
        with pytest.raises(PublishError):
            await routing.desk.apply(one_agency(), operator=OPERATOR)

        async def was_tried() -> bool:
            return "directory.not_published" in {line["event"] for line in logs}

        await wait_for(was_tried)
        assert [snapshot.version for snapshot in await published(rig)] == [1]
        lost.is_back = True
        await wait_published(rig, 1, 2)
        await routing.desk.apply(one_agency(name="Another name"), operator=OPERATOR)
        await wait_published(rig, 1, 2, 3)
    made_good = [line["directory_version"] for line in logs if line["event"] == "directory.made_good"]
    assert made_good == [2]


async def test_what_a_process_stored_that_died_before_publishing_is_published_by_another(
    rig: Rig, routing: Routing
) -> None:
    async with seeing_to_it(rig, routing):
        async with rig.open_routing(publisher=LostPublisher(rig.publisher)) as dying:  # type: ignore[arg-type]
            with pytest.raises(PublishError):
                await dying.desk.apply(one_agency(), operator=OPERATOR)
        await wait_published(rig, 1, 2)


async def test_an_endpoint_is_said_to_be_gone_only_when_all_know_it(rig: Rig, routing: Routing) -> None:
    await routing.desk.apply(one_agency(), operator=OPERATOR)
    await tell(routing, passed())
    lost = LostPublisher(rig.publisher)
    name = passed().endpoint.endpoint_id
    async with rig.open_routing(publisher=lost) as cut_off:  # type: ignore[arg-type]
        for _ in range(2):
            with pytest.raises(PublishError):
                await cut_off.enroller.remove("ag-kern-cw", name, operator=OPERATOR)
        assert await endpoints(rig) == [passed().endpoint.url]
        lost.is_back = True
        with pytest.raises(UnknownEndpointError):
            await cut_off.enroller.remove("ag-kern-cw", name, operator=OPERATOR)
    assert await endpoints(rig) == []


async def test_an_operator_takes_an_endpoint_out(rig: Rig, routing: Routing) -> None:
    await routing.desk.apply(one_agency(), operator=OPERATOR)
    await tell(routing, passed())
    await routing.enroller.remove("ag-kern-cw", passed().endpoint.endpoint_id, operator=OPERATOR)
    assert await endpoints(rig) == []
    with pytest.raises(UnknownEndpointError):
        await routing.enroller.remove("ag-kern-cw", passed().endpoint.endpoint_id, operator=OPERATOR)


async def test_an_endpoint_that_was_taken_out_does_not_come_back_with_a_copy_of_what_added_it(
    rig: Rig, routing: Routing
) -> None:
    """Receipts are told at least once: a copy comes from an outbox, hours later, or from whoever kept it."""
    await routing.desk.apply(one_agency(), operator=OPERATOR)
    await tell(routing, passed())
    await routing.enroller.remove("ag-kern-cw", passed().endpoint.endpoint_id, operator=OPERATOR)

    await tell(routing, passed(), offset=1)
    assert await endpoints(rig) == []

    # Tried and sealed anew, it may.
    fresh = passed()
    fresh = fresh.model_copy(update={"endpoint": fresh.endpoint.model_copy(update={"secret_sealed": b"new"})})
    await tell(routing, fresh, offset=2)
    assert await endpoints(rig) == [fresh.endpoint.url]


async def test_an_agency_that_the_file_does_not_name_any_more_is_offboarded_and_kept(
    rig: Rig, routing: Routing
) -> None:
    applied = await routing.desk.apply(one_agency(), operator=OPERATOR)

    status = {agency.id: agency.status for agency in applied.snapshot.agencies}
    assert status.pop("ag-kern-cw") is AgencyStatus.ACTIVE
    assert set(status.values()) == {AgencyStatus.OFFBOARDED}
    left = [agency for agency in applied.snapshot.agencies if agency.id != "ag-kern-cw"]
    assert not any(agency.key_hashes or agency.endpoints for agency in left)
    assert "ag-kern-so is offboarded now: it is told nothing more" in applied.warnings


async def test_keys_are_kept_as_hashes_and_secrets_sealed(rig: Rig, routing: Routing) -> None:
    key, secret, source_key = new_api_key("tca"), new_webhook_secret(), new_api_key("tcs")
    source = Source(source="urn:tocsin:agency:ag-kern-cw:cms", key=source_key, types=["*"])
    file = one_agency(keys=[key], endpoints=[Endpoint(url=URL, secret=secret)])

    applied = await routing.desk.apply(file.model_copy(update={"sources": [source]}), operator=OPERATOR)

    agency = applied.snapshot.agencies[0]
    assert agency.key_hashes == [hash_api_key(key)]
    assert [kept.key_hash for kept in applied.snapshot.sources] == [hash_api_key(source_key)]
    name = endpoint_id(agency=agency.id, url=URL)
    opened = open_sealed(
        derive_directory_key(load_key_file(rig.secrets / "deployment.key")),
        agency.endpoints[0].secret_sealed,
        context=endpoint_seal_context(agency=agency.id, endpoint=name),
    )
    assert opened.decode() == secret
    stored = repr(await rig.rows("directory"))
    assert not any(plain in stored for plain in (key, secret, source_key))


async def test_a_decision_uses_the_newest_directory_whoever_applied_it(rig: Rig, routing: Routing) -> None:
    async with rig.open_routing() as other:
        await other.desk.apply(one_agency(status=AgencyStatus.OFFBOARDED), operator=OPERATOR)

    await routing.events.handle(lay_out(await rig.sealer.seal(build_event())))

    assert [row["directory_version"] for row in await rig.rows("decision")] == [2]
    assert "ag-kern-cw" not in alerts_by_agency(await rig.published_alerts())


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
async def test_a_broker_that_lost_its_log_is_told_the_directory_again(rig: Rig, routing: Routing) -> None:
    await rig.broker.restart()

    await routing.desk.publish_newer_than(await read(rig))
    await routing.desk.publish_newer_than(await read(rig))

    assert [snapshot.version for snapshot in await published(rig)] == [1]


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        pytest.param({}, "ag-kern-cw has no agreement_until", id="no agreement"),
        pytest.param({"agreement_until": "2020-01-01T00:00:00Z"}, "its agreement has ended", id="ended"),
        pytest.param({"contacts": []}, "nothing can reach it", id="unreachable"),
        pytest.param({}, "no active agency is TF_COORDINATOR", id="no coordinator"),
    ],
)
async def test_what_is_probably_not_meant_is_said(
    routing: Routing, changes: dict[str, Any], warning: str
) -> None:
    applied = await routing.desk.apply(one_agency(**changes), operator=OPERATOR)

    assert any(warning in told for told in applied.warnings)


async def test_the_shipped_sample_needs_no_warning(routing: Routing) -> None:
    applied = await routing.desk.apply(sample_directory(), operator=OPERATOR)

    assert applied.warnings == ()
