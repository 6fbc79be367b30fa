"""Reading a request: its correlation, its key, and its body no further than allowed."""

from collections.abc import Callable, Sequence

from starlette.types import Receive

from services.intake.ingress.access import Access, Caller
from services.intake.ingress.content import Header
from services.intake.ingress.refusals import Refusal, refuse_unauthenticated
from services.intake.ingress.trace import find_trace_id
from services.runtime.crypto import hash_api_key


class RefusedRequestError(Exception):
    """The request is refused as a whole, before its events are judged."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.problem.title)
        self.refusal = refusal


class LongBodyError(Exception):
    """The body is longer than its mode allows; the rest of it was not read."""


class CutBodyError(Exception):
    """The sender went away before the end of the body."""


def find_header(headers: Sequence[Header], name: bytes) -> bytes | None:
    """The header's value; None if it is missing or given more than once."""
    values = [value for given, value in headers if given == name]
    return values[0] if len(values) == 1 else None


def correlate(headers: Sequence[Header], new_id: Callable[[], str]) -> str:
    """The caller's trace id, else a new one."""
    return find_trace_id(find_header(headers, b"traceparent")) or new_id()


def authenticate(headers: Sequence[Header], access: Access) -> Caller:
    """Raises RefusedRequestError (401) unless the key belongs to a source."""
    scheme, _, secret = (find_header(headers, b"authorization") or b"").decode("latin-1").partition(" ")
    caller = access.find_caller(hash_api_key(secret.strip())) if scheme.lower() == "bearer" else None
    if caller is None:
        raise RefusedRequestError(refuse_unauthenticated())
    return caller


async def read_body(receive: Receive, headers: Sequence[Header], *, max_bytes: int) -> bytes:
    """The body. Raises LongBodyError as soon as it is known to be too long, CutBodyError if it ends early."""
    declared = find_header(headers, b"content-length")
    if declared is not None and int(declared) > max_bytes:
        raise LongBodyError
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CutBodyError
        part: bytes = message.get("body", b"")
        # Mostly there is one part: no copy then.
        body = body + part if body else part
        if len(body) > max_bytes:
            raise LongBodyError
        if not message.get("more_body", False):
            return body
