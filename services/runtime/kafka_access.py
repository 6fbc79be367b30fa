"""Where Kafka is, and as whom and how encrypted we speak to it."""

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, TypeAlias

from pydantic import SecretStr, model_validator

from services.runtime.secret_files import FileAwareSettings


class SecurityProtocol(StrEnum):
    """As Kafka names them: whether the connection is encrypted, and whether we say who we are."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def is_encrypted(self) -> bool:
        return self in {SecurityProtocol.SSL, SecurityProtocol.SASL_SSL}

    @property
    def wants_a_name(self) -> bool:
        return self in {SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL}


class SaslMechanism(StrEnum):
    """How we prove who we are. PLAIN sends the password as it is: only over TLS."""

    SCRAM_SHA_512 = "SCRAM-SHA-512"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    PLAIN = "PLAIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSecurity:
    """What the cluster demands of us; nothing by default."""

    protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    mechanism: SaslMechanism = SaslMechanism.SCRAM_SHA_512
    username: str = ""
    password: SecretStr = field(default=SecretStr(""))

    @property
    def ssl_context(self) -> ssl.SSLContext | None:
        """Raises OSError (an SSLError is one) when a file is missing or is no certificate."""
        return _build_context(self) if self.protocol.is_encrypted else None

    def client_arguments(self) -> dict[str, Any]:
        """Keyword arguments of every aiokafka client."""
        arguments: dict[str, Any] = {"security_protocol": self.protocol.value}
        if self.protocol.is_encrypted:
            arguments["ssl_context"] = self.ssl_context
        if self.protocol.wants_a_name:
            arguments |= {
                "sasl_mechanism": self.mechanism.value,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password.get_secret_value(),
            }
        return arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaAccess:
    """A cluster and the way in."""

    bootstrap: str
    """`host:port[,…]`."""
    security: KafkaSecurity = KafkaSecurity()


KafkaAddress: TypeAlias = str | KafkaAccess
"""`host:port[,…]` alone is a cluster that demands nothing."""


def client_arguments(address: KafkaAddress) -> dict[str, Any]:
    """Keyword arguments of every aiokafka client: where, as whom and how."""
    access = KafkaAccess(bootstrap=address) if isinstance(address, str) else address
    return {"bootstrap_servers": access.bootstrap, **access.security.client_arguments()}


class KafkaSecuritySettings(FileAwareSettings):
    """`TOCSIN_KAFKA_SECURITY` and what goes with it."""

    kafka_security: SecurityProtocol = SecurityProtocol.PLAINTEXT
    kafka_ca_file: Path | None = None
    kafka_certificate_file: Path | None = None
    kafka_key_file: Path | None = None
    kafka_sasl_mechanism: SaslMechanism = SaslMechanism.SCRAM_SHA_512
    kafka_sasl_username: str = ""
    kafka_sasl_password: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        protocol = self.kafka_security
        if protocol.wants_a_name and not (
            self.kafka_sasl_username and self.kafka_sasl_password.get_secret_value()
        ):
            raise ValueError(f"kafka_security={protocol} needs kafka_sasl_username and kafka_sasl_password")
        if not protocol.wants_a_name and self.kafka_sasl_username:
            raise ValueError(f"kafka_sasl_username says nothing with kafka_security={protocol}")
        files = (self.kafka_ca_file, self.kafka_certificate_file, self.kafka_key_file)
        if not protocol.is_encrypted and any(files):
            raise ValueError(f"a certificate says nothing with kafka_security={protocol}")
        if (self.kafka_certificate_file is None) != (self.kafka_key_file is None):
            raise ValueError("kafka_certificate_file and kafka_key_file go together")
        if protocol is SecurityProtocol.SASL_PLAINTEXT and self.kafka_sasl_mechanism is SaslMechanism.PLAIN:
            raise ValueError("PLAIN over SASL_PLAINTEXT would send the password unencrypted")
        return self

    @property
    def security(self) -> KafkaSecurity:
        return KafkaSecurity(
            protocol=self.kafka_security,
            ca_file=self.kafka_ca_file,
            certificate_file=self.kafka_certificate_file,
            key_file=self.kafka_key_file,
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_sasl_username,
            password=self.kafka_sasl_password,
        )


@lru_cache(maxsize=4)
def _build_context(security: KafkaSecurity) -> ssl.SSLContext:
    """Once for all clients of a process: a retry every 100 ms must not read files each time."""
    context = ssl.create_default_context(cafile=security.ca_file)
    if security.certificate_file is not None:
        context.load_cert_chain(security.certificate_file, security.key_file)
    return context
