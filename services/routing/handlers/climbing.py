"""Alerts that nobody acknowledged in time: their next rung, decided and told."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.routing.case_state import RowKey
from services.routing.escalation import Climb, next_rung
from services.routing.handlers.batch import Means
from services.routing.handlers.lines import write_lines
from services.routing.handlers.looking import Outlook, look_around
from services.routing.handlers.matter import Judged, Line, Matter
from services.routing.handlers.recalling import recall_matter
from services.routing.repository.batch import BatchRepository
from services.routing.repository.follow_ups import FollowUpRepository
from services.routing.repository.rows import (
    NO_DELIVERY,
    Account,
    LadderRow,
    Origin,
    OutboxRow,
    ReceiptRow,
)
from services.runtime.database import transaction
from services.runtime.kafka import is_passing_trouble
from services.runtime.keyring import CaseKey
from services.runtime.logs import get_logger
from services.runtime.repeating import take_pages

log = get_logger()

LOOK_SECONDS: Final = 0.5
PAGE: Final = 100
"""How many ladders climb in one transaction: their cases are locked meanwhile."""
PATIENCE: Final = timedelta(minutes=1)
"""When a ladder is tried again that could not climb."""
NO_RECORD: Final = -1
"""Partition and offset of what no record of the log caused."""
EXHAUSTED: Final = "exhausted"


@dataclass(slots=True)
class _Climbed:
    """What the due ladders of one page come to."""

    moved: dict[UUID, datetime] = field(default_factory=dict)
    ended: list[UUID] = field(default_factory=list)
    told: list[Judged] = field(default_factory=list)
    exhausted: list[ReceiptRow] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


class Climber:
    """Takes the ladders that are due, wherever they come from: two processes share them."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    async def climb_for_ever(self) -> None:
        """Looks by itself, so that no lost receipt stops a ladder."""
        while True:
            await self._try_to_climb()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), LOOK_SECONDS)
            self._woken.clear()

    async def climb_due(self) -> int:
        """How many ladders were due, at most a page. Raises transient errors: the same are then due again."""
        climbed = _Climbed()
        async with transaction(self._means.pool) as connection:
            repository, follow_ups = BatchRepository(connection), FollowUpRepository(connection)
            ladders = await follow_ups.claim_ladders(limit=PAGE)
            if ladders:
                around = await self._prepare(repository, follow_ups, ladders)
                for ladder in ladders:
                    self._climb(ladder, around, climbed)
                await _write(repository, follow_ups, climbed)
                await repository.update_case_states(around.cases.seal_changes())
        write_lines(climbed.lines)
        messages: list[OutboxRow] = [row for one in climbed.told for row in one.messages]
        await self._means.sender.send(messages)
        return len(ladders)

    async def _try_to_climb(self) -> None:
        try:
            await take_pages(self.climb_due, full=PAGE)
        except Exception as error:
            if not is_passing_trouble(error):
                raise
            log.warning("ladders.not_climbed", reason="unavailable", exc_info=error)

    async def _prepare(
        self, repository: BatchRepository, follow_ups: FollowUpRepository, ladders: Sequence[LadderRow]
    ) -> Outlook:
        """The ladders are ours; now the rows of their cases, in the order in which everybody takes them."""
        case_states = await repository.lock_cases({ladder.case_ref for ladder in ladders})
        return await look_around(
            self._means,
            follow_ups,
            moment=await repository.read_moment(),
            case_states=case_states,
            events={(ladder.source, ladder.event_id) for ladder in ladders},
        )

    def _climb(self, ladder: LadderRow, around: Outlook, climbed: _Climbed) -> None:
        account, key = around.find(ladder.source, ladder.event_id)
        if account is None or key is None:
            # Without the case's key nothing of it can be told.
            self._postpone(ladder, around, climbed, None)
            return
        try:
            self._climb_one(ladder, around, climbed, account=account, key=key)
        except Exception as error:  # noqa: BLE001 -- one ladder must not hold up the others; alarmed and tried again
            self._postpone(ladder, around, climbed, error)

    def _postpone(
        self, ladder: LadderRow, around: Outlook, climbed: _Climbed, error: Exception | None
    ) -> None:
        climbed.moved[ladder.alert_id] = around.now + PATIENCE
        keys: dict[str, object] = _place(ladder)
        if error is not None:
            keys["exc_info"] = error
        climbed.lines.append(Line("ladder.failed", "error", keys))

    def _climb_one(
        self, ladder: LadderRow, around: Outlook, climbed: _Climbed, *, account: Account, key: CaseKey
    ) -> None:
        case = around.cases.open(ladder.case_ref, key)
        climb = next_rung(
            _row_key(ladder),
            case,
            around.directory,
            around.packs,
            around.now,
            failed=ladder.failed,
            realert=self._means.realert,
        )
        told = []
        if climb.rows:
            matter = self._matter(ladder, around, account, key)
            told.append(self._means.recorder.record_rungs(matter, climb.rungs, parent=ladder.alert_id))
        # Before anybody is told: a ladder that fails here tells nobody, and is tried again.
        around.cases.keep(ladder.case_ref, key, climb.case)
        climbed.told += told
        if climb.next_at is None:
            climbed.ended.append(ladder.alert_id)
        else:
            climbed.moved[ladder.alert_id] = climb.next_at
        if climb.exhausted:
            climbed.exhausted.append(_exhausted_row(ladder, around.now))
        climbed.lines += _lines(ladder, climb, account)

    def _matter(self, ladder: LadderRow, around: Outlook, account: Account, key: CaseKey) -> Matter:
        """The event as it was decided: its values are those that somebody was shown then."""
        matter = Matter(
            origin=Origin(self._means.cluster_id, NO_RECORD, NO_RECORD),
            now=around.now,
            directory_version=around.directory.version,
            key=key,
            correlation_id=account.correlation_id,
            source=ladder.source,
            event_id=ladder.event_id,
            case_ref=ladder.case_ref,
            root_id=_find_root_id(ladder, around, key),
        )
        return recall_matter(matter, account)


async def _write(repository: BatchRepository, follow_ups: FollowUpRepository, climbed: _Climbed) -> None:
    await repository.insert_alerts([row for one in climbed.told for row in one.alerts])
    await repository.insert_messages([row for one in climbed.told for row in one.messages])
    await repository.insert_receipts(climbed.exhausted)
    await follow_ups.move_ladders(climbed.moved)
    await follow_ups.delete_ladders(climbed.ended)


def _row_key(ladder: LadderRow) -> RowKey:
    return RowKey(ladder.source, ladder.event_id, ladder.agency, ladder.cause, ladder.told_at)


def _find_root_id(ladder: LadderRow, around: Outlook, key: CaseKey) -> str | None:
    """The original of the event's chain: its duties have their ids by it."""
    found = around.cases.open(ladder.case_ref, key).find_row(_row_key(ladder))
    return None if found is None else found[0].root.id


def _exhausted_row(ladder: LadderRow, now: datetime) -> ReceiptRow:
    """The alert is a dead letter: nobody took responsibility, and nobody is left to be told."""
    return ReceiptRow(ladder.alert_id, 1, EXHAUSTED, NO_DELIVERY, None, None, now)


def _lines(ladder: LadderRow, climb: Climb, account: Account) -> list[Line]:
    place = {**_place(ladder), "correlation_id": account.correlation_id}
    lines = []
    if climb.rows:
        escalation = max(row.escalation for row in climb.rows)
        keys = {**place, "escalation": escalation, "alert_count": len(climb.rows)}
        lines.append(Line("alert.escalated", "info", keys))
    if climb.exhausted:
        found = climb.case.find_row(_row_key(ladder))
        is_drill = found is not None and found[0].exercise
        lines.append(
            Line("exercise.exhausted", "info", place) if is_drill else Line("alert.exhausted", "error", place)
        )
    return lines


def _place(ladder: LadderRow) -> dict[str, object]:
    return {
        "alert_id": str(ladder.alert_id),
        "event_id": ladder.event_id,
        "source": ladder.source,
        "case_ref": ladder.case_ref,
    }
