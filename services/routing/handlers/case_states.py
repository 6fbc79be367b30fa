"""The cases' states between their events, sealed under each case's key."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from services.routing.case_state import CaseState, read_case_state, write_case_state
from services.routing.consents import find_known_age
from services.runtime.crypto import SealError
from services.runtime.keyring import CaseKey

STATES_IN_MEMORY: Final = 300
"""Some ten kilobytes each: what goes on, goes on within a second or two."""


@dataclass(slots=True)
class _OpenCase:
    key: CaseKey
    first: CaseState
    state: CaseState

    @property
    def is_changed(self) -> bool:
        return self.state is not self.first


class CaseMemory:
    """The states that were sealed here last, so that a case that goes on need not be read again.

    Found by their sealed bytes, of which no two are the same: what another process stored, or what a
    transaction that failed did not, is not mistaken for ours.
    """

    def __init__(self, *, size: int = STATES_IN_MEMORY) -> None:
        self._size = size
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def open(self, case_ref: str, sealed: bytes | None, key: CaseKey) -> CaseState:
        """Raises SealError."""
        kept = self._kept.get(case_ref)
        if kept is not None and (kept.sealed, kept.key_id) == (sealed, key.key_id):
            return kept.state
        return open_case_state(sealed, key=key, case_ref=case_ref)

    def seal(self, case_ref: str, state: CaseState, key: CaseKey) -> bytes:
        """What is to be stored."""
        sealed = seal_case_state(state, key=key, case_ref=case_ref)
        self._kept[case_ref] = _Kept(sealed, key.key_id, state)
        self._kept.move_to_end(case_ref)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return sealed


class _Kept(NamedTuple):
    sealed: bytes
    key_id: UUID
    state: CaseState


class UnsettledCase(NamedTuple):
    """A case in which somebody may be told less than before."""

    case_ref: str
    key: CaseKey
    state: CaseState


class CaseBook:
    """The states of one batch's cases, whose rows are locked: each opened once and sealed once.

    What is kept of one record is what the next record of the case finds.
    """

    def __init__(self, sealed: Mapping[str, bytes | None], memory: "CaseMemory") -> None:
        self._sealed = sealed
        self._memory = memory
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
        """Cases whose conflicts or consents changed, or who may consent for the person, and these.

        What is on its way there may be told otherwise.
        """
        return [
            UnsettledCase(case_ref, case.key, case.state)
            for case_ref, case in self._open.items()
            if case_ref in corrected
            or case.state.conflicts != case.first.conflicts
            or case.state.consents != case.first.consents
            or (case.state.consents and find_known_age(case.state) != find_known_age(case.first))
        ]

    def seal_changes(self) -> dict[str, bytes]:
        """What is to be stored, by case reference."""
        return {
            case_ref: self._memory.seal(case_ref, case.state, case.key)
            for case_ref, case in self._open.items()
            if case.is_changed
        }

    def _find(self, case_ref: str, key: CaseKey) -> _OpenCase:
        case = self._open.get(case_ref)
        if case is None:
            state = self._memory.open(case_ref, self._sealed.get(case_ref), key)
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
