"""What a stranger may take of a server: bytes of a head, time, and connections. uvicorn limits none of it."""

import asyncio
import resource
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, cast

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from services.runtime.logs import get_logger
from services.runtime.problems import Problem, problem_response

log = get_logger()

SLICE_BYTES: Final = 16 * 1024
"""What arrives is looked at in slices, so that no more than this comes on top of a limit."""
SPARE_FILES: Final = 1024
TELL_SECONDS: Final = 10

MALFORMED: Final = Problem(status=400, title="Malformed", detail="This is no HTTP/1.1 request.")
LONG_HEAD: Final = Problem(
    status=431, title="Head too large", detail="Send fewer and shorter headers, and a shorter address."
)
SLOW: Final = Problem(
    status=408, title="Too slow", detail="The request did not come to its end in time. Send it again."
)
CROWDED: Final = Problem(
    status=503,
    title="Too many connections",
    detail="Nothing was done. Send it again after the time given, and use connections again.",
    retry_after=1,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Of one server. A head counts from its first byte, a body from the end of its head."""

    head_bytes: int = 64 * 1024
    header_count: int = 100
    requests_ahead: int = 16
    """Sent before an earlier one was answered: small as they are, each costs kilobytes."""
    unread_bytes: int = 8 * 1024 * 1024
    """Of a body whose request was answered already: who reads only after sending must get to that."""
    head_seconds: float = 10
    body_seconds: float = 30
    connections: int = 1000

    @property
    def sweep_seconds(self) -> float:
        return min(1.0, self.head_seconds / 2)


DEFAULT_LIMITS: Final = ConnectionLimits()


class Watch:
    """Connections whose next move is the client's, those that wait longest first."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._since: dict[LimitedProtocol, float] = {}
        self._ended: Counter[int] = Counter()
        self._told_at = float("-inf")

    def admit(self, connection: "LimitedProtocol", *, open_count: int) -> None:
        """Of too many, whoever keeps us waiting longest has to go; a newcomer only if nobody does."""
        self.expect(connection)
        if open_count > self.limits.connections:
            oldest = next(iter(self._since))
            self.forget(oldest)
            oldest.give_way()

    def expect(self, connection: "LimitedProtocol") -> None:
        """From now on the next move is the client's."""
        self._since.pop(connection, None)
        self._since[connection] = connection.loop.time()

    def forget(self, connection: "LimitedProtocol") -> None:
        self._since.pop(connection, None)

    def count(self, problem: Problem) -> None:
        """Told later, and all at once: a flood must not become one of log lines."""
        self._ended[problem.status] += 1

    async def sweep_for_ever(self) -> None:
        """A look over all connections costs less than a timer for each request."""
        while True:
            await asyncio.sleep(self.limits.sweep_seconds)
            self._sweep(asyncio.get_running_loop().time())

    def _sweep(self, now: float) -> None:
        for connection, since in list(self._since.items()):
            waited = now - since
            if waited < min(self.limits.head_seconds, self.limits.body_seconds):
                break
            if waited >= connection.patience:
                self.forget(connection)
                connection.end_if_stuck()
        if self._ended and now - self._told_at >= TELL_SECONDS:
            log.warning(
                "connections.cut_off",
                slow_count=self._ended[SLOW.status],
                long_count=self._ended[LONG_HEAD.status],
                crowded_count=self._ended[CROWDED.status],
                malformed_count=self._ended[MALFORMED.status],
            )
            self._ended.clear()
            self._told_at = now


class _WholeAnswers:
    """A transport that sends head and body of an answer together: one packet and one system call for both."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        held, self._held = self._held, []
        if held:
            self._transport.write(b"".join(held))


class _RefusedHeadError(Exception):
    """Ends the parsing of the request."""


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol within limits; and it writes an answer's head and body at once."""

    def __init__(self, *args: Any, watch: Watch, **kwargs: Any) -> None:  # noqa: ANN401 -- as uvicorn does
        super().__init__(*args, **kwargs)
        self._watch = watch
        self._limits = watch.limits
        self.headers = []
        self._pending_bytes = 0
        """Since the last byte of a body or end of a request: of a head, or of trailers."""
        self._unread_bytes = 0
        self._unsent_bytes = 0
        self._is_in_body = False

    @property
    def patience(self) -> float:
        """For how many seconds the client may keep us waiting where we are."""
        return self._limits.body_seconds if self._owes else self._limits.head_seconds

    @property
    def _owes(self) -> bool:
        """Whether a request waits for an answer."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(cast("asyncio.Transport", _WholeAnswers(transport, self.loop)))
        self._watch.admit(self, open_count=len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if len(data) <= SLICE_BYTES:
            self._take(data)
            return
        for start in range(0, len(data), SLICE_BYTES):
            if self.transport.is_closing():
                return
            self._take(data[start : start + SLICE_BYTES])

    def _take(self, data: bytes) -> None:
        self._pending_bytes += len(data)
        super().data_received(data)
        if self._pending_bytes > self._limits.head_bytes or len(self.headers) > self._limits.header_count:
            self.end(LONG_HEAD)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._unread_bytes = 0
        self._look_who_is_next()

    def on_headers_complete(self) -> None:
        if len(self.headers) > self._limits.header_count or len(self.pipeline) >= self._limits.requests_ahead:
            raise _RefusedHeadError
        super().on_headers_complete()
        self._is_in_body = True
        self._look_who_is_next()

    def on_body(self, body: bytes) -> None:
        self._pending_bytes = 0
        super().on_body(body)
        if self.cycle.response_complete:
            self._unread_bytes += len(body)
            if self._unread_bytes > self._limits.unread_bytes:
                self.transport.close()

    def on_message_complete(self) -> None:
        self._pending_bytes = 0
        self._is_in_body = False
        super().on_message_complete()
        self._look_who_is_next()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look_who_is_next()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_who_is_next()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._look_who_is_next()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 -- uvicorn's words
        is_long = len(self.headers) > self._limits.header_count
        self.end(LONG_HEAD if is_long else MALFORMED)

    def end(self, problem: Problem) -> None:
        """Ends the connection: with this answer if the client waits for one and none has begun."""
        if self.transport.is_closing():
            return
        self._watch.count(problem)
        if self._may_answer():
            self.transport.write(_render(problem_response(problem, headers={"Connection": "close"})))
        if self._owes:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()
        # Closing takes as long as somebody does not read the answer.
        self._watch.expect(self)

    def give_way(self) -> None:
        if self.transport.is_closing():
            self.transport.abort()
        else:
            self.end(CROWDED)

    def end_if_stuck(self) -> None:
        """Called when patience is over."""
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent_bytes:
            # It reads, if slowly.
            self._unsent_bytes = unsent
            self._watch.expect(self)
        elif unsent:
            self._watch.count(SLOW)
            self.transport.abort()
        elif self.flow.read_paused:
            # The app has not asked for what came; this is not the client's fault.
            self._watch.expect(self)
        elif self._pending_bytes or self._is_in_body:
            self.end(SLOW)
        else:
            self.transport.close()

    def _look_who_is_next(self) -> None:
        is_reading = self._is_in_body and not self.pipeline
        if is_reading or not self._owes or self.flow.write_paused:
            self._watch.expect(self)
        else:
            self._watch.forget(self)

    def _may_answer(self) -> bool:
        if not self._owes:
            return not self._is_in_body
        return self._is_in_body and not (self.cycle.response_started or self.pipeline)


def allow_files(limits: ConnectionLimits) -> None:
    """Each connection is an open file; where the system lets us, there is room for all and for our own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = limits.connections + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _render(response: Response) -> bytes:
    lines = [name + b": " + value + b"\r\n" for name, value in response.raw_headers]
    return b"".join([STATUS_LINE[response.status_code], *lines, b"\r\n", bytes(response.body)])
