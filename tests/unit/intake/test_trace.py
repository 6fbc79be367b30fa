"""W3C Trace Context."""

import pytest

from services.intake.ingress.trace import find_trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "header",
    [
        f"00-{TRACE}-00f067aa0ba902b7-01",
        f"cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-will-be-like",
    ],
)
def test_a_valid_traceparent_gives_its_trace_id(header: str) -> None:
    assert find_trace_id(header.encode()) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"00-" + TRACE.encode(),
        f"ff-{TRACE}-00f067aa0ba902b7-01".encode(),
        f"00-{'0' * 32}-00f067aa0ba902b7-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01".encode(),
        f"00-{TRACE}-00f067aa0ba902b7-01-more".encode(),
        f"00-{TRACE}-00f067aa0ba902b7-01\n".encode(),
    ],
)
def test_an_invalid_one_gives_none(header: bytes | None) -> None:
    assert find_trace_id(header) is None
