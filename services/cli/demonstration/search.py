"""The search for the victim's name wherever Tocsin writes, and for a control that proves the search."""

import base64
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import TOPICS

_CHUNK_BYTES: Final = 4 * 1024 * 1024
_LEAST_BYTES: Final = 6
"""Shorter spellings occur by chance."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one place showed: how much was read, whether the control was there, and whether the name was."""

    place: str
    read_bytes: int
    control_found: bool
    name_found: bool

    @property
    def ok(self) -> bool:
        """The search works here, and the name is not here."""
        return self.control_found and not self.name_found


def spellings(word: str) -> tuple[bytes, ...]:
    """Return the ways a word may hide: plain, wide, hexadecimal, base64 at three alignments."""
    plain = word.encode()
    found = [plain, word.encode("utf-16-le"), plain.hex().encode(), plain.hex().upper().encode()]
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + plain)
        # The first and last quads depend on neighbours; what lies between does not.
        found.append(encoded[4 if shift else 0 : len(encoded) - 4])
    return tuple(dict.fromkeys(spelling for spelling in found if len(spelling) >= _LEAST_BYTES))


def search(place: str, chunks: Iterable[bytes], *, names: Sequence[str], control: str) -> Finding:
    """Look for the names, in every spelling, and for the control, as it is, in a stream of bytes."""
    needles = [spelling for name in names for spelling in spellings(name)]
    plain_control = control.encode()
    keep = max(len(each) for each in (*needles, plain_control))
    read, tail, control_found, name_found = 0, b"", False, False
    for chunk in chunks:
        read += len(chunk)
        window = tail + chunk
        control_found = control_found or plain_control in window
        name_found = name_found or any(needle in window for needle in needles)
        tail = window[-keep:]
    return Finding(place, read, control_found, name_found)


def read_files(paths: Iterable[Path]) -> Iterator[bytes]:
    """Yield every byte of these files; what is none is left out."""
    for path in paths:
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
        except OSError:  # a folder, a socket, or a file that the server removed meanwhile
            continue
        yield b"\0"


def read_mails(mails: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each mail as it went over the wire, and each of its parts decoded."""
    for raw in mails:
        yield raw
        for part in message_from_bytes(raw, policy=policy.default).walk():
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                yield payload


async def read_topics(bootstrap: str) -> list[bytes]:
    """Return keys, values and headers of every record of every topic, from the first to the last."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic.name, p) for topic in TOPICS for p in range(topic.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        return [chunk async for chunk in _records(consumer, ends)]
    finally:
        await consumer.stop()


async def _records(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> AsyncIterator[bytes]:
    pending = {partition for partition, end in ends.items() if end > 0}
    while pending:
        for partition, records in (await consumer.getmany(timeout_ms=500)).items():
            for record in records:
                yield record.key or b""
                yield record.value or b""
                for name, value in record.headers:
                    yield name.encode() + b"=" + value
                if record.offset >= ends[partition] - 1:
                    pending.discard(partition)
