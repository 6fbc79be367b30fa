"""Reads of what cases are about, recorded for good: who, when, what, and how much of it."""

from services.runtime.database import Connection


async def record_read(acquired: Connection, *, operator: str, what: str, detail: str) -> None:
    """`what` is a past participle (`events.backtested`), `detail` names no value of a case."""
    await acquired.execute(_INSERT, operator, what, detail)


_INSERT = "INSERT INTO routing.read (at, operator, what, detail) VALUES (clock_timestamp(), $1, $2, $3)"
