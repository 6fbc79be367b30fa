"""What notify reads from the environment beside what every service reads."""

from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, FilePath, SecretStr, StringConstraints, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from schemas.credentials import KeyHash
from schemas.topics import INTAKE_RECEIPTS_GROUP, ROUTING_EVENTS_GROUP, ROUTING_RECEIPTS_GROUP
from schemas.vocabulary import Urgency
from services.notify.schedule import DEFAULTS, JITTER, NEVER_GIVEN_UP, Schedules, parse_schedule
from services.runtime.settings import ServiceSettings

BaseUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")]
Mailbox = Annotated[
    str, StringConstraints(pattern=r"^([^<>\r\n]{0,100} )?<?[^@\s<>]{1,64}@[^@\s<>]{1,255}>?$")
]
MailAddress = Annotated[str, StringConstraints(pattern=r"^[^@\s<>]{1,64}@[^@\s<>]{1,255}$")]
HostPort = Annotated[str, StringConstraints(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$")]


class MailTls(StrEnum):
    """How the connection to the mail server is encrypted; its certificate is checked in any case."""

    STARTTLS = "starttls"
    """Required: without it no mail is sent."""
    IMPLICIT = "implicit"
    """From the first byte on (RFC 8314)."""
    OFF = "off"


class NotifySettings(ServiceSettings):
    """`TOCSIN_NOTIFY_*`. Without a mail server no e-mail is sent, and the log says so at the start."""

    service: ClassVar[str] = "notify"

    notify_public_url: BaseUrl | None = None
    notify_smtp: HostPort | None = None
    notify_smtp_tls: MailTls = MailTls.STARTTLS
    notify_smtp_ca_file: FilePath | None = None
    notify_smtp_user: str | None = Field(default=None, min_length=1)
    notify_smtp_password: SecretStr | None = Field(default=None, validate_default=True)
    notify_smtp_connections: int = Field(default=8, ge=1, le=100)
    notify_smtp_messages: int = Field(default=100, ge=1)
    notify_smtp_idle: timedelta = Field(default=timedelta(seconds=20), gt=timedelta(0))
    notify_mail_from: Mailbox = "Notices <notices@localhost>"
    notify_mail_bounces_to: MailAddress | None = None
    notify_timezone: str = "America/Los_Angeles"
    notify_allow_cidrs: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    notify_allow_http: bool = False
    notify_timeout: timedelta = timedelta(seconds=15)
    notify_schedule_immediate: str = DEFAULTS[Urgency.IMMEDIATE]
    notify_schedule_urgent: str = DEFAULTS[Urgency.URGENT]
    notify_schedule_priority: str = DEFAULTS[Urgency.PRIORITY]
    notify_schedule_routine: str = DEFAULTS[Urgency.ROUTINE]
    notify_jitter: float = Field(default=JITTER, ge=0, le=1)
    notify_most_attempts: int = Field(default=512, ge=1)
    notify_most_attempts_each: int = Field(default=32, ge=1)
    notify_rate_each: int = Field(default=1000, ge=1)
    notify_suspend_window: timedelta = Field(default=timedelta(minutes=5), gt=timedelta(0))
    notify_suspend_attempts: int = Field(default=10, ge=1)
    notify_suspend_ratio: float = Field(default=0.8, gt=0, le=1)
    notify_suspend_probe: timedelta = Field(default=timedelta(seconds=30), gt=timedelta(0))
    notify_endpoint_tries: int = Field(default=10, ge=1)
    notify_heartbeat: timedelta = Field(default=timedelta(days=1), gt=timedelta(0))
    notify_pulse: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0))
    notify_pulse_patience: timedelta = Field(default=timedelta(minutes=1), gt=timedelta(0))
    notify_pulse_url: SecretStr | None = None
    notify_ca_file: FilePath | None = None
    notify_operator_keys: Annotated[tuple[KeyHash, ...], NoDecode] = ()
    notify_trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    notify_session_idle: timedelta = Field(default=timedelta(minutes=15), gt=timedelta(0))
    notify_session_limit: timedelta = Field(default=timedelta(hours=4), gt=timedelta(0))
    routing_receipts_group: str = ROUTING_RECEIPTS_GROUP
    routing_events_group: str = ROUTING_EVENTS_GROUP
    intake_receipts_group: str = INTAKE_RECEIPTS_GROUP

    @field_validator("notify_allow_cidrs", "notify_operator_keys", "notify_trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("notify_smtp_password")
    @classmethod
    def _sign_in_unseen(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and info.data.get("notify_smtp_tls") is MailTls.OFF:
            raise ValueError("it would be sent in the clear: TOCSIN_NOTIFY_SMTP_TLS must not be off")
        if (value is None) != (info.data.get("notify_smtp_user") is None):
            raise ValueError("it goes with TOCSIN_NOTIFY_SMTP_USER, and neither without the other")
        return value

    @field_validator("notify_public_url")
    @classmethod
    def _end_without_slash(cls, value: str | None) -> str | None:
        return None if value is None else value.rstrip("/")

    @field_validator(*(f"notify_schedule_{urgency.value}" for urgency in Urgency))
    @classmethod
    def _go_on(cls, value: str, info: ValidationInfo) -> str:
        schedule = parse_schedule(value)
        if schedule.repeat is None and info.field_name in {
            f"notify_schedule_{urgency.value}" for urgency in NEVER_GIVEN_UP
        }:
            raise ValueError("it must go on until the alert arrives: end it with ` ...`")
        return value

    @field_validator("notify_timezone")
    @classmethod
    def _know_the_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("it is no time zone of the IANA database") from error
        return value

    @property
    def schedules(self) -> Schedules:
        texts = {
            Urgency.IMMEDIATE: self.notify_schedule_immediate,
            Urgency.URGENT: self.notify_schedule_urgent,
            Urgency.PRIORITY: self.notify_schedule_priority,
            Urgency.ROUTINE: self.notify_schedule_routine,
        }
        return {urgency: parse_schedule(text, jitter=self.notify_jitter) for urgency, text in texts.items()}

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.notify_timezone)
