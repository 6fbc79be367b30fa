"""Webhooks over HTTP: one try, no redirect, and no address that the operator does not allow."""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from services.notify.bodies import CONTENT_TYPE
from services.notify.channels.connection import Answer, AnswerTooLargeError, AnswerUnreadableError
from services.notify.channels.posting import HttpClient, open_http_client, read_target
from services.notify.delivery import Attempt, Channel, Trouble, judge_status, judge_trouble
from services.notify.egress import Egress, EgressRefusedError
from services.notify.signing import Key, sign
from services.runtime.clock import Clock
from services.runtime.faults import error_type

# ValueError: what no request can be made of.
TROUBLES: Final = (OSError, ValueError, AnswerTooLargeError, AnswerUnreadableError)
LONGEST_RETRY_AFTER: Final = timedelta(days=1)

_HEAD: Final = (
    f"content-type: {CONTENT_TYPE}\r\nuser-agent: Tocsin\r\naccept: */*\r\naccept-encoding: identity\r\n"
)


class WebhookChannel:
    """Signs a body and posts it. Whatever the receiver does comes back as an Attempt."""

    def __init__(self, client: HttpClient, egress: Egress, *, clock: Clock) -> None:
        self._client = client
        self._egress = egress
        self._clock = clock

    async def send(self, url: str, keys: Sequence[Key], *, webhook_id: str, body: bytes) -> Attempt:
        if not self._egress.permits_scheme(url):
            return judge_trouble(Trouble.FORBIDDEN, "https_required")
        signed = sign(keys, webhook_id=webhook_id, at=self._clock.now(), body=body)
        headers = "".join([f"{name}: {value}\r\n" for name, value in signed.items()])
        try:
            answer = await self._client.post(read_target(url, _HEAD), headers=headers.encode(), body=body)
        except TROUBLES as error:
            return judge_trouble(_classify(error), error_type(error).removeprefix("services."))
        return _judge(answer)


def _classify(error: Exception) -> Trouble:
    match error:
        case EgressRefusedError():
            return Trouble.FORBIDDEN
        case ssl.SSLError():
            return Trouble.UNTRUSTED
        case TimeoutError() | ConnectionResetError() | ConnectionAbortedError() | BrokenPipeError():
            return Trouble.UNANSWERED
        case AnswerTooLargeError() | AnswerUnreadableError():
            return Trouble.GARBLED
        case OSError():
            return Trouble.UNREACHED
        case _:
            # No URL, or a name that cannot be looked up as it is written.
            return Trouble.UNUSABLE


@asynccontextmanager
async def open_webhook_channel(
    egress: Egress, *, patience: timedelta, clock: Clock, tls: ssl.SSLContext | None = None
) -> AsyncIterator[WebhookChannel]:
    """Without `tls` receivers are trusted whose certificates the system trusts."""
    async with open_http_client(egress, patience=patience, clock=clock, tls=tls) as client:
        yield WebhookChannel(client, egress, clock=clock)


def _judge(answer: Answer) -> Attempt:
    outcome = judge_status(Channel.WEBHOOK, answer.status)
    return Attempt(outcome, status_code=answer.status, retry_after=_parse_retry_after(answer.retry_after))


def _parse_retry_after(value: bytes | None) -> timedelta | None:
    """The seconds of a Retry-After; a date in it is passed over, for the receiver's clock may be any."""
    if value is None or not value.isdigit() or len(value) > len("86400000"):
        return None
    return min(timedelta(seconds=int(value)), LONGEST_RETRY_AFTER)
