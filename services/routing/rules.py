"""Packs made ready to decide by: indexed by event type, conditions compiled, everything worked out once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.pack import ProtocolPack


@dataclass(frozen=True, slots=True)
class NotHonoured:
    """A feature of a rule that the engine reads but does not act on: it then tells less, never more."""

    pack: str
    rule: str
    feature: str


@dataclass(frozen=True, slots=True)
class PackVersion:
    """One version of one pack, compiled."""

    pack: ProtocolPack

    @property
    def label(self) -> str:
        """`name@version`."""
        return self.pack.label


class PackSet:
    """Every loaded version of every pack."""

    def __init__(self, versions: Sequence[PackVersion], *, not_honoured: Sequence[NotHonoured] = ()) -> None:
        self.versions = tuple(versions)
        self.not_honoured = tuple(not_honoured)

    def in_force(self, now: datetime) -> tuple[PackVersion, ...]:
        """The version of each pack that is in force at an instant."""
        raise NotImplementedError
