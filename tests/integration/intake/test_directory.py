"""Keeping up with the directory."""

import pytest

from schemas.topics import DIRECTORY
from schemas.vocabulary import EventType
from services.intake.repository import Repository
from services.runtime.database import open_pool
from tests.integration.intake.client import MemberSystem
from tests.integration.intake.directories import POLICE, build_snapshot, key_of, source_record
from tests.integration.intake.events import build_event
from tests.integration.intake.stack import RunningIntake, Servers, open_intake, wait_for
from tests.support.servers import Broker

NEW = "urn:tocsin:agency:ag-new:rms"
NEW_EVENT = build_event("n1", source=NEW)


async def test_a_new_version_is_taken_up_while_running(intake: RunningIntake, servers: Servers) -> None:
    assert (await intake.member.send(NEW_EVENT, key=key_of(NEW))).status == 401
    await servers.publish_directory(build_snapshot(2, sources=[source_record(NEW)]))
    await intake.wait_ready(version=2)
    assert (await intake.member.send(NEW_EVENT, key=key_of(NEW))).status == 202


async def test_a_key_that_was_replaced_opens_nothing_more(intake: RunningIntake, servers: Servers) -> None:
    await servers.publish_directory(build_snapshot(2, sources=[source_record(NEW)]))
    fresh = source_record(NEW, key="tcs_another_0123456789abcdef")
    await servers.publish_directory(build_snapshot(3, sources=[fresh]))
    await intake.wait_ready(version=3)
    assert (await intake.member.send(NEW_EVENT, key=key_of(NEW))).status == 401
    assert (await intake.member.send(NEW_EVENT, key="tcs_another_0123456789abcdef")).status == 202


async def test_an_older_version_does_not_come_back(intake: RunningIntake, servers: Servers) -> None:
    await servers.publish_directory(build_snapshot(3, sources=[source_record(NEW)]))
    await servers.publish_directory(build_snapshot(2))
    await servers.publish_directory(build_snapshot(4, sources=[source_record(NEW)]))
    await intake.wait_ready(version=4)
    assert (await intake.member.send(NEW_EVENT, key=key_of(NEW))).status == 202


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
async def test_a_start_without_kafka_s_history_knows_the_last_version(
    servers: Servers, broker: Broker
) -> None:
    narrow = source_record(NEW, types=[EventType.TIP_RECEIVED])
    await servers.publish_directory(build_snapshot(5, sources=[narrow]))
    async with open_intake(servers.settings()) as intake:
        await intake.wait_ready(version=5)
        await wait_for(lambda: is_stored(servers, 5))
    await broker.restart()
    async with open_intake(servers.settings()) as intake:
        await intake.wait_ready(version=5)
        assert (await intake.member.send(build_event())).status == 202
        assert (await intake.member.send(NEW_EVENT, key=key_of(NEW))).status == 403


async def test_a_record_that_is_no_directory_changes_nothing(
    member: MemberSystem, intake: RunningIntake, servers: Servers, logs: list[dict[str, object]]
) -> None:
    await servers.publish(DIRECTORY, (b"directory", b'{"version": 2, "agencies": "Planted"}', []))
    await servers.publish_directory(build_snapshot(3))
    await intake.wait_ready(version=3)
    assert (await member.send(build_event())).status == 202
    assert [line["event"] for line in logs].count("directory.unreadable") == 1
    assert "Planted" not in str(logs)


async def test_a_key_that_two_sources_share_is_told_to_the_operator(
    intake: RunningIntake, servers: Servers, logs: list[dict[str, object]]
) -> None:
    shared = source_record(NEW, key=key_of(POLICE))
    await servers.publish_directory(build_snapshot(2, sources=[shared]))
    await intake.wait_ready(version=2)
    assert (await intake.member.send(build_event())).status == 401
    assert [line["key_count"] for line in logs if line["event"] == "directory.key_shared"] == [1]


async def is_stored(servers: Servers, version: int) -> bool:
    async with open_pool(servers.database_url, size=1) as pool:
        return await Repository(pool).find_directory_version() == version
