"""Why a record is refused, and when there are so many that the fault must be ours."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

IN_A_ROW: Final = 5
WINDOW: Final = 100
IN_WINDOW: Final = 10


class QuarantineReason(StrEnum):
    """Why nobody may act on a record."""

    NOT_AN_ENVELOPE = "not_an_envelope"
    KEY_MISSING = "key_missing"
    NOT_OPENED = "not_opened"
    NOT_PARSED = "not_parsed"
    CASE_NOT_OPENED = "case_not_opened"
    DECIDE_FAILED = "decide_failed"
    ID_REUSED = "id_reused"
    NOT_ACCEPTED = "not_accepted"
    NOT_A_RECEIPT = "not_a_receipt"

    @property
    def is_fault(self) -> bool:
        """Whether many of them in a row mean that our deployment is wrong, and not the data."""
        return self not in {QuarantineReason.ID_REUSED, QuarantineReason.NOT_ACCEPTED}


@dataclass(frozen=True, slots=True)
class QuarantineWindow:
    """Whether each of the last hundred records was one that could not be decided, newest last.

    Empty as long as none was.
    """

    recent: tuple[bool, ...] = ()

    def add(self, *, is_fault: bool) -> "QuarantineWindow":
        if not is_fault and not self.recent:
            return self
        recent = (*self.recent, is_fault)[-WINDOW:]
        return QuarantineWindow(recent if any(recent) else ())

    @property
    def fault_count(self) -> int:
        return sum(self.recent)

    @property
    def is_full(self) -> bool:
        """Five in a row, or a tenth of the last hundred."""
        in_a_row = len(self.recent) >= IN_A_ROW and all(self.recent[-IN_A_ROW:])
        return in_a_row or self.fault_count >= IN_WINDOW
