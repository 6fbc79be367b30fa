"""What a receiver must show before it gets alerts: the three probes, and what they must come to. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never

import orjson

from schemas.endpoint_test import TEST_TYPE
from services.notify.bodies import SOURCE

MOST_REASON: Final = 200
_REFUSED: Final = range(400, 500)
_TAKEN: Final = range(200, 300)
_REMEDIES: Final = {
    "https_required": "give an https address: webhooks go over TLS",
    "EgressRefusedError": (
        "webhooks do not go to this address: give a public one, or have the operator allow its network "
        "(TOCSIN_NOTIFY_ALLOW_CIDRS)"
    ),
}
"""By what kept a probe from being answered."""


class Probe(StrEnum):
    """What is sent."""

    UNSIGNED = "unsigned"
    WRONGLY_SIGNED = "wrongly_signed"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a receiver answered: its status and reason, or a word of ours where there was no answer."""

    probe: Probe
    status_code: int | None
    reason: str
    detail: str | None

    @property
    def has_passed(self) -> bool:
        if self.status_code is None:
            return False
        return self.status_code in (_TAKEN if self.probe is Probe.SIGNED else _REFUSED)

    @property
    def answer(self) -> str:
        return f"answered {self.status_code} {self.reason}".rstrip()


def read_reason(raw: bytes) -> str:
    """The phrase beside a status, short and fit to be printed."""
    text = raw[:MOST_REASON].decode("ascii", "replace")
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def advise(result: ProbeResult) -> str:
    """What to do about a probe whose answer did not pass."""
    match result.probe:
        case Probe.UNSIGNED:
            return f"the unsigned probe: {result.answer}; refuse what carries no valid signature with 401"
        case Probe.WRONGLY_SIGNED:
            return (
                f"the probe signed with another secret: {result.answer}; verify the signature over the bytes "
                "as they came, and refuse with 401"
            )
        case Probe.SIGNED:
            return (
                f"the signed test message: {result.answer}; verify it with this endpoint's secret and answer "
                "204 once it is stored"
            )
        case _:
            assert_never(result.probe)


def advise_to_answer(detail: str | None) -> str:
    """What to do about a receiver that did not answer."""
    remedy = _REMEDIES.get(
        detail or "", "see that notify reaches it: its name, its port, its certificate, within the time-out"
    )
    return f"no answer ({detail}); {remedy}"


def list_advice(results: Sequence[ProbeResult]) -> list[str]:
    """Of what stood in the way of an answer once, however many probes it met."""
    troubles = dict.fromkeys(result.detail for result in results if result.status_code is None)
    answered = [result for result in results if result.status_code is not None and not result.has_passed]
    return [*map(advise_to_answer, troubles), *map(advise, answered)]


def build_test(*, webhook_id: str, agency: str, endpoint_id: str, at: datetime) -> bytes:
    """The CloudEvent of every probe: nothing but that it is a test."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": webhook_id,
            "source": SOURCE,
            "type": TEST_TYPE,
            "time": at,
            "datacontenttype": "application/json",
            "data": {"agency": agency, "endpoint_id": endpoint_id},
        },
        option=orjson.OPT_UTC_Z,
    )
