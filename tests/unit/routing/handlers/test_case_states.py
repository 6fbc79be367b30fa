"""States of cases between their events: opened once, sealed once, and never mistaken for another's."""

from uuid import UUID

import pytest

from services.routing.case_state import CaseState
from services.routing.handlers.case_states import CaseBook, CaseMemory, open_case_state, seal_case_state
from services.runtime.crypto import SealError
from services.runtime.keyring import CaseKey

REF = "case-1"
KEY, OTHER = CaseKey(UUID(int=1), b"k" * 32), CaseKey(UUID(int=2), b"o" * 32)
CONFLICTED = CaseState(conflicts=frozenset({"ag-bpd"}))


def test_what_is_kept_is_what_the_next_record_finds_and_what_is_stored() -> None:
    book = CaseBook({REF: None}, CaseMemory())

    book.keep(REF, KEY, CONFLICTED)

    assert book.open(REF, KEY) == CONFLICTED
    sealed = book.seal_changes()[REF]
    assert open_case_state(sealed, key=KEY, case_ref=REF) == CONFLICTED


def test_a_case_in_which_nothing_changed_is_not_stored_again() -> None:
    book = CaseBook({REF: seal_case_state(CONFLICTED, key=KEY, case_ref=REF)}, CaseMemory())

    book.keep(REF, KEY, CaseState(conflicts=frozenset({"ag-bpd"})))

    assert book.seal_changes() == {}
    assert book.list_unsettled(()) == []


def test_a_case_whose_conflicts_changed_is_unsettled_and_so_is_a_corrected_one() -> None:
    book = CaseBook({REF: None, "case-2": None}, CaseMemory())
    book.open("case-2", KEY)

    book.keep(REF, KEY, CONFLICTED)

    assert [case.case_ref for case in book.list_unsettled(())] == [REF]
    assert {case.case_ref for case in book.list_unsettled({"case-2"})} == {REF, "case-2"}


def test_a_state_opens_with_its_own_key_alone() -> None:
    book = CaseBook({REF: seal_case_state(CONFLICTED, key=KEY, case_ref=REF)}, CaseMemory())
    with pytest.raises(SealError):
        book.open(REF, OTHER)
    book.open(REF, KEY)
    with pytest.raises(SealError):
        book.open(REF, OTHER)


def test_a_state_that_was_sealed_here_is_not_read_again() -> None:
    memory = CaseMemory()
    sealed = memory.seal(REF, CONFLICTED, KEY)

    assert memory.open(REF, sealed, KEY) is CONFLICTED


def test_what_another_process_stored_is_read() -> None:
    memory = CaseMemory()
    memory.seal(REF, CONFLICTED, KEY)
    theirs = seal_case_state(CaseState.empty(), key=KEY, case_ref=REF)

    assert memory.open(REF, theirs, KEY) == CaseState.empty()


def test_what_a_transaction_that_failed_would_have_stored_is_forgotten() -> None:
    memory = CaseMemory()
    memory.seal(REF, CONFLICTED, KEY)

    assert memory.open(REF, None, KEY) == CaseState.empty()


def test_only_so_many_are_kept() -> None:
    memory = CaseMemory(size=1)
    sealed = memory.seal(REF, CONFLICTED, KEY)
    memory.seal("case-2", CONFLICTED, KEY)

    assert memory.open(REF, sealed, KEY) is not CONFLICTED
