"""The register of duties for whoever watches over all of them: what is open, overdue, in doubt, closed."""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from pydantic import AwareDatetime

from schemas.base import WireModel
from schemas.duty import DutyEvidence, DutyStatus, name_channel
from schemas.sealed import evidence_seal_context
from schemas.vocabulary import AgencyId
from services.routing.handlers.identities import OPERATIONS_KEY_ID
from services.routing.repository.register import RegisteredRow, RegisterRepository
from services.runtime.crypto import SealError
from services.runtime.keyring import CaseKey, Keyring
from services.runtime.logs import get_logger

log = get_logger()

MOST_DUTIES: Final = 5000


class RegisteredEvidence(WireModel):
    """That a duty was done. Who did it and under which reference is between the agency and the law.

    `channel` and `at` are null once the data of the case was destroyed.
    """

    channel: str | None
    at: AwareDatetime | None
    recorded_at: AwareDatetime


class RegisteredDuty(WireModel):
    """One statutory clock; no holder if nobody could hold it, no `due` where the law names no hour."""

    duty_id: UUID
    source: str
    event_id: str
    case_ref: str
    rule: str
    holder: AgencyId | None
    what: str
    due: AwareDatetime | None
    status: DutyStatus
    overdue: bool
    decided_at: AwareDatetime
    evidence: RegisteredEvidence | None


class RegisteredDuties(WireModel):
    """Those asked for, the longest due first and closed ones last; `total` says if there are more."""

    duties: list[RegisteredDuty]
    total: int


class DutyRegister:
    """Reads the ledger for an operator."""

    def __init__(self, repository: RegisterRepository, keyring: Keyring, *, operations_key: CaseKey) -> None:
        self._repository = repository
        self._keyring = keyring
        self._operations_key = operations_key

    async def list_duties(
        self, *, agency: str | None, event_id: str | None, only_overdue: bool, limit: int, operator: str
    ) -> RegisteredDuties:
        """Raises one of database.TRANSIENT_ERRORS."""
        rows = await self._repository.list_duties(
            agency=agency, event_id=event_id, only_overdue=only_overdue, limit=limit, operator=operator
        )
        keys = await self._find_keys(rows)
        log.info("duties.read", operator=operator, agency=agency, event_id=event_id, found_count=len(rows))
        return RegisteredDuties(
            duties=[_describe(row, keys) for row in rows], total=rows[0].total if rows else 0
        )

    async def _find_keys(self, rows: Iterable[RegisteredRow]) -> Mapping[UUID, CaseKey | None]:
        wanted = {row.evidence_key_id for row in rows if row.evidence_key_id is not None}
        found = await self._keyring.find_keys(wanted - {OPERATIONS_KEY_ID})
        return {**found, OPERATIONS_KEY_ID: self._operations_key}


def _describe(row: RegisteredRow, keys: Mapping[UUID, CaseKey | None]) -> RegisteredDuty:
    return RegisteredDuty(
        duty_id=row.duty_id,
        source=row.source,
        event_id=row.event_id,
        case_ref=row.case_ref,
        rule=row.rule,
        holder=row.holder,
        what=row.what,
        due=row.due,
        status=DutyStatus(row.status),
        overdue=row.is_overdue,
        decided_at=row.decided_at,
        evidence=_describe_evidence(row, keys),
    )


def _describe_evidence(row: RegisteredRow, keys: Mapping[UUID, CaseKey | None]) -> RegisteredEvidence | None:
    if row.evidence_key_id is None or row.evidence_sealed is None or row.closed_at is None:
        return None
    opened = _open(row, row.evidence_sealed, keys.get(row.evidence_key_id))
    return RegisteredEvidence(
        channel=None if opened is None else name_channel(opened.channel),
        at=None if opened is None else opened.at,
        recorded_at=row.closed_at,
    )


def _open(row: RegisteredRow, sealed: bytes, key: CaseKey | None) -> DutyEvidence | None:
    if key is None:
        return None
    context = evidence_seal_context(duty_id=str(row.duty_id), agency=row.holder or "")
    try:
        return DutyEvidence.model_validate_json(key.cipher.open(sealed, context=context))
    except SealError:
        return None
