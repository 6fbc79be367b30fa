"""What people answered: who took responsibility, so that nobody else is called; who must not be told more."""

from collections.abc import Sequence
from typing import TypeAlias

from schemas.receipt import Acknowledged, ReceiptKind, Refused
from services.routing.case_state import CaseState, EventKey
from services.routing.handlers.case_keys import find_case_keys
from services.routing.handlers.case_states import CaseBook, CaseMemory
from services.routing.history import acknowledge, decline
from services.routing.repository.batch import BatchRepository
from services.routing.repository.follow_ups import FollowUpRepository
from services.routing.repository.rows import ToldAlert
from services.runtime.crypto import SealError
from services.runtime.keyring import CaseKey, Keyring
from services.runtime.logs import get_logger

log = get_logger()


Answer: TypeAlias = Acknowledged | Refused


class Answers:
    """What cases know of answers, in the transaction of the receipts that say so.

    An acknowledgement stops ladders. Of refusals those for a conflict of interest are given.
    """

    def __init__(self, keyring: Keyring, case_memory: CaseMemory) -> None:
        self._keyring = keyring
        self._case_memory = case_memory

    async def apply(
        self,
        repository: BatchRepository,
        follow_ups: FollowUpRepository,
        answers: Sequence[Answer],
    ) -> None:
        """In the order of the receipts, with the rows of their cases locked."""
        if not answers:
            return
        known = await follow_ups.find_told_alerts({answer.alert_id for answer in answers})
        told = [(answer, known[answer.alert_id]) for answer in answers if answer.alert_id in known]
        keys = await find_case_keys(self._keyring, {alert.key_id for _, alert in told})
        states = await repository.lock_cases({alert.case_ref for _, alert in told})
        cases = CaseBook(states, self._case_memory)
        stopped = [
            alert.alert_id
            for answer, alert in told
            if _apply(answer, cases, keys.get(alert.key_id), alert)
            and answer.kind is ReceiptKind.ACKNOWLEDGED
        ]
        await repository.update_case_states(cases.seal_changes())
        await follow_ups.delete_ladders(stopped)


def _apply(answer: Answer, cases: CaseBook, key: CaseKey | None, alert: ToldAlert) -> bool:
    """Whether it changed anything; a case whose key is gone has no ladder that could climb."""
    if key is None:
        return False
    try:
        case = cases.open(alert.case_ref, key)
    except SealError as error:
        # The ladder that goes on says so, too: it cannot be opened either.
        log.error("answer.not_applied", alert_id=str(alert.alert_id), kind=answer.kind.value, exc_info=error)
        return False
    after = _find_after(answer, case, alert)
    cases.keep(alert.case_ref, key, after)
    return after is not case


def _find_after(answer: Answer, case: CaseState, alert: ToldAlert) -> CaseState:
    key = EventKey(alert.source, alert.event_id)
    if answer.kind is ReceiptKind.ACKNOWLEDGED:
        return acknowledge(case, alert.agency, key)
    return decline(case, alert.agency, key)
