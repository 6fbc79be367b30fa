"""What ends when a person answers an alert: the wait for an answer, and what was still to be sent."""

from typing import Final, Literal
from uuid import UUID

from services.notify.delivery import DeliveryState
from services.runtime.database import Connection

Answered = Literal[DeliveryState.ACKNOWLEDGED, DeliveryState.DECLINED]


async def end_waiting(acquired: Connection, alert_id: UUID, *, state: Answered) -> None:
    """Within the transaction of the answer."""
    await acquired.execute(_AWAIT_NO_MORE, alert_id)
    await acquired.execute(_END_DELIVERIES, alert_id, state)


# Waits for whoever is reporting it late at this moment: then the report stands before this receipt.
_AWAIT_NO_MORE: Final = """
DELETE FROM notify.awaited w USING notify.alert a
WHERE a.alert_id = $1 AND w.acknowledge_by = a.acknowledge_by AND w.alert_id = a.alert_id
"""
_END_DELIVERIES: Final = """
UPDATE notify.delivery SET state = $2, due_at = NULL, leased_by = NULL
WHERE alert_id = $1 AND state = 'pending'
"""
