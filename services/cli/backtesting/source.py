"""Where the ledger is: the stack on this machine, or the deployment that the environment names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from services.cli.stack_state import NoStackError, Stack, find_stack
from services.devstack.datadir import DataDirectory
from services.routing.handlers.operators import Operators
from services.runtime.crypto import hash_api_key
from services.runtime.kafka import KafkaAccess, KafkaAddress
from services.runtime.kafka_access import KafkaSecuritySettings
from services.runtime.settings import read_environment


class NoSourceError(Exception):
    """There is no ledger to read, or nobody to read it; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSource:
    """What reading the ledger needs. `operator` stands in the record of the read."""

    kafka: KafkaAddress
    database_url: SecretStr
    kek_file: Path
    operator: str


class LedgerSettings(KafkaSecuritySettings):
    """The variables of routing, and the key of the operator who reads."""

    kafka: str = Field(min_length=1)
    database_url: SecretStr
    kek_file: Path
    routing_operator_keys: Annotated[tuple[str, ...], NoDecode]
    operator_key: SecretStr

    @field_validator("routing_operator_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip().lower() for part in value.split(",")) if isinstance(value, str) else value


def find_source(data_dir: Path | None, *, in_environment: bool) -> LedgerSource:
    """Raises NoSourceError, or SystemExit after naming the variables that are wrong."""
    if in_environment:
        return _read_source(read_environment(LedgerSettings))
    try:
        return _source_of(find_stack(data_dir))
    except NoStackError as error:
        raise NoSourceError(
            f"{error}\nFor another deployment set TOCSIN_DATABASE_URL, TOCSIN_KAFKA, TOCSIN_KEK_FILE, "
            "TOCSIN_ROUTING_OPERATOR_KEYS and TOCSIN_OPERATOR_KEY."
        ) from None


def _read_source(settings: LedgerSettings) -> LedgerSource:
    return LedgerSource(
        kafka=KafkaAccess(bootstrap=settings.kafka, security=settings.security),
        database_url=settings.database_url,
        kek_file=settings.kek_file,
        operator=_name_operator(settings.operator_key.get_secret_value(), settings.routing_operator_keys),
    )


def _source_of(stack: Stack) -> LedgerSource:
    return LedgerSource(
        kafka=KafkaAccess(bootstrap=stack.state.kafka),
        database_url=SecretStr(stack.state.postgres),
        kek_file=DataDirectory(stack.data_dir).kek_file,
        operator=_name_operator(stack.keys.operator, [hash_api_key(stack.keys.operator)]),
    )


def _name_operator(key: str, known: Sequence[str]) -> str:
    operator = Operators(known).find(f"Bearer {key}")
    if operator is None:
        raise NoSourceError("TOCSIN_OPERATOR_KEY is no operator's key of this deployment")
    return operator
