"""The decision: one event in, every alert, duty and refusal out. Pure: no I/O, no clock."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.case_event import CaseEvent, FieldError
from schemas.vocabulary import AgencyId, CountyFips, Group
from services.routing.decision import CaseState, Decision, Directory
from services.routing.rules import PackSet


def decide(
    event: CaseEvent, case: CaseState, directory: Directory, packs: PackSet, now: datetime
) -> Decision:
    """Conclude from one event who is told what, and why not.

    Total for every event that parses. An event that corrects, retracts or names a conflict is quarantined,
    because those are not honoured yet; the agencies it names are in `Decision.conflicts` and told nothing.
    """
    raise NotImplementedError


def quarantine(
    *,
    county: CountyFips | None,
    named_agencies: Collection[AgencyId],
    directory: Directory,
    now: datetime,
    errors: Sequence[FieldError],
) -> Decision:
    """An event nobody may act on: its coordinators are told, but for agencies it names as conflicted."""
    raise NotImplementedError


def refuse_reused_id(
    *, county: CountyFips | None, named_agencies: Collection[AgencyId], directory: Directory, now: datetime
) -> Decision:
    """The (source, id) of an earlier event with other content: quarantined, with S-05 to the coordinators.

    `county` is that of the first event with the id (DOMAIN 6.0.1 point 26).
    """
    raise NotImplementedError


def disclosed_values(
    event: CaseEvent, raw_data: Mapping[str, Any], groups: frozenset[Group], *, now: datetime
) -> dict[Group, Any]:
    """The values of the disclosed groups as they were sent; `age` is derived: `{band, presumed_minor}`."""
    raise NotImplementedError
