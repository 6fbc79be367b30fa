"""What routing reads from the environment beside what every service reads."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints, field_validator
from pydantic_settings import NoDecode

from schemas.topics import INTAKE_RECEIPTS_GROUP
from services.routing.packs import SHIPPED
from services.runtime.settings import ServiceSettings

KeyHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Seeding(StrEnum):
    """When the packs of the folder count as published and approved by the deployment itself."""

    FIRST = "first"
    """Where no pack was ever published: a deployment begins with them."""
    ALWAYS = "always"
    """At every start, if they are new: for trying."""


class RoutingSettings(ServiceSettings):
    """`TOCSIN_ROUTING_PROTOCOLS`: the folder of packs that come with the installation.

    `TOCSIN_ROUTING_SEEDING`: when they are taken.

    `TOCSIN_ROUTING_REALERT_EVERY`, `TOCSIN_ROUTING_REALERT_MOST`: how often, and at most how many times, an
    immediate alert is told again that nobody took up to its last rung.

    `TOCSIN_ROUTING_OPERATOR_KEYS`: SHA-256 of each operator's key in hexadecimal, separated by commas.
    """

    service: ClassVar[str] = "routing"

    routing_protocols: Path = SHIPPED
    routing_seeding: Seeding = Seeding.FIRST
    routing_operator_keys: Annotated[tuple[KeyHash, ...], NoDecode] = Field(default=())
    routing_realert_every: timedelta = Field(default=timedelta(hours=1), gt=timedelta(0))
    routing_realert_most: int = Field(default=24, ge=0)
    intake_receipts_group: str = INTAKE_RECEIPTS_GROUP

    @field_validator("routing_operator_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().lower() for part in value.split(",") if part.strip())
        return value
