"""W3C Trace Context: which trace a request belongs to."""

import re
from typing import Final

_TRACEPARENT: Final = re.compile(
    rb"^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$"
)


def find_trace_id(traceparent: bytes | None) -> str | None:
    """The trace id, 32 hexadecimal digits, of a valid `traceparent` header."""
    found = _TRACEPARENT.match(traceparent) if traceparent else None
    return found[1].decode() if found else None
