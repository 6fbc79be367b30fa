"""Settings shared by every service, read once from ``TOCSIN_*`` variables."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from services.runtime.kafka_access import KafkaAccess, KafkaSecuritySettings
from services.runtime.logs import LogFormat, LogLevel


class Membership(StrEnum):
    """How a consumer gets its partitions."""

    STATIC = "static"
    """A consumer group with a static member id: any number of processes share the partitions."""
    SOLE = "sole"
    """Every partition, assigned by hand: ready at once, for a stack with one process of each kind."""


class Durability(StrEnum):
    """What a broker's acknowledgement is worth."""

    MEMORY = "memory"
    DISK = "disk"
    REPLICATED = "replicated"


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings(KafkaAccess):
    """What a Kafka client of ours needs to know."""

    membership: Membership = Membership.STATIC
    idempotence: bool = True
    member: str = "tocsin-0"


class ServiceSettings(KafkaSecuritySettings):
    """Base of each service's settings; a subclass names its ``service`` and adds its own fields.

    Field ``x`` is the variable ``TOCSIN_X``; frozen, and an error names fields, never what was in them.
    """

    service: ClassVar[str] = "service"

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    kafka: str = Field(min_length=1)
    kafka_membership: Membership = Membership.STATIC
    kafka_idempotence: bool = True
    member: str = ""
    database_url: SecretStr
    kek_file: Path
    deployment_key_file: Path
    durability: Durability = Durability.REPLICATED
    log_format: LogFormat = LogFormat.AUTO
    log_level: LogLevel = "info"

    @model_validator(mode="before")
    @classmethod
    def _name_the_member(cls, values: object) -> object:
        if isinstance(values, dict) and not values.get("member"):
            return {**values, "member": f"{cls.service}-0"}
        return values

    @property
    def kafka_settings(self) -> KafkaSettings:
        return KafkaSettings(
            bootstrap=self.kafka,
            security=self.security,
            membership=self.kafka_membership,
            idempotence=self.kafka_idempotence,
            member=self.member,
        )

    @classmethod
    def from_environment(cls) -> Self:
        """Reads the environment; raises pydantic's ValidationError that names what is missing."""
        return cls()
