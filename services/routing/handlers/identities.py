"""Ids that stay the same under replay and that only a holder of the deployment key can compute."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final
from uuid import UUID

from services.routing.case_state import RULES, RowKey
from services.routing.repository.rows import Origin
from services.routing.rungs import ALTERNATE_RUNG
from services.runtime.crypto import derive_key, keyed_uuid
from services.runtime.keyring import CaseKey

OPERATIONS_KEY_ID: Final = UUID(int=0)
"""Names the key of what belongs to no readable case: derived from the deployment key, as notify does too."""

DECISION: Final = "decision"
DUTY_NOTICE: Final = "duty"
REVIEW: Final = "review"


def build_operations_key(deployment_key: bytes) -> CaseKey:
    return CaseKey(OPERATIONS_KEY_ID, derive_key(deployment_key, "operations"))


class Identities:
    """Ids of alerts, duties and our own receipts (DESIGN 2)."""

    def __init__(self, deployment_key: bytes) -> None:
        self._key = deployment_key

    def alert_id(self, *, source: str, event_id: str, agency: str, cause: str) -> UUID:
        return keyed_uuid(self._key, source, event_id, agency, cause)

    def row_alert_id(self, row: RowKey) -> UUID:
        """The alert of a row that stands in a case's state."""
        cause = decision_cause(row.cause)
        if row.parent is not None:
            cause = rung_cause(self.ladder_alert_id(row), ALTERNATE_RUNG)
        return self.alert_id(source=row.source, event_id=row.event_id, agency=row.agency, cause=cause)

    def ladder_alert_id(self, row: RowKey) -> UUID:
        """The alert whose ladder a rung of this row stands on: for an alternate's, that of its parent."""
        if row.parent is None:
            return self.row_alert_id(row)
        return self.alert_id(source=row.source, event_id=row.event_id, agency=row.parent, cause=DECISION)

    def alert_id_of_record(self, origin: Origin, *, agency: str, cause: str) -> UUID:
        """For a record that is refused without being the one decision of its (source, id)."""
        place = (origin.cluster_id, str(origin.partition), str(origin.offset))
        return keyed_uuid(self._key, "record", *place, agency, cause)

    def notice_id(self, marks: Sequence[str], *, agency: str) -> UUID:
        """Of what no event caused: the same trouble told again is the same notice."""
        return keyed_uuid(self._key, "notice", *marks, agency)

    def duty_id(self, *, source: str, event_id: str, rule: str, holder: str | None, what: str) -> UUID:
        """The same duty on several alerts is one duty, and so it is after a correction.

        `event_id` is that of the original of its chain.
        """
        return keyed_uuid(self._key, "duty", source, event_id, rule, holder or "", what)


def receipts_id(origin: Origin) -> UUID:
    """Of the receipts of the batch that ended with this record. Not keyed: it goes to nobody outside."""
    place = f"receipts/{origin.cluster_id}/{origin.partition}/{origin.offset}"
    return UUID(bytes=blake2b(place.encode(), digest_size=16).digest())


def decision_cause(row_cause: str) -> str:
    """A row that tells of a problem is another alert than the one that the rules yield."""
    return DECISION if row_cause == RULES else f"{DECISION}/{row_cause}"


def rung_cause(parent: UUID, escalation: int) -> str:
    """A rung is another alert than the one nobody acknowledged, and so is every further rung of it."""
    return f"rung/{parent}/{escalation}"
