"""The whole service over HTTP and Kafka: operators, readiness, crashes and a broker that lost its log."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest
import pytest_asyncio
from pydantic import SecretStr

from schemas.directory import Endpoint, endpoint_id
from schemas.operator import Purpose, digest_query
from schemas.topics import ALERTS, CASE_EVENTS, DIRECTORY
from services.routing import logbook
from services.runtime.crypto import new_webhook_secret
from services.runtime.kafka import read_topic_to_end
from services.runtime.lifecycle import ExitCode
from services.runtime.logs import capture_logs
from tests.integration.routing.events import POLICE, build_event, garbage
from tests.integration.routing.operators import ANA
from tests.integration.routing.rig import Rig, alerts_by_agency, sample_directory
from tests.integration.routing.service import (
    OPERATOR_KEY,
    RunningService,
    build_settings,
    running_service,
    service_process,
    wait_for,
)
from tests.support.strangers import MEGABYTE, TAKEN_AT_MOST, stranger_at
from tests.support.wire import open_wire

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def send(rig: Rig, *events: dict[str, Any]) -> None:
    await rig.publisher.publish(await rig.sealer.seal(*events))


async def wait_decided(rig: Rig, count: int) -> None:
    async def is_decided() -> bool:
        return await rig.count("decision") >= count

    await wait_for(is_decided)


@pytest.fixture
def rig(own_rig: Rig) -> Rig:
    return own_rig


@pytest_asyncio.fixture(loop_scope="module")
async def service(rig: Rig) -> AsyncIterator[RunningService]:
    with capture_logs(logbook.CATALOGUE):
        async with running_service(build_settings(rig)) as running:
            await wait_for(running.is_ready)
            yield running


async def test_an_event_on_the_log_becomes_alerts(rig: Rig, service: RunningService) -> None:
    await send(rig, build_event())
    await wait_decided(rig, 1)

    async def are_published() -> bool:
        return len(await rig.published_alerts()) >= 4

    await wait_for(are_published)


async def test_readiness_names_the_directory_and_the_partitions(service: RunningService) -> None:
    told = (await service.ask("GET", "/readyz")).json()

    assert told["directory_version"] == 1
    assert len(told["consumers"]["events"]["partitions"]) == CASE_EVENTS.partitions


async def test_it_stops_in_order(service: RunningService) -> None:
    service.lifetime.stop(reason="test")

    assert await service.wait_exit() is ExitCode.CLEAN


async def test_before_the_first_directory_it_is_not_ready_but_takes_one(rig: Rig) -> None:
    await rig.admin.execute("TRUNCATE routing.directory")
    async with running_service(build_settings(rig)) as service:
        await wait_for(lambda: is_failing(service, "directory"))
        body = sample_directory().model_dump_json(exclude_none=True).encode()
        answer = await service.ask("PUT", "/v1/directory", body=body)
        assert answer.status == 200
        await wait_for(service.is_ready)


async def test_an_operator_rotates_an_endpoint_and_the_file_does_not_undo_it(
    rig: Rig, service: RunningService
) -> None:
    url, secret = "https://cw.example/tocsin", new_webhook_secret()
    sample = sample_directory()
    agencies = [
        agency.model_copy(update={"endpoints": [Endpoint(url=url, secret=secret)]})
        if agency.id == "ag-kern-cw"
        else agency
        for agency in sample.agencies
    ]
    file = sample.model_copy(update={"agencies": agencies}).model_dump_json(exclude_none=True).encode()
    assert (await service.ask("PUT", "/v1/directory", body=file)).json()["version"] == 2
    path = f"/v1/agencies/ag-kern-cw/endpoints/{endpoint_id(agency='ag-kern-cw', url=url)}/rotate"

    rotated = (await service.ask("POST", path, body=b'{"overlap": "PT48H"}')).json()
    keyed = (await service.ask("POST", path, body=b'{"kind": "signing_key"}')).json()

    assert (rotated["version"], keyed["version"]) == (3, 4)
    assert rotated["secret"].startswith("whsec_")
    assert "secret" not in keyed
    again = (await service.ask("PUT", "/v1/directory", body=file)).json()
    assert (again["version"], again["changed"]) == (4, False)
    shown = await service.ask("GET", "/v1/directory")
    (endpoint,) = [
        endpoint
        for agency in shown.json()["agencies"]
        for endpoint in agency["endpoints"]
        if agency["id"] == "ag-kern-cw"
    ]
    assert endpoint["public_key"] == keyed["public_key"]
    assert endpoint.keys() == {"endpoint_id", "url", "content", "exercises", "added", "public_key"}
    stored = repr(await rig.rows("directory"))
    assert not [word for word in (secret, rotated["secret"]) if word in stored]


@pytest.mark.parametrize(
    ("endpoint", "body", "status"),
    [
        ("ep_0000000000000000", b"{}", 404),
        ("ep_0000000000000000", b'{"overlap": "P31D"}', 422),
        ("ep_0000000000000000", b'{"overlap": "24h"}', 422),
        ("ep_0000000000000000", b'{"kind": "password"}', 422),
        ("ep_0000000000000000", b"no json", 422),
    ],
)
async def test_what_cannot_be_rotated_is_refused(
    service: RunningService, endpoint: str, body: bytes, status: int
) -> None:
    answer = await service.ask("POST", f"/v1/agencies/ag-kern-cw/endpoints/{endpoint}/rotate", body=body)
    assert answer.status == status


async def test_a_new_endpoint_without_a_secret_is_refused_by_its_path(service: RunningService) -> None:
    sample = sample_directory()
    first = sample.agencies[0].model_copy(update={"endpoints": [Endpoint(url="https://new.example/")]})
    file = sample.model_copy(update={"agencies": [first, *sample.agencies[1:]]})
    answer = await service.ask("PUT", "/v1/directory", body=file.model_dump_json(exclude_none=True).encode())
    assert answer.status == 422
    assert [error["path"] for error in answer.json()["errors"]] == ["/agencies/0/endpoints/0/secret"]


async def test_it_may_be_stopped_while_it_waits_for_a_directory(rig: Rig) -> None:
    await rig.admin.execute("TRUNCATE routing.directory")
    async with running_service(build_settings(rig)) as service:
        await wait_for(lambda: is_failing(service, "directory"))
        service.lifetime.stop(reason="test")

        assert await service.wait_exit() is ExitCode.CLEAN


# -------------------------------------------------------------------------------- operators


async def test_without_an_operators_key_nothing_is_told(service: RunningService) -> None:
    for method, path in (("PUT", "/v1/directory"), ("GET", "/v1/directory"), ("GET", "/v1/decisions/e1")):
        for key in (None, "", "tco_wrong", OPERATOR_KEY + "x"):
            answer = await service.ask(method, path, key=key, body=b"{}" if method == "PUT" else None)

            assert (answer.status, answer.json()["title"]) == (401, "Unauthorized")


async def test_no_body_is_read_without_a_key_and_none_further_than_its_route_takes(
    service: RunningService,
) -> None:
    paths = {
        "PUT /v1/directory": (401, 413),
        "POST /v1/agencies/a/endpoints/b/rotate": (401, 413),
        "PUT /v1/protocols/a@1.0.0": (401, 401),
        "POST /v1/protocols/a@1.0.0/approval": (401, 401),
        "DELETE /v1/agencies/a/endpoints/b": (401, 404),
    }
    for path, statuses in paths.items():
        for key, status in zip((None, OPERATOR_KEY), statuses, strict=True):
            authorization = "" if key is None else f"Authorization: Bearer {key}\r\n"
            head = f"{path} HTTP/1.1\r\nHost: h\r\n{authorization}Content-Length: {100 * MEGABYTE}\r\n\r\n"
            async with stranger_at(service.url) as stranger:
                ending = await stranger.pour(head.encode(), fill=b" " * MEGABYTE)
            assert ending.problem["status"] == status
            assert ending.sent_bytes < TAKEN_AT_MOST


async def test_a_directory_is_applied_and_shown_without_its_secrets(service: RunningService) -> None:
    file = sample_directory()

    applied = (
        await service.ask("PUT", "/v1/directory", body=file.model_dump_json(exclude_none=True).encode())
    ).json()
    shown = await service.ask("GET", "/v1/directory")

    assert applied["version"] == shown.json()["version"] == 2
    assert applied["agencies"] == len(shown.json()["agencies"]) == len(file.agencies)
    assert b"key" not in shown.body.replace(b"public_key", b"")
    assert b"secret" not in shown.body


async def test_every_fault_of_a_directory_is_named_by_path_and_never_by_value(
    service: RunningService,
) -> None:
    faulty = {
        "agencies": [
            {"id": "AG SECRET", "name": "x", "roles": ["LEA_LEAD"], "counties": [6029]},
            {"id": "ag-b", "name": "x", "roles": ["POLICE"], "counties": "*", "nmae": "zebra"},
        ],
        "sources": [{"source": "urn:tocsin:agency:ag-b:cad", "key": "zebra", "types": ["*"]}],
    }

    answer = await service.ask("PUT", "/v1/directory", body=orjson.dumps(faulty))

    assert answer.status == 422
    assert {error["path"] for error in answer.json()["errors"]} == {
        "/agencies/0/id",
        "/agencies/0/counties",
        "/agencies/0/counties/0",
        "/agencies/1/roles/0",
        "/agencies/1/nmae",
        "/sources/0/key",
    }
    assert b"SECRET" not in answer.body
    assert b"zebra" not in answer.body


async def test_a_directory_that_contradicts_itself_is_refused(rig: Rig, service: RunningService) -> None:
    file = {"agencies": [], "sources": [{"source": POLICE, "key": "tcs_" + "x" * 20, "types": ["*"]}]}

    answer = await service.ask("PUT", "/v1/directory", body=orjson.dumps(file))

    assert [error["path"] for error in answer.json()["errors"]] == ["/sources/0/source"]
    assert await rig.count("directory") == 1


async def test_what_is_no_merged_directory_is_refused(service: RunningService) -> None:
    for body in (b"", b"[]", b"{", b'{"extends": "sample", "agencies": []}'):
        assert (await service.ask("PUT", "/v1/directory", body=body)).status == 422


async def test_the_ledger_explains_who_was_told_and_why_others_were_not(
    rig: Rig, service: RunningService
) -> None:
    await send(rig, build_event())
    await wait_decided(rig, 1)

    [told] = (await ANA.explain(service, "e1")).json()["decisions"]

    assert (told["outcome"], told["event_type"]) == ("routed", "victim.recovered")
    rules = {rule["rule"]: rule for rule in told["rules"]}
    assert (rules["K-03"]["verdict"], rules["K-04"]["verdict"]) == ("alerted", "not_matched")
    [advocate] = rules["K-07"]["agencies"]
    assert advocate["removed"] == {"name": "rule_consent"}
    alerts = {alert["agency"]: alert for alert in told["alerts"]}
    assert alerts["ag-kern-cw"]["withheld"] == ["immigration"]
    assert [duty["holder"] for duty in told["duties"]] == ["ag-bpd"]
    assert "Quillfeather" not in repr(told)


async def test_a_shredded_case_leaves_ids_rules_and_agencies(rig: Rig, service: RunningService) -> None:
    await send(rig, build_event())
    await wait_decided(rig, 1)
    await rig.admin.execute("UPDATE keyring.case_key SET wrapped = NULL")
    # A process keeps a case's key for a minute.
    async with running_service(build_settings(rig)) as another:
        await wait_for(another.is_ready)
        [told] = (await ANA.explain(another, "e1")).json()["decisions"]

    assert (told["rules"], told["event_type"]) == (None, None)
    assert {alert["disclosed"] is None for alert in told["alerts"]} == {True}
    assert "ag-kern-cw" in {alert["agency"] for alert in told["alerts"]}


async def test_an_id_that_two_sources_used_is_explained_for_the_one_asked_for(
    rig: Rig, service: RunningService
) -> None:
    other = "urn:tocsin:agency:ag-kern-so:cms"
    await send(rig, build_event(), build_event(source=other, subject="case-9"))
    await wait_decided(rig, 2)

    both = (await ANA.explain(service, "e1")).json()["decisions"]
    one = (await ANA.explain(service, "e1", source=POLICE)).json()["decisions"]

    assert {told["source"] for told in both} == {POLICE, other}
    assert [told["source"] for told in one] == [POLICE]


async def test_an_event_that_nobody_decided_is_not_found(service: RunningService) -> None:
    answer = await ANA.explain(service, "nobody")
    slash = await service.ask("GET", "/v1/directory/")

    assert (answer.status, slash.status) == (404, 404)


async def test_a_nul_in_a_request_is_the_senders_mistake(service: RunningService) -> None:
    signature = ANA.sign(Purpose.EXPLAIN, "a\0", digest_query(source=None, agency=None))
    assert (await service.ask("GET", "/v1/decisions/a%00", signature=signature)).status == 422


# ---------------------------------------------------------------------------- when things break


async def test_too_many_refusals_leave_the_process_up_and_not_ready(
    rig: Rig, service: RunningService
) -> None:
    await rig.publisher.publish([garbage()] * 5)

    await wait_for(lambda: is_failing(service, "decidable"))
    assert await service.is_alive()
    assert await rig.count("quarantine") == 4


async def test_a_gap_ends_the_process_as_a_fault(rig: Rig) -> None:
    async with running_service(build_settings(rig)) as service:
        await wait_for(service.is_ready)
        await send(rig, build_event("e1"))
        await wait_decided(rig, 1)
        await rig.admin.execute("UPDATE routing.position SET next_offset = 0 WHERE next_offset > 0")
        await send(rig, build_event("e2"))

        assert await service.wait_exit() is ExitCode.FAULT

    assert await rig.count("decision") == 1


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
async def test_a_broker_that_lost_its_log_restarts_the_process_which_hands_over_again(rig: Rig) -> None:
    settings = build_settings(rig)
    async with running_service(settings) as service:
        await wait_for(service.is_ready)
        await send(rig, build_event())
        await wait_decided(rig, 1)
        await rig.broker.restart()

        assert await service.wait_exit() is ExitCode.CLUSTER_CHANGED

    async with running_service(settings) as service:
        await wait_for(service.is_ready)

        async def are_published() -> bool:
            return set(alerts_by_agency(await rig.published_alerts())) >= {"ag-kern-cw", "ag-bpd"}

        await wait_for(are_published)


async def test_killed_between_its_commit_and_its_publish_it_publishes_at_its_next_start(rig: Rig) -> None:
    """PostgreSQL's answer to the commit never comes, so that the kill hits exactly between the two."""
    settings, database = build_settings(rig), urlsplit(rig.database.url("routing"))
    words = [b"case-1", b"COMMIT;"]
    async with open_wire(database.hostname or "", database.port or 0, last_words=words) as wire:
        through = database._replace(netloc=database.netloc.replace(str(database.port), str(wire.port)))
        held_up = settings.model_copy(update={"database_url": SecretStr(through.geturl())})
        async with service_process(held_up) as process:
            await send(rig, build_event())
            await wire.wait_dead()
            await wait_decided(rig, 1)
            await process.kill()
    assert await rig.published_alerts() == []
    decided = await rig.ledger()

    async with service_process(settings):

        async def are_published() -> bool:
            return len(await rig.published_alerts()) >= 4

        await wait_for(are_published)
        kept = {row["record"] for row in decided["outbox"] if row["topic"] == ALERTS.name}
        assert {record.value for record in await rig.published(ALERTS.name)} == kept
        assert await rig.rows("decision") == decided["decision"]


async def test_a_directory_that_a_killed_process_stored_is_published_by_one_that_runs(rig: Rig) -> None:
    database, sample = urlsplit(rig.database.url("routing")), sample_directory()
    renamed = sample.agencies[0].model_copy(update={"name": "Another name"})
    file = sample.model_copy(update={"agencies": [renamed, *sample.agencies[1:]]})
    body = file.model_dump_json(exclude_none=True).encode()
    words = [b"INSERT INTO routing.directory", b"COMMIT;"]
    async with (
        open_wire(database.hostname or "", database.port or 0, last_words=words) as wire,
        running_service(build_settings(rig)) as running,
    ):
        await wait_for(running.is_ready)
        through = database._replace(netloc=database.netloc.replace(str(database.port), str(wire.port)))
        held_up = build_settings(rig).model_copy(update={"database_url": SecretStr(through.geturl())})
        async with service_process(held_up) as process:
            asking = asyncio.create_task(process.service.ask("PUT", "/v1/directory", body=body))
            await wire.wait_dead()
            await process.kill()
            with pytest.raises(aiohttp.ClientError):
                await asking

        async def is_published() -> bool:
            records = await read_topic_to_end(rig.broker.bootstrap, DIRECTORY.name)
            return [orjson.loads(record.value or b"")["version"] for record in records] == [1, 2]

        await wait_for(is_published)


async def test_two_processes_on_the_same_partitions_decide_each_event_once(rig: Rig) -> None:
    events = [build_event(f"e{n}", subject=f"case-{n % 7}") for n in range(60)]
    async with service_process(build_settings(rig)), service_process(build_settings(rig)):
        for event in events:
            await send(rig, event)
        await wait_decided(rig, len(events))

        async def are_published() -> bool:
            return len({alert.alert_id for alert in await rig.published_alerts()}) == 4 * len(events)

        await wait_for(are_published)

    rows = await rig.rows("alert")
    assert {alert.alert_id for alert in await rig.published_alerts()} == {row["alert_id"] for row in rows}
    ends = await read_topic_to_end(rig.broker.bootstrap, CASE_EVENTS.name, partitions=CASE_EVENTS.partitions)
    positions = [row["next_offset"] for row in await rig.rows("position") if row["topic"] == CASE_EVENTS.name]
    assert sum(positions) == len(ends) == len(events)


async def is_failing(service: RunningService, check: str) -> bool:
    return check in await service.failing()
