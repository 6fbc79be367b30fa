"""Events, directories, packs and decisions for tests, each in one call."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson

from schemas.case_event import CaseEvent, parse_case_event
from schemas.directory import AgencyProfile
from schemas.pack import ProtocolPack
from services.devstack.directory import load_sample
from services.routing.case_state import CaseState
from services.routing.decide import decide
from services.routing.decision import Decision, Directory, PlannedAlert, RuleConsidered
from services.routing.packs import load_packs
from services.routing.rules import PackSet, PackVersion

KERN, FRESNO, KINGS = "06029", "06019", "06031"
NOW = datetime(2026, 3, 3, 17, 0, tzinfo=UTC)
CSE: Mapping[str, Any] = {"exploitation": {"types": ["SexualExploitation"]}}
CHILD: Mapping[str, Any] = {"date_of_birth": "2011-05-05"}
ADULT: Mapping[str, Any] = {"date_of_birth": "1999-05-05"}
NAME: Mapping[str, Any] = {"name": {"full": "Sample Person"}}
RULE: Mapping[str, Any] = {
    "id": "T-01",
    "title": "A rule of a test",
    "on": ["tip.received"],
    "notify": [{"role": "LEA_LEAD"}],
    "urgency": "urgent",
    "basis": "agreement",
    "consent": "none",
    "disclose": ["name", "narrative"],
    "authority": ["a test"],
}


def build_event(
    event_type: str,
    agency: str = "ag-bpd",
    *,
    county: str = KERN,
    event_id: str = "e1",
    **data: Any,  # noqa: ANN401 - any JSON, judged by the schema
) -> CaseEvent:
    """An event as intake would accept it."""
    document = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"urn:tocsin:agency:{agency}:cms",
        "type": f"org.tocsin.{event_type}.v1",
        "subject": "C1",
        "time": "2026-03-03T08:00:00-08:00",
        "data": {"county": county, **data},
    }
    return parse_case_event(orjson.dumps(document))


def build_directory(changes: Mapping[str, Mapping[str, Any]] | None = None) -> Directory:
    """The sample directory with some agencies changed, or more of them."""
    agencies = {agency: dict(profile) for agency, profile in _sample_profiles().items()}
    for agency, change in (changes or {}).items():
        agencies.setdefault(agency, {"id": agency, "name": "An agency of a test"}).update(change)
    return Directory([AgencyProfile.model_validate(entry) for entry in agencies.values()])


@cache
def _sample_profiles() -> Mapping[str, Mapping[str, Any]]:
    raw: Any = load_sample()["agencies"]
    fields = AgencyProfile.model_fields.keys()
    return {entry["id"]: {key: entry[key] for key in entry.keys() & fields} for entry in raw}


@cache
def shipped_packs() -> PackSet:
    return load_packs()


def build_packs(*rules: Mapping[str, Any], **pack: object) -> PackSet:
    """One pack, in force since 2026, of rules like RULE but for what they say."""
    document: dict[str, Any] = {
        "pack": "a-test",
        "version": "1.0.0",
        "title": "A pack of a test",
        "notice": "Sample, not legal advice.",
        "in_force_from": "2026-01-01T00:00:00-08:00",
        "rules": [{**RULE, **rule} for rule in rules],
        **pack,
    }
    return PackSet([PackVersion(ProtocolPack.model_validate_json(orjson.dumps(document)))])


def decide_event(
    event: CaseEvent,
    *,
    directory: Directory | None = None,
    packs: PackSet | None = None,
    now: datetime = NOW,
    conflicts: Sequence[str] = (),
) -> Decision:
    """Decide with the sample directory and the shipped packs unless told otherwise."""
    case = CaseState(conflicts=frozenset(conflicts))
    return decide(event, case, directory or build_directory(), packs or shipped_packs(), now)


def row_of(decision: Decision, agency: str) -> PlannedAlert:
    """The agency's only row."""
    (row,) = [row for row in decision.alerts if row.agency == agency]
    return row


def told(decision: Decision) -> dict[str, tuple[str, ...]]:
    """Who is told, by which rules."""
    return {row.agency: row.rules for row in decision.alerts}


def considered(decision: Decision, rule: str) -> RuleConsidered:
    """The only word on a rule."""
    (only,) = [entry for entry in decision.considered if entry.rule == rule]
    return only
