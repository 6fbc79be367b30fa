"""A case told event by event, for tests of what a decision owes to those before it."""

from datetime import datetime, timedelta
from typing import Any

from schemas.case_event import CaseEvent
from services.routing.case_state import CaseState, EventKey, RowKey
from services.routing.decide import decide
from services.routing.decision import Decision, Directory, PlannedAlert
from services.routing.escalation import NEVER_AGAIN, Climb, Realert, next_rung
from services.routing.history import acknowledge, decline, remember
from services.routing.rules import PackSet
from tests.unit.routing.building import NOW, build_directory, build_event, shipped_packs


class Story:
    """One case, from its first event on. Its clock stands still unless it is told."""

    def __init__(self, *, directory: Directory | None = None, packs: PackSet | None = None) -> None:
        self.directory = directory or build_directory()
        self.packs = packs or shipped_packs()
        self.now: datetime = NOW
        self.case = CaseState.empty()
        self.count = 0

    def wait(self, **length: float) -> None:
        self.now += timedelta(**length)

    def tell(
        self,
        event_type: str,
        agency: str = "ag-kern-so",
        event_id: str | None = None,
        **data: Any,  # noqa: ANN401 - any JSON, judged by the schema
    ) -> Decision:
        """An event arrives; ids are e1, e2 … unless given."""
        self.count += 1
        return self.take(build_event(event_type, agency, event_id=event_id or f"e{self.count}", **data))

    def take(self, event: CaseEvent) -> Decision:
        decision = decide(event, self.case, self.directory, self.packs, self.now)
        self.case = remember(self.case, event, decision, self.directory, now=self.now)
        return decision

    def consent(
        self,
        recipients: list[str],
        groups: list[str],
        agency: str = "ag-kern-da",
        **fields: Any,  # noqa: ANN401 - any JSON
    ) -> Decision:
        """The person consents for a year."""
        said = {
            "consent_id": "cn-1",
            "granted_by": "self",
            "recipients": recipients,
            "groups": groups,
            "to": "2027-03-01T00:00:00Z",
            **fields,
        }
        return self.tell("consent.granted", agency, consent=said)

    def revoke(self, consent_id: str = "cn-1", agency: str = "ag-kern-da") -> Decision:
        return self.tell("consent.revoked", agency, consent={"consent_id": consent_id})

    def climb(
        self,
        agency: str,
        event_id: str = "e1",
        *,
        failed: int | None = None,
        realert: Realert = NEVER_AGAIN,
    ) -> Climb:
        """The rungs due now of the agency's row of an event, or because one of them failed."""
        row = self.row(agency, event_id)
        climb = next_rung(
            row, self.case, self.directory, self.packs, self.now, failed=failed, realert=realert
        )
        self.case = climb.case
        return climb

    def row(self, agency: str, event_id: str) -> RowKey:
        for record in self.case.records():
            for row in record.rows:
                if (row.agency, row.event_id) == (agency, event_id):
                    return RowKey(record.source, event_id, agency, row.cause, row.at)
        raise LookupError((agency, event_id))

    def decline(self, agency: str, event_id: str = "e1", emitter: str = "ag-kern-coe") -> None:
        """Somebody there refuses for a conflict of interest."""
        key = EventKey(f"urn:tocsin:agency:{emitter}:cms", event_id)
        self.case = decline(self.case, agency, key)

    def acknowledge(self, agency: str, event_id: str = "e1", emitter: str = "ag-kern-so") -> None:
        key = EventKey(f"urn:tocsin:agency:{emitter}:cms", event_id)
        self.case = acknowledge(self.case, agency, key)


def rung_rows(climb: Climb) -> list[tuple[str, int]]:
    return [(row.agency, row.escalation) for row in climb.rows]


def kinds(decision: Decision) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Who is told, as what, by which rules."""
    return {row.agency: (row.kind.value, row.rules) for row in decision.alerts}


def disclosed(row: PlannedAlert) -> set[str]:
    return {group.value for group in row.disclosed}
