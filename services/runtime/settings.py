"""Settings shared by every service, read once from ``TOCSIN_*`` variables."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Final, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import SettingsError

from services.runtime.clock import Clock
from services.runtime.kafka_access import KafkaAccess, KafkaSecuritySettings
from services.runtime.logs import LogFormat, LogLevel
from services.runtime.secret_files import FileAwareSettings, SecretFileError
from services.runtime.shifted_clock import build_clock, is_loopback

BAD_CONFIGURATION: Final = 78
"""EX_CONFIG of sysexits.h: starting again will not help."""


class Membership(StrEnum):
    """How a consumer gets its partitions."""

    STATIC = "static"
    """A consumer group with a static member id: any number of processes share the partitions."""
    SOLE = "sole"
    """Every partition, assigned by hand: ready at once, for a stack with one process of each kind.

    What is published goes into one partition: there is nobody to share the work with.
    """


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
    cluster_id: str | None = None
    """The cluster that was found behind the address."""

    def in_cluster(self, cluster_id: str) -> Self:
        return replace(self, cluster_id=cluster_id)

    def name_group(self, group: str) -> str:
        """The group under which a consumer commits its offsets.

        A broker that keeps its log in memory comes back as another cluster behind the same address. A process
        that has not noticed yet commits the old log's offsets there: under the old cluster's name, so that
        nobody starts from them.
        """
        if self.membership is Membership.STATIC or self.cluster_id is None:
            return group
        return f"{group}.{self.cluster_id}"


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
    test_clock_file: FilePath | None = None
    """For tests alone: the seconds by which every clock is moved."""

    @field_validator("test_clock_file")
    @classmethod
    def _refuse_beyond_this_machine(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        """A moved clock tells agencies of deadlines that are none, so real servers are never behind one."""
        if file is not None and not all(map(is_loopback, _hosts(info.data))):
            raise ValueError("it moves the clock, for tests whose every server is on 127.0.0.1. Unset it.")
        return file

    @model_validator(mode="before")
    @classmethod
    def _name_the_member(cls, values: object) -> object:
        if isinstance(values, dict) and not values.get("member"):
            return {**values, "member": f"{cls.service}-0"}
        return values

    @property
    def is_shifted(self) -> bool:
        return self.test_clock_file is not None

    @property
    def clock(self) -> Clock:
        return build_clock(self.test_clock_file)

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
        """Reads the environment; ends the process with a line for each variable that is missing or wrong."""
        return read_environment(cls)


def _hosts(values: Mapping[str, Any]) -> list[str | None]:
    """Where a service listens, and where its servers are; None for what cannot be told."""
    url = values.get("database_url")
    database = urlsplit(url.get_secret_value()) if isinstance(url, SecretStr) else None
    brokers = [address.rpartition(":")[0] for address in values.get("kafka", "").split(",")]
    return [values.get("host"), database.hostname if database else None, *brokers]


_Settings = TypeVar("_Settings", bound=FileAwareSettings)


def read_environment(settings: type[_Settings]) -> _Settings:
    """Settings from the environment; ends the process with a line for each variable that is wrong."""
    try:
        return settings()
    except ValidationError as error:
        lines = list(_describe(error))
    except (SecretFileError, SettingsError) as error:
        # The latter is of a variable whose parts cannot be told; its own text names the field alone.
        lines = [str(error)]
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    raise SystemExit(BAD_CONFIGURATION)


def _describe(error: ValidationError) -> Iterator[str]:
    """A line for each variable: what may be written in two ways is wrong in both."""
    told: set[str] = set()
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        variable = f"TOCSIN_{str(problem['loc'][0]).upper()}: " if problem["loc"] else ""
        message = problem["msg"].removeprefix("Value error, ")
        if variable not in told:
            yield variable + ("it is missing" if problem["type"] == "missing" else message)
        told.update({variable} if variable else ())
