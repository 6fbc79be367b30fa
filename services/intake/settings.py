"""What intake reads from the environment beside what every service reads."""

from typing import ClassVar

from pydantic import Field

from services.runtime.settings import ServiceSettings


class IntakeSettings(ServiceSettings):
    """`TOCSIN_INTAKE_RATE`: events a second that one source may send to one intake process."""

    service: ClassVar[str] = "intake"

    intake_rate: int = Field(default=2000, ge=1)
