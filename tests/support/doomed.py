"""A process that dies between what it commits and whatever it does next."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.support.second_service import SecondService, second_service
from tests.support.task_force import TaskForce
from tests.support.wire import Wire, open_wire


@asynccontextmanager
async def doomed_service(
    task_force: TaskForce, name: str, *, last_words: Sequence[str]
) -> AsyncIterator[tuple[SecondService, Wire]]:
    """A process in place of the stack's own that never learns what became of its last words to PostgreSQL.

    The stack's own is frozen meanwhile, and killed afterwards, so that the supervisor starts a fresh one. It
    is frozen first: awake, it would quarrel with its namesake over the partitions of a real group.
    """
    database = urlsplit(task_force.stack.ready["postgres"])
    words = [word.encode() for word in last_words]
    task_force.freeze(name)
    try:
        async with (
            open_wire(database.hostname or "", database.port or 0, last_words=words) as wire,
            second_service(task_force, name, member=f"{name}-0", database_port=wire.port) as service,
        ):
            yield service, wire
    finally:
        task_force.stack.kill(name)
