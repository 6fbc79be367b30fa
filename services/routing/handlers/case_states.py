"""The cases' states between their events, sealed under each case's key."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from services.routing.case_state import CaseState, read_case_state, write_case_state
from services.runtime.crypto import SealError
from services.runtime.keyring import CaseKey


@dataclass(slots=True)
class _OpenCase:
    key: CaseKey
    first: CaseState
    state: CaseState

    @property
    def is_changed(self) -> bool:
        return self.state is not self.first


class UnsettledCase(NamedTuple):
    """A case in which somebody may be told less than before."""

    case_ref: str
    key: CaseKey
    state: CaseState


class CaseBook:
    """The states of one batch's cases, whose rows are locked: each opened once and sealed once.

    What is kept of one record is what the next record of the case finds.
    """

    def __init__(self, sealed: Mapping[str, bytes | None]) -> None:
        self._sealed = sealed
        self._open: dict[str, _OpenCase] = {}

    def open(self, case_ref: str, key: CaseKey) -> CaseState:
        """Raises SealError."""
        return self._find(case_ref, key).state

    def keep(self, case_ref: str, key: CaseKey, state: CaseState) -> None:
        """The case as the next record finds it. Raises SealError."""
        case = self._find(case_ref, key)
        if state is not case.state and state != case.state:
            case.state = state

    def list_unsettled(self, corrected: Collection[str]) -> list[UnsettledCase]:
        """Cases whose conflicts or consents changed, and these: what is on its way may be told otherwise."""
        return [
            UnsettledCase(case_ref, case.key, case.state)
            for case_ref, case in self._open.items()
            if case_ref in corrected
            or case.state.conflicts != case.first.conflicts
            or case.state.consents != case.first.consents
        ]

    def seal_changes(self) -> dict[str, bytes]:
        """What is to be stored, by case reference."""
        return {
            case_ref: seal_case_state(case.state, key=case.key, case_ref=case_ref)
            for case_ref, case in self._open.items()
            if case.is_changed
        }

    def _find(self, case_ref: str, key: CaseKey) -> _OpenCase:
        case = self._open.get(case_ref)
        if case is None:
            state = open_case_state(self._sealed.get(case_ref), key=key, case_ref=case_ref)
            case = self._open[case_ref] = _OpenCase(key, state, state)
        if case.key.key_id != key.key_id:
            raise SealError("the case's state is sealed with another key")
        return case


def open_case_state(sealed: bytes | None, *, key: CaseKey, case_ref: str) -> CaseState:
    """Raises SealError."""
    if sealed is None:
        return CaseState.empty()
    return read_case_state(key.cipher.open(sealed, context=_context(case_ref)))


def seal_case_state(state: CaseState, *, key: CaseKey, case_ref: str) -> bytes:
    return key.cipher.seal(write_case_state(state), context=_context(case_ref))


def _context(case_ref: str) -> tuple[str, str]:
    return ("case-state", case_ref)
