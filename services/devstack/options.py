"""What a user may choose about a stack. Imports nothing heavy: the command's help waits for it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from services.devstack.datadir import DEFAULT_DATA_DIR


class BrokerKind(StrEnum):
    """What `tocsin up --kafka` offers."""

    EMBEDDED = "embedded"
    APACHE = "apache"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """The options of `tocsin up`."""

    data_dir: Path = DEFAULT_DATA_DIR
    directory_file: Path | None = None
    smtp: str | None = None
    """`host:port` of a mail server; None keeps mails as files."""
    broker: BrokerKind = BrokerKind.EMBEDDED
    broker_count: int = 1
    """Of Apache Kafka: 1, or 3 that keep copies of each other's logs."""
