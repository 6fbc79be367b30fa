"""W3C Trace Context: which trace a request belongs to."""

import re
from typing import Final

_TRACEPARENT: Final = re.compile(
    rb"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}(?P<more>-.*)?"
)
_NOTHING: Final = re.compile(rb"0+")


def find_trace_id(traceparent: bytes | None) -> str | None:
    """The trace id, 32 hexadecimal digits, of a valid `traceparent` header."""
    found = _TRACEPARENT.fullmatch(traceparent or b"")
    if found is None or _NOTHING.fullmatch(found["trace"]) or _NOTHING.fullmatch(found["span"]):
        return None
    # Only a version we do not know may carry more.
    if found["version"] == b"00" and found["more"] is not None:
        return None
    return found["trace"].decode()
