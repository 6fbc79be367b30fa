"""Passphrases at rest: argon2id with the parameters of RFC 9106, off the event loop and few at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from services.notify.people import normalise_passphrase

_Answer = TypeVar("_Answer")

AT_ONCE: Final = 2
"""Each takes 64 MiB and all of a core for a moment."""

MOST_WAITING: Final = 32


@dataclass(frozen=True, slots=True)
class Hardness:
    """What a hash costs."""

    hasher: PasswordHasher
    nobody: str
    """The hash of what nobody knows: a name that is not known must take as long to judge as one that is."""


RFC_9106: Final = Hardness(
    PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY),
    "$argon2id$v=19$m=65536,t=3,p=4$TImbD0xQIu4EDxh0bb8IOA$n4TzEThCoN+xv50GKBIJswB+gbKkNTyNE6gijKYmv2s",
)


class BusyError(Exception):
    """Too many wait to be judged: the client may ask again in a moment."""


class Passphrases:
    """Hashes and verifies; it takes the same time for a person nobody knows."""

    def __init__(self, executor: ThreadPoolExecutor, hardness: Hardness) -> None:
        self._executor = executor
        self._hasher = hardness.hasher
        self._nobody = hardness.nobody
        self._waiting = 0

    async def hash(self, passphrase: str) -> str:
        """Raises BusyError."""
        return await self._run(lambda: self._hasher.hash(normalise_passphrase(passphrase)))

    async def verify(self, known: str | None, passphrase: str) -> bool:
        """False also where there is no hash; it takes as long. Raises BusyError."""
        return await self._run(lambda: self._verify(known, normalise_passphrase(passphrase)))

    def _verify(self, known: str | None, passphrase: str) -> bool:
        try:
            self._hasher.verify(known or self._nobody, passphrase)
        except (VerificationError, InvalidHashError):
            return False
        return known is not None

    async def _run(self, work: Callable[[], _Answer]) -> _Answer:
        if self._waiting >= MOST_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._waiting -= 1


@asynccontextmanager
async def open_passphrases(hardness: Hardness = RFC_9106) -> AsyncIterator[Passphrases]:
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passphrase") as executor:
        yield Passphrases(executor, hardness)
