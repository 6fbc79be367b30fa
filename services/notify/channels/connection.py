"""One HTTP/1.1 connection to a receiver, and one request on it at a time."""

import asyncio
from dataclasses import dataclass
from typing import Final, cast

import httptools

MOST_HEAD_BYTES: Final = 16 * 1024
MOST_BODY_BYTES: Final = 2 * 1024
BODY_SECONDS: Final = 1.0

_CONTINUE: Final = range(100, 200)


class AnswerTooLargeError(Exception):
    """The head or the body of an answer has no end, or none that is worth waiting for."""


class AnswerUnreadableError(Exception):
    """What came is no HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said: nothing of its body is kept."""

    status: int
    retry_after: bytes | None
    reason: bytes = b""
    """The phrase beside the status."""


class _Reader:
    """One answer after the other, as it comes in.

    It lives as long as its connection, for it and its parser know each other: only the collector frees them.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status: int | None = None
        """Counts once everything that came with it was understood."""
        self.retry_after: bytes | None = None
        self.reason = b""
        self.is_complete = False
        self.is_lasting = False
        """Whether the connection may be used again once the answer is complete."""
        self._status: int | None = None
        self._body_count = 0
        self._head_room = MOST_HEAD_BYTES
        self._body_room = MOST_BODY_BYTES

    def begin(self) -> None:
        """What comes next is another answer."""
        self.status = self._status = self.retry_after = None
        self.reason = b""
        self.is_complete = self.is_lasting = False
        self._head_room = MOST_HEAD_BYTES
        self._body_room = MOST_BODY_BYTES

    def feed(self, data: bytes) -> None:
        """Raises AnswerUnreadableError or AnswerTooLargeError."""
        room = self._head_room + self._body_room
        try:
            self._parser.feed_data(data[:room])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise AnswerUnreadableError from error
        self.status = self._status
        # What is no body counts as head: names, values, lengths of chunks.
        self._head_room -= len(data) - self._body_count
        self._body_count = 0
        if self._head_room < 0 or self._body_room < 0:
            raise AnswerTooLargeError

    def on_body(self, body: bytes) -> None:
        """Counted, and let go."""
        self._body_count += len(body)
        self._body_room -= len(body)

    def on_message_begin(self) -> None:
        self.is_lasting = False  # A second answer to one request is one too many.

    def on_status(self, reason: bytes) -> None:
        # In pieces, if it comes in pieces; of an interim answer, too: the last one counts.
        self.reason = reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self.retry_after = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._status is None and status not in _CONTINUE:
            self._status = status

    def on_message_complete(self) -> None:
        self.is_complete = self._status is not None
        # Asked now: afterwards the parser thinks of the next message.
        self.is_lasting = self._parser.should_keep_alive()


class Connection(asyncio.Protocol):
    """Sends a request and awaits its answer; what is still open then can be used for the next.

    A short body is read, so that the connection can be used again; of any other the connection is closed.
    A status counts as soon as it was received, whatever becomes of the body.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = _Reader()
        self._answered: asyncio.Future[Answer] | None = None
        self._grace: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    async def exchange(self, request: bytes) -> Answer:
        """Raises OSError, AnswerTooLargeError or AnswerUnreadableError; cancelled, it ends the connection."""
        if self._transport is None:
            raise ConnectionResetError
        self._reader.begin()
        self._answered = self._loop.create_future()
        self._transport.write(request)
        try:
            return await self._answered
        except asyncio.CancelledError:
            self.close()
            raise

    def give_up(self, reason: Exception) -> None:
        """Ends the exchange under way, and the connection with it."""
        self._end(reason)

    def close(self) -> None:
        """At once, and without a farewell."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._answered is None:
            self.close()  # Nobody asked.
            return
        try:
            self._reader.feed(data)
        except (AnswerUnreadableError, AnswerTooLargeError) as error:
            self._end(error)
            return
        if self._reader.is_complete:
            self._end()
        elif self._reader.status is not None and self._grace is None:
            self._grace = self._loop.call_later(BODY_SECONDS, self._end)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        # Whatever ended it, the request may have been read.
        lost = ConnectionResetError()
        lost.__cause__ = error
        self._end(lost)

    def _end(self, trouble: Exception | None = None) -> None:
        """A status that counts already counts more than the trouble with what comes after it."""
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        if trouble is not None or not (self._reader.is_complete and self._reader.is_lasting):
            self.close()
        answered, self._answered = self._answered, None
        if answered is None or answered.done():
            return
        if self._reader.status is not None:
            answered.set_result(Answer(self._reader.status, self._reader.retry_after, self._reader.reason))
        elif trouble is not None:
            answered.set_exception(trouble)
