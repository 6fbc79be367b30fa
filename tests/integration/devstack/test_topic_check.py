"""Every service, before it begins, refuses topics that would lose what was accepted."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.topics import CASE_EVENTS
from services.runtime.crypto import Kek, generate_key_file
from tests.support.servers import Broker, Database
from tests.support.task_force import SERVICES
from tests.support.waiting import eventually

_SECONDS = 60.0


def build_environment(name: str, database: Database, broker: Broker, secrets: Path) -> dict[str, str]:
    Kek.generate_file(secrets / "kek.json")
    generate_key_file(secrets / "deployment.key")
    return {
        "PATH": os.environ["PATH"],
        "TOCSIN_PORT": "0",
        "TOCSIN_KAFKA": broker.bootstrap,
        "TOCSIN_KAFKA_MEMBERSHIP": broker.server.membership.value,
        "TOCSIN_KAFKA_IDEMPOTENCE": str(broker.server.idempotence),
        "TOCSIN_DATABASE_URL": database.url(name),
        "TOCSIN_KEK_FILE": str(secrets / "kek.json"),
        "TOCSIN_DEPLOYMENT_KEY_FILE": str(secrets / "deployment.key"),
        "TOCSIN_DURABILITY": broker.server.durability.value,
        "TOCSIN_LOG_FORMAT": "json",
    }


async def make_again(broker: Broker, *, settings: Mapping[str, str]) -> None:
    """The case events, as somebody else would have made them."""
    client = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await client.start()
    try:
        await client.delete_topics([CASE_EVENTS.name])

        async def is_made() -> bool:
            # Refused until the old one is gone.
            answer = await client.create_topics(
                [NewTopic(CASE_EVENTS.name, CASE_EVENTS.partitions, 1, topic_configs=dict(settings))]
            )
            return all(code == 0 for _, code, _ in answer.topic_errors)

        await eventually(is_made, what="the topic is made again")
    finally:
        await client.close()


async def run_to_its_end(name: str, environment: Mapping[str, str]) -> tuple[int, list[dict[str, object]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"services.{name}", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_SECONDS):
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, [orjson.loads(line) for line in errors.splitlines()]


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_ends_on_case_events_that_are_compacted_and_says_why(
    name: str, database: Database, broker: Broker, tmp_path: Path
) -> None:
    await make_again(broker, settings={**CASE_EVENTS.config} | {"cleanup.policy": "compact"})
    exit_code, lines = await run_to_its_end(name, build_environment(name, database, broker, tmp_path))
    assert exit_code == 1
    (refused,) = (line for line in lines if line["event"] == "kafka.topic_refused")
    assert (refused["level"], refused["reason"]) == (
        "error",
        "tocsin.case-events: cleanup.policy is compact and must be delete",
    )


async def test_one_copy_is_refused_in_a_deployment_that_says_replicated(
    database: Database, broker: Broker, tmp_path: Path
) -> None:
    environment = build_environment("intake", database, broker, tmp_path)
    exit_code, lines = await run_to_its_end("intake", environment | {"TOCSIN_DURABILITY": "replicated"})
    assert exit_code == 1
    reasons = [str(line["reason"]) for line in lines if line["event"] == "kafka.topic_refused"]
    assert "tocsin.case-events: 1 copy of each partition, and TOCSIN_DURABILITY=replicated" in reasons
