"""Duties that are due soon or overdue: who is reminded is decided here, once a step, whoever looks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from schemas.duty import DutyStatus
from services.routing.handlers.batch import Means
from services.routing.handlers.climbing import NO_RECORD
from services.routing.handlers.identities import Identities
from services.routing.handlers.lines import write_lines
from services.routing.handlers.looking import Outlook, look_around
from services.routing.handlers.matter import Line, Matter
from services.routing.handlers.reminder_messages import Told, compose_reminders
from services.routing.reminders import ReminderStep, find_next, find_step
from services.routing.repository.batch import BatchRepository
from services.routing.repository.follow_ups import FollowUpRepository
from services.routing.repository.reminders import RemindedDuty, ReminderRepository
from services.routing.repository.rows import Account, Origin
from services.runtime.database import Connection, transaction
from services.runtime.keyring import CaseKey
from services.runtime.logs import get_logger
from services.runtime.repeating import repeat_for_ever, take_pages

log = get_logger()

LOOK_SECONDS: Final = 1.0
PAGE: Final = 100
"""How many duties in one transaction: their cases are locked meanwhile."""
PATIENCE: Final = timedelta(minutes=1)
"""When a duty is looked at again whose case could not be opened."""


@dataclass(slots=True)
class _Reminded:
    """What one page comes to."""

    moved: dict[UUID, datetime | None] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


class Reminders:
    """Looks by itself. A page is one transaction: what was told and the next step stand together."""

    def __init__(self, means: Means, identities: Identities) -> None:
        self._means = means
        self._identities = identities

    async def remind_for_ever(self) -> None:
        await repeat_for_ever(
            lambda: take_pages(self.remind, full=PAGE),
            seconds=LOOK_SECONDS,
            on_trouble=lambda error: log.warning("duties.not_reminded", reason="unavailable", exc_info=error),
        )

    async def remind(self) -> int:
        """How many duties were looked at. Raises transient errors: the same are then due again."""
        async with transaction(self._means.pool) as connection:
            repository = ReminderRepository(connection)
            found = await repository.find_due(limit=PAGE)
            reminded = _Reminded()
            if found:
                around, duties = await self._prepare(connection, repository, found)
                for duty in duties:
                    self._remind(duty, around, reminded)
                await _write(connection, repository, reminded)
        write_lines(reminded.lines)
        if reminded.told:
            await self._means.sender.send([message for _, message in reminded.told])
        return len(found)

    async def _prepare(
        self, connection: Connection, repository: ReminderRepository, found: Sequence[tuple[UUID, str]]
    ) -> tuple[Outlook, list[RemindedDuty]]:
        batch, follow_ups = BatchRepository(connection), FollowUpRepository(connection)
        states = await batch.lock_cases({case_ref for _, case_ref in found})
        duties = await repository.lock_due([duty_id for duty_id, _ in found])
        around = await look_around(
            self._means,
            follow_ups,
            moment=await batch.read_moment(),
            case_states=states,
            events={(duty.source, duty.event_id) for duty in duties},
        )
        return around, duties

    def _remind(self, duty: RemindedDuty, around: Outlook, reminded: _Reminded) -> None:
        account, key = around.find(duty.source, duty.event_id)
        if duty.status != DutyStatus.OPEN or duty.due is None or account is None or key is None:
            # Closed or in doubt, or its case was destroyed: there is nothing to remind of.
            reminded.moved[duty.duty_id] = None
            return
        try:
            self._tell(duty, duty.due, around, reminded, account=account, key=key)
        except Exception as error:  # noqa: BLE001 -- one duty must not hold up the others; alarmed and tried again
            reminded.moved[duty.duty_id] = around.now + PATIENCE
            reminded.lines.append(
                Line("reminder.failed", "error", {"duty_id": duty.duty_id, "exc_info": error})
            )

    def _tell(
        self,
        duty: RemindedDuty,
        due: datetime,
        around: Outlook,
        reminded: _Reminded,
        *,
        account: Account,
        key: CaseKey,
    ) -> None:
        times = {"decided_at": duty.decided_at, "due": due, "now": around.now}
        reminded.moved[duty.duty_id] = find_next(**times)
        step = find_step(**times)
        if step is None:
            return
        told = list(
            compose_reminders(
                self._matter(duty, around, account, key),
                duty,
                step,
                identities=self._identities,
                case=around.cases.open(duty.case_ref, key),
                directory=around.directory,
                packs=around.packs,
            )
        )
        reminded.told += told
        reminded.lines.append(_line(duty, step, told, account))

    def _matter(self, duty: RemindedDuty, around: Outlook, account: Account, key: CaseKey) -> Matter:
        return Matter(
            origin=Origin(self._means.cluster_id, NO_RECORD, NO_RECORD),
            now=around.now,
            directory_version=around.directory.version,
            key=key,
            correlation_id=account.correlation_id,
            source=duty.source,
            event_id=duty.event_id,
            case_ref=duty.case_ref,
        )


async def _write(connection: Connection, repository: ReminderRepository, reminded: _Reminded) -> None:
    """What was told before a correction moved a duty there and back is not told again."""
    known = await repository.list_told([row.alert_id for row, _ in reminded.told])
    reminded.told = [told for told in reminded.told if told[0].alert_id not in known]
    batch = BatchRepository(connection)
    await batch.insert_alerts([row for row, _ in reminded.told])
    await batch.insert_messages([message for _, message in reminded.told])
    await repository.move(reminded.moved)


def _line(duty: RemindedDuty, step: ReminderStep, told: Sequence[Told], account: Account) -> Line:
    keys: dict[str, object] = {
        "duty_id": duty.duty_id,
        "agency": duty.holder,
        "step": step.value,
        "alert_count": len(told),
        "correlation_id": account.correlation_id,
    }
    return Line("duty.reminded", "info", keys)
