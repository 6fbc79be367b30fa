"""Trying a receiver that is not in the directory yet: unsigned, wrongly signed, signed."""

from datetime import datetime

from services.notify.bodies import CONTENT_TYPE
from services.notify.channels.posting import HttpClient, read_target
from services.notify.channels.webhook import TROUBLES
from services.notify.egress import Egress
from services.notify.onboarding import Probe, ProbeResult, read_reason
from services.notify.signing import SIGNATURE_HEADER, parse_secret, sign
from services.runtime.clock import Clock
from services.runtime.crypto import new_webhook_secret
from services.runtime.faults import error_type

_HEAD = f"content-type: {CONTENT_TYPE}\r\nuser-agent: Tocsin\r\naccept: */*\r\naccept-encoding: identity\r\n"


class ProbeChannel:
    """Posts to where webhooks may go, and to nowhere else.

    Nothing of an answer's body is kept: whoever may have an endpoint tried must not read with it what is
    inside our network.
    """

    def __init__(self, client: HttpClient, egress: Egress, *, clock: Clock) -> None:
        self._client = client
        self._egress = egress
        self._clock = clock

    async def probe(
        self, probe: Probe, url: str, *, secret: str, webhook_id: str, body: bytes
    ) -> ProbeResult:
        if not self._egress.permits_scheme(url):
            return ProbeResult(probe, None, "", "https_required")
        headers = _sign(probe, secret, webhook_id=webhook_id, at=self._clock.now(), body=body)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        try:
            answer = await self._client.post(read_target(url, _HEAD), headers=lines.encode(), body=body)
        except TROUBLES as error:
            return ProbeResult(probe, None, "", error_type(error).removeprefix("services."))
        return ProbeResult(probe, answer.status, read_reason(answer.reason), None)


def _sign(probe: Probe, secret: str, *, webhook_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """A wrong one differs in nothing but its key."""
    given = new_webhook_secret() if probe is Probe.WRONGLY_SIGNED else secret
    headers = sign([parse_secret(given)], webhook_id=webhook_id, at=at, body=body)
    if probe is Probe.UNSIGNED:
        del headers[SIGNATURE_HEADER]
    return headers
