"""The published mix: what the load sends, and who must therefore be told.

Of ten events three are a child found by police (child welfare and the advocate are alerted, and the
police get notice of their own 36-hour duty), four an adult recovered (advocate and hospital), three a
labor complaint (the state and the federal labor agency). Every event alerts two agencies; three in ten
carry a duty.
"""

import base64
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

EVENTS_PER_CASE: Final = 4
_COUNTY: Final = "06029"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of event: its type, its data, and the agencies that must get an alert and a duty notice."""

    type: str
    data: Mapping[str, Any]
    alerted: tuple[str, ...]
    noticed: tuple[str, ...] = ()


_PERSON: Final = {
    "name": {"full": "Bench Person", "aliases": ["B"]},
    "gender": "Feminine",
    "language": {"tag": "es-MX", "interpreter_needed": True},
    "needs": ["shelter", "interpreter"],
    "safety": {"risk": "high", "indicators": ["threats"]},
}
_SEX: Final = {"types": ["SexualExploitation"], "trafficking_status": "PossibleVictimOfTrafficking"}
CHILD: Final = Kind(
    "org.tocsin.victim.potential_identified.v1",
    _PERSON
    | {
        "county": _COUNTY,
        "exploitation": _SEX,
        "date_of_birth": "2012-09-14",
        "location": {"address": "1 Bench Street"},
        "narrative": {"text": "A narrative of the usual length. " * 12},
        "suspect": {"name": "Bench Suspect", "vehicle": "white van"},
    },
    alerted=("ag-kern-cw", "ag-kern-vsp"),
    noticed=("ag-bpd",),
)
ADULT: Final = Kind(
    "org.tocsin.victim.recovered.v1",
    _PERSON | {"county": _COUNTY, "exploitation": _SEX, "date_of_birth": "1994-02-01"},
    alerted=("ag-kern-sart", "ag-kern-vsp"),
)
LABOR: Final = Kind(
    "org.tocsin.labor.complaint_received.v1",
    {
        "county": _COUNTY,
        "exploitation": {"types": ["ForcedLabour"]},
        "age": {"band": "adult"},
        "language": {"tag": "mxb", "interpreter_needed": True},
        "employer": {"name": "Bench Farms", "worksite": "Field 7", "industry": "A_Agriculture"},
        "narrative": {"text": "Wages withheld, documents kept. " * 6},
    },
    alerted=("ag-ca-clc", "ag-us-whd"),
)
MIX: Final = (CHILD, ADULT, LABOR, ADULT, CHILD, LABOR, ADULT, CHILD, LABOR, ADULT)
SOURCE: Final = "urn:tocsin:agency:ag-bpd:bench"
RECEIVERS: Final = tuple(sorted({agency for kind in MIX for agency in (*kind.alerted, *kind.noticed)}))


@dataclass(frozen=True, slots=True)
class LoadEvent:
    """One event ready to send."""

    id: str
    body: bytes
    expected: tuple[str, ...]
    """`<event id>/<agency>/<CloudEvent type>`, one for each webhook that must arrive."""


def build_events(count: int, *, run: str, mix: Sequence[Kind] = MIX) -> Iterator[LoadEvent]:
    """Yield `count` events of the mix, four to a case."""
    now = datetime.now(UTC).isoformat()
    for index in range(count):
        kind = mix[index % len(mix)]
        event_id = f"{run}-{index}"
        event = {
            "specversion": "1.0",
            "id": event_id,
            "source": SOURCE,
            "type": kind.type,
            "subject": f"{run}-C{index // EVENTS_PER_CASE}",
            "time": now,
            "datacontenttype": "application/json",
            "data": kind.data,
        }
        alerts = [f"{event_id}/{agency}/org.tocsin.alert.v1" for agency in kind.alerted]
        notices = [f"{event_id}/{agency}/org.tocsin.duty.v1" for agency in kind.noticed]
        yield LoadEvent(event_id, orjson.dumps(event), tuple(alerts + notices))


def build_directory(*, port: int, mail: bool) -> tuple[dict[str, Any], str, dict[str, str]]:
    """Return a directory file over the sample, the emitter's key and each receiver's webhook secret.

    The parts are measured apart: with `mail` the agencies have a contact and no endpoint, else the reverse.
    """
    hooks = {agency: "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode() for agency in RECEIVERS}
    key = "tcs_" + secrets.token_urlsafe(32)
    agencies = [
        {
            "id": agency,
            "contacts": [{"rung": "primary", "email": f"duty@{agency}.example"}] if mail else [],
            "endpoints": []
            if mail
            else [{"url": f"http://127.0.0.1:{port}/{agency}", "secret": hook, "content": "disclosed"}],
        }
        for agency, hook in hooks.items()
    ]
    directory = {
        "extends": "sample",
        "agencies": agencies,
        "sources": [{"source": SOURCE, "key": key, "types": ["*"]}],
    }
    return directory, key, hooks
