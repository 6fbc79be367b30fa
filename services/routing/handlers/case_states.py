"""The case's state between its events, sealed under the case's key."""

from services.routing.case_state import CaseState, read_case_state, write_case_state
from services.routing.decision import Decision
from services.runtime.keyring import CaseKey


def open_case_state(sealed: bytes | None, *, key: CaseKey, case_ref: str) -> CaseState:
    """Raises SealError."""
    if sealed is None:
        return CaseState.empty()
    return read_case_state(key.cipher.open(sealed, context=_context(case_ref)))


def seal_case_state(state: CaseState, *, key: CaseKey, case_ref: str) -> bytes:
    return key.cipher.seal(write_case_state(state), context=_context(case_ref))


def next_case_state(state: CaseState, decision: Decision) -> CaseState:
    """A conflict lasts for the life of the case."""
    if decision.conflicts <= state.conflicts:
        return state
    return CaseState(conflicts=state.conflicts | decision.conflicts)


def _context(case_ref: str) -> tuple[str, str]:
    return ("case-state", case_ref)
