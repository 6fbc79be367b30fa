"""Reading the head of a request: its correlation and its key."""

from collections.abc import Callable, Sequence

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
