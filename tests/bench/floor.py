"""The floor: a bare aiokafka-to-aiohttp relay without rules, database, sealing or signing.

`relay` takes each record and posts it to two receivers; `load` produces records at the load's instants. What
Tocsin costs above this floor is what deciding, proving and protecting cost.
"""

import asyncio
import sys
import time

import aiohttp
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.bench.load import Plan
from tests.bench.mix import build_events

TOPIC = "bench.floor"
_IN_FLIGHT = 256


async def relay(bootstrap: str, receiver: str) -> None:
    """Post every record of the topic to two receivers, until ended."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, 6, 1)])
    await admin.close()
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    slots = asyncio.Semaphore(_IN_FLIGHT)
    connector = aiohttp.TCPConnector(limit=_IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    for agency in ("a", "b"):
                        await slots.acquire()
                        group.create_task(_post(session, f"{receiver}/{agency}", record.value, slots))


async def _post(session: aiohttp.ClientSession, url: str, body: bytes, slots: asyncio.Semaphore) -> None:
    try:
        async with session.post(url, data=body) as response:
            await response.read()
    finally:
        slots.release()


async def load(bootstrap: str, plan: Plan) -> list[tuple[str, float, float, int]]:
    """Produce the plan's events when they are due; return what a `Sender` keeps."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=2)
    await producer.start()
    sent: list[tuple[str, float, float, int]] = []

    async def send(event_id: str, body: bytes, due: float) -> None:
        await producer.send_and_wait(TOPIC, body, key=event_id.encode())
        sent.append((event_id, due, time.time(), 202))

    start = time.time() + 0.5
    async with asyncio.TaskGroup() as group:
        for index, event in enumerate(build_events(plan.rate * plan.seconds, run=plan.run)):
            due = start + index / plan.rate
            if (wait := due - time.time()) > 0.001:
                await asyncio.sleep(wait)
            group.create_task(send(event.id, event.body, due))
    await producer.stop()
    return sent


if __name__ == "__main__":
    if sys.argv[1] == "relay":
        uvloop.run(relay(sys.argv[2], sys.argv[3]))
    else:
        _sent = uvloop.run(load(sys.argv[2], Plan(**orjson.loads(sys.argv[3]))))
        with open(sys.argv[4], "wb") as _file:  # noqa: PTH123 - a script's last line
            _file.write(orjson.dumps({"sent": _sent}))
