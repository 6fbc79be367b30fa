"""Somebody took responsibility: what the case knows of it, so that nobody else is called."""

from collections.abc import Sequence

from schemas.receipt import Acknowledged
from services.routing.case_state import EventKey
from services.routing.handlers.case_keys import find_case_keys
from services.routing.handlers.case_states import CaseBook, CaseMemory
from services.routing.history import acknowledge
from services.routing.repository.batch import BatchRepository
from services.routing.repository.follow_ups import FollowUpRepository
from services.routing.repository.rows import ToldAlert
from services.runtime.crypto import SealError
from services.runtime.keyring import CaseKey, Keyring
from services.runtime.logs import get_logger

log = get_logger()


class Acknowledgements:
    """Stops the ladders of what an agency acknowledged, in the transaction of the receipts that say so."""

    def __init__(self, keyring: Keyring, case_memory: CaseMemory) -> None:
        self._keyring = keyring
        self._case_memory = case_memory

    async def apply(
        self,
        repository: BatchRepository,
        follow_ups: FollowUpRepository,
        acknowledged: Sequence[Acknowledged],
    ) -> None:
        """In the order of the receipts, with the rows of their cases locked."""
        if not acknowledged:
            return
        known = await follow_ups.find_told_alerts({receipt.alert_id for receipt in acknowledged})
        told = [known[receipt.alert_id] for receipt in acknowledged if receipt.alert_id in known]
        keys = await find_case_keys(self._keyring, {alert.key_id for alert in told})
        cases = CaseBook(await repository.lock_cases({alert.case_ref for alert in told}), self._case_memory)
        stopped = [alert.alert_id for alert in told if _acknowledge(cases, keys.get(alert.key_id), alert)]
        await repository.update_case_states(cases.seal_changes())
        await follow_ups.delete_ladders(stopped)


def _acknowledge(cases: CaseBook, key: CaseKey | None, alert: ToldAlert) -> bool:
    """Whether it stopped a ladder; a case whose key is gone has none that could climb."""
    if key is None:
        return False
    try:
        case = cases.open(alert.case_ref, key)
    except SealError as error:
        # The ladder that goes on says so, too: it cannot be opened either.
        log.error("acknowledgement.not_applied", alert_id=str(alert.alert_id), exc_info=error)
        return False
    after = acknowledge(case, alert.agency, EventKey(alert.source, alert.event_id))
    cases.keep(alert.case_ref, key, after)
    return after is not case
