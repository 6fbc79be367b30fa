"""Reading a body no further than allowed."""

from collections.abc import Iterable

from starlette.types import Receive


class LongBodyError(Exception):
    """The body is longer than allowed; the rest of it was not read."""


class CutBodyError(Exception):
    """The sender went away, or was too slow, before the end of the body."""


def find_announced(headers: Iterable[tuple[bytes, bytes]], *, at_most: int) -> int:
    """The bytes that are to come by the head; `at_most` where it says nothing. Raises LongBodyError."""
    for name, value in headers:
        if name == b"content-length":
            length = int(value)
            if length > at_most:
                raise LongBodyError
            return length
    return at_most


async def read_body(receive: Receive, headers: Iterable[tuple[bytes, bytes]], *, at_most: int) -> bytes:
    """Raises LongBodyError as soon as it is known to be too long, CutBodyError if it ends early."""
    find_announced(headers, at_most=at_most)
    first, rest = b"", bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CutBodyError
        part: bytes = message.get("body", b"")
        if len(first) + len(rest) + len(part) > at_most:
            raise LongBodyError
        # Mostly there is one part: no copy then.
        if not first:
            first = part
        else:
            rest += part
        if not message.get("more_body", False):
            return first + rest if rest else first
