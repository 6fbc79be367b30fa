"""An event that was decided earlier, as later alerts about it need it."""

from services.routing.handlers.detail import DecisionDetail, open_detail, open_values
from services.routing.handlers.matter import Matter
from services.routing.repository.rows import Account
from services.runtime.keyring import CaseKey


def recall_detail(account: Account, key: CaseKey, *, source: str, event_id: str) -> DecisionDetail:
    """What was concluded from it. Raises SealError."""
    return open_detail(account.detail, key=key, source=source, event_id=event_id)


def recall_matter(matter: Matter, account: Account) -> Matter:
    """Completed by what was kept of the event: its type, and the values that somebody was shown.

    Raises SealError.
    """
    key, source, event_id = matter.key, matter.source, matter.event_id
    values = open_values(account.values_sealed, key=key, source=source, event_id=event_id)
    return matter._replace(
        correlation_id=account.correlation_id,
        event_type=recall_detail(account, key, source=source, event_id=event_id).event_type,
        emitter=source.split(":")[3],
        values=lambda groups: {group: values[group] for group in sorted(groups)},
    )
