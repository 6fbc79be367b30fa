"""Publishing what the outbox has."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.topics import RECEIPTS
from services.routing.handlers.messages import to_records
from services.routing.handlers.read_back import ReadBack
from services.routing.repository.rows import OutboxMessage, OutboxRow
from services.runtime.kafka import Publisher


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Publishes messages, and notes where our own receipts went: only intake's reading strikes them off."""

    publisher: Publisher
    read_back: ReadBack

    async def send(self, messages: Sequence[OutboxMessage | OutboxRow]) -> None:
        """Returns when every in-sync replica has them. Raises what ``Publisher.publish`` does."""
        laid_out = [(message, to_records(message)) for message in messages]
        records = [record for _, each in laid_out for record in each]
        if not records:
            return
        places = iter(await self.publisher.publish(records))
        for message, each in laid_out:
            taken = [next(places) for _ in each]
            if message.topic == RECEIPTS.name:
                self.read_back.add(message.message_id, taken)
