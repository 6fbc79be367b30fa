"""Everything a request can ask of intake."""

from dataclasses import dataclass

from services.intake.handlers.directory import Directory
from services.intake.handlers.receiving import Receiver
from services.intake.handlers.status import StatusDesk


@dataclass(frozen=True, slots=True)
class Intake:
    """The handlers, connected to their servers."""

    directory: Directory
    receiver: Receiver
    statuses: StatusDesk
