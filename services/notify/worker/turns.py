"""Whose turn it is on a path: an update or a cancel comes after its alert there, or in its place."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from schemas.vocabulary import Rung
from services.notify.bodies import Content
from services.notify.contents import Contents, ContentUnreadableError
from services.notify.ladder import find_ending
from services.notify.repository.alerts import AlertRepository
from services.notify.repository.deliveries import DeliveryRepository
from services.notify.repository.ladders import LadderRepository
from services.notify.repository.rows import Due
from services.notify.succession import Turn, find_replaced, is_cancel, judge_turn
from services.runtime.clock import Clock
from services.runtime.logs import get_logger

log = get_logger()

WAIT: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Raises one of database.TRANSIENT_ERRORS when PostgreSQL is away."""

    alerts: AlertRepository
    deliveries: DeliveryRepository
    ladders: LadderRepository
    contents: Contents
    clock: Clock
    new_id: Callable[[], UUID]

    async def may_go(self, due: Due, content: Content) -> bool:
        """Whether to attempt it now. If not, its delivery is put off or ended, and that is all.

        What it takes the place of on its path is superseded first, so that it cannot follow it. A cancel is
        told to whoever was told the alert, the backup too.
        """
        replaced = await self._list_replaced(content)
        if not replaced:
            return True
        told = [*replaced, *await self.alerts.list_rungs(replaced)]
        now = self.clock.now()
        earlier = await self.deliveries.supersede_earlier(told, due.path, now=now)
        if is_cancel(content):
            letters = {rung.value: self.new_id() for rung in Rung}
            await self.deliveries.add_letters(due, told, letters=letters, now=now)
        turn = judge_turn(content, earlier)
        if turn is Turn.WAIT:
            await self.deliveries.put_off(due, until=now + WAIT)
        elif turn is Turn.SILENCE:
            await self.deliveries.end_in_silence(due)
        if turn is not Turn.GO:
            log.info("delivery.held", **_name(due), turn=turn.value)
        return turn is Turn.GO

    async def is_needed(self, due: Due) -> bool:
        """Whether its alert must still be told here. If not, its delivery is ended, and that is all.

        Asked before each attempt at a rung, and each but the first at an alert that has one: whatever ended
        it, and whenever, is seen then.
        """
        ending = find_ending(await self.ladders.get_facts(due))
        if ending is not None:
            await self.deliveries.end_in_silence(due, state=ending)
            log.info("delivery.spared", **_name(due), state=ending.value)
        return ending is None

    async def withhold(self, due: Due) -> None:
        """An exercise that its path does not want: no dead letter, for nothing is wrong with it."""
        await self.deliveries.end_in_silence(due)
        log.info("exercise.withheld", **_name(due))

    async def _list_replaced(self, content: Content) -> list[UUID]:
        """The alert it is about, the one which that was about, and so on."""
        chain: list[UUID] = []
        replaced = find_replaced(content)
        while replaced is not None and replaced not in chain:
            chain.append(replaced)
            replaced = await self._find_replaced_by(replaced)
        return chain

    async def _find_replaced_by(self, alert_id: UUID) -> UUID | None:
        record = await self.alerts.find_latest(alert_id)
        if record is None:
            return None
        try:
            return find_replaced(await self.contents.read(record))
        except ContentUnreadableError:
            return None


def _name(due: Due) -> dict[str, object]:
    return {
        "delivery_id": due.delivery_id,
        "alert_id": due.record.alert_id,
        "agency": due.record.agency,
        "channel": due.path.channel.value,
        "endpoint_id": due.path.target,
        "correlation_id": due.record.correlation_id,
    }
