"""The topics on a fresh broker, made before a client can get hold of a wrong one."""

import asyncio
from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError

from schemas.topics import Topic
from services.devstack.errors import StartError
from services.runtime.logs import get_logger

log = get_logger()

_TOPIC_EXISTS = 36
_ATTEMPTS = 20
_POLL_SECONDS = 0.01


async def make_topics(bootstrap: str, topics: Sequence[Topic]) -> None:
    """Waits for the broker, then makes the topics; returns when all of them are as they should be.

    This broker makes a topic by itself when any client asks for it, with a partition count of its own choice:
    what a client that reconnected first has caused is deleted and made again. Raises StartError.
    """
    admin = await _connect(bootstrap)
    try:
        for _ in range(_ATTEMPTS):
            await _create(admin, topics)
            wrong = await _list_wrong(admin, topics)
            if not wrong:
                return
            log.warning("topics.made_again", topic_count=len(wrong))
            await admin.delete_topics(wrong)
    except KafkaError as error:
        raise StartError(f"The broker does not make topics ({type(error).__name__}).") from error
    finally:
        await admin.close()
    raise StartError("The broker does not make topics as asked.")


async def _connect(bootstrap: str) -> AIOKafkaAdminClient:
    while True:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
        try:
            await admin.start()
        except KafkaConnectionError:
            await admin.close()
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return admin


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    answer = await admin.create_topics(
        [NewTopic(topic.name, topic.partitions, 1, topic_configs=dict(topic.config)) for topic in topics]
    )
    refused = [name for name, code, _ in answer.topic_errors if code not in {0, _TOPIC_EXISTS}]
    if refused:
        raise StartError(f"The broker refused to make {', '.join(refused)}.")


async def _list_wrong(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> list[str]:
    described = await admin.describe_topics([topic.name for topic in topics])
    counts = {entry["topic"]: len(entry["partitions"]) for entry in described}
    return [topic.name for topic in topics if counts.get(topic.name) != topic.partitions]
