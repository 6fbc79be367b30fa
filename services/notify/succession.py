"""When an update or a cancel may take a path: never before the alert it is about. Pure."""

from collections.abc import Sequence
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from schemas.vocabulary import AlertKind
from services.notify.bodies import Content
from services.notify.delivery import DeliveryState


class Turn(StrEnum):
    """What a delivery may do now."""

    GO = "go"
    WAIT = "wait"
    """An attempt at what it takes the place of is under way on the same path, and may arrive."""
    SILENCE = "silence"
    """What it would take back never arrived here."""


def find_replaced(content: Content) -> UUID | None:
    """The alert that an update or a cancel is about."""
    replaced = content.get("replaces")
    return UUID(replaced) if isinstance(replaced, str) else None


def is_cancel(content: Content) -> bool:
    """Whether it takes back what it is about."""
    return content.get("kind") == AlertKind.CANCEL.value


def judge_turn(content: Content, earlier: Sequence[DeliveryState]) -> Turn:
    """`earlier` is what became, on this path, of all that the alert takes the place of.

    What was pending and not under way is superseded by now: an update takes its place.
    """
    if DeliveryState.PENDING in earlier:
        return Turn.WAIT
    kind = AlertKind(str(content["kind"]))
    match kind:
        case AlertKind.CANCEL:
            return Turn.GO if DeliveryState.DELIVERED in earlier else Turn.SILENCE
        case AlertKind.UPDATE | AlertKind.ALERT | AlertKind.ERROR:
            return Turn.GO
        case _:
            assert_never(kind)
