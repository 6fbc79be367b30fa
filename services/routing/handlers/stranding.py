"""How long routing waits until it calls something stranded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.routing.repository.stranded import StrandedRepository

PATIENCE: Final = timedelta(minutes=5)
LOOKS_BACK: Final = timedelta(minutes=15)
"""Each alert is looked at two or three times."""


@dataclass(frozen=True, slots=True)
class Stranding:
    """Work without a next step, by kind."""

    repository: StrandedRepository

    async def count(self) -> Mapping[str, int]:
        return await self.repository.count(patience=PATIENCE, looks_back=LOOKS_BACK)
