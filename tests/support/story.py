"""Case events for the sample task force, told as of now; the scenario file says who must hear what."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import orjson

CaseEvent = dict[str, Any]

POLICE = "urn:tocsin:agency:ag-bpd:cms"
CHILD_WELFARE, ADVOCATE, COORDINATOR = "ag-kern-cw", "ag-kern-vsp", "ag-kern-tfc"

SCENARIO = Path(__file__).parents[1] / "scenarios" / "S02.json"

_SERIAL = count(1)


@dataclass(frozen=True, slots=True)
class Expected:
    """A row of the scenario: what one agency is told, and what is kept from it."""

    agency: str
    role: str
    rules: frozenset[str]
    urgency: str
    time_to_acknowledge: timedelta
    disclosed: frozenset[str]
    withheld: frozenset[str]


def expected_alerts() -> dict[str, Expected]:
    """By agency, as the scenario that `tocsin simulate --check` passes expects them."""
    scenario = orjson.loads(SCENARIO.read_bytes())
    return {row["agency"]: _read_row(row) for row in scenario["expected"]["alerts"]}


def found_by_police(*, name: str = "fifteen", hours_ago: float = 0.5) -> CaseEvent:
    """The scenario's event, as if it had happened this long ago to somebody who is fifteen today."""
    scenario = orjson.loads(SCENARIO.read_bytes())
    found = _now() - timedelta(hours=hours_ago)
    event: CaseEvent = scenario["steps"][0]["event"]
    serial = next(_SERIAL)
    event |= {"id": f"{name}-{serial}", "subject": f"case-{name}-{serial}", "time": found.isoformat()}
    event["data"] |= {"discovered_at": found.isoformat(), "date_of_birth": born_years_ago(15)}
    return event


def adult_found_by_police(*, name: str = "adult") -> CaseEvent:
    """Only the advocate is told (K-07): the least that a delivery needs."""
    event = found_by_police(name=name)
    event["data"] = {
        "county": event["data"]["county"],
        "age": {"band": "adult"},
        "exploitation": {"types": ["ForcedLabour"]},
        "needs": ["shelter"],
    }
    return event


def nobodys_business(like: Mapping[str, Any]) -> CaseEvent:
    """An event of the same case and source that no rule is about.

    It follows the other through the same partition: once it is decided, the other was decided before.
    """
    event = build_event("tip.triaged", {"details": {"disposition": "accepted"}}, name="after")
    return event | {"subject": like["subject"], "source": like["source"]}


def build_event(kind: str, data: Mapping[str, Any], *, name: str, source: str = POLICE) -> CaseEvent:
    """An event of this type in Kern County, now, in a case of its own."""
    serial = next(_SERIAL)
    return {
        "specversion": "1.0",
        "id": f"{name}-{serial}",
        "source": source,
        "type": f"org.tocsin.{kind}.v1",
        "subject": f"case-{name}-{serial}",
        "time": _now().isoformat(),
        "datacontenttype": "application/json",
        "data": {"county": "06029", **copy.deepcopy(dict(data))},
    }


def born_years_ago(years: int) -> str:
    """Half a year after the birthday, so that no zone makes it another age."""
    return (_now() - timedelta(days=years * 365.25 + 180)).date().isoformat()


def _read_row(row: Mapping[str, Any]) -> Expected:
    decided, by = (datetime.fromisoformat(row[key]) for key in ("at", "acknowledge_by"))
    return Expected(
        agency=row["agency"],
        role=row["role"],
        rules=frozenset(row["rules"]),
        urgency=row["urgency"],
        time_to_acknowledge=by - decided,
        disclosed=frozenset(row["disclosed"]),
        withheld=frozenset(row["withheld"]),
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
