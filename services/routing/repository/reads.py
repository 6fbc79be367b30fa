"""Reads of what cases are about, recorded for good: who, when, what, and how much of it."""

from datetime import datetime
from typing import NamedTuple

from services.runtime.database import Connection


class SignedRead(NamedTuple):
    """A read that an operator signed; `statement` is the digest of what was signed."""

    operator: str
    what: str
    detail: str
    statement: bytes
    operator_key: str
    signature: bytes
    signed_at: datetime


async def record_read(acquired: Connection, *, operator: str, what: str, detail: str) -> None:
    """`what` is a past participle (`events.backtested`), `detail` names no value of a case."""
    await acquired.execute(_INSERT, operator, what, detail)


async def record_signed_read(acquired: Connection, read: SignedRead) -> bool:
    """False if the same statement was recorded before."""
    return await acquired.fetchval(_INSERT_SIGNED, *read) is not None


_INSERT = "INSERT INTO routing.read (at, operator, what, detail) VALUES (clock_timestamp(), $1, $2, $3)"
_INSERT_SIGNED = """
INSERT INTO routing.read (at, operator, what, detail, statement, operator_key, signature, signed_at)
VALUES (clock_timestamp(), $1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (statement) DO NOTHING
RETURNING true
"""
