"""What a cluster may demand of us, and secrets that come from files."""

from pathlib import Path
from typing import ClassVar

import pytest
from faststream.security import SASLPlaintext, SASLScram256, SASLScram512
from pydantic import SecretStr, ValidationError

from services.runtime.kafka.security import build_security
from services.runtime.kafka_access import (
    KafkaAccess,
    KafkaSecurity,
    KafkaSecuritySettings,
    SaslMechanism,
    SecurityProtocol,
    client_arguments,
)
from services.runtime.secret_files import SecretFileError
from services.runtime.settings import ServiceSettings


class Settings(KafkaSecuritySettings):
    service: ClassVar[str] = "example"


class Service(ServiceSettings):
    service: ClassVar[str] = "example"


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("SECURITY", "SASL_USERNAME", "SASL_PASSWORD", "SASL_PASSWORD_FILE", "CA_FILE"):
        monkeypatch.delenv(f"TOCSIN_KAFKA_{name}", raising=False)
    return monkeypatch


def test_a_cluster_demands_nothing_by_default(variables: pytest.MonkeyPatch) -> None:
    assert client_arguments("h:1") == {"bootstrap_servers": "h:1", "security_protocol": "PLAINTEXT"}
    assert Settings().security == KafkaSecurity()


def test_a_password_from_a_file_is_used_without_its_line_end(
    variables: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("zanthorpe\n")
    variables.setenv("TOCSIN_KAFKA_SECURITY", "SASL_SSL")
    variables.setenv("TOCSIN_KAFKA_SASL_USERNAME", "intake")
    variables.setenv("TOCSIN_KAFKA_SASL_PASSWORD_FILE", str(tmp_path / "password"))
    settings = Settings()
    arguments = client_arguments(KafkaAccess(bootstrap="h:1", security=settings.security))
    assert arguments.pop("ssl_context").check_hostname
    assert arguments == {
        "bootstrap_servers": "h:1",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "intake",
        "sasl_plain_password": "zanthorpe",
    }
    assert "zanthorpe" not in f"{settings} {settings.security!r} {settings.model_dump()}"


def test_every_secret_of_a_service_may_be_a_file(variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://zanthorpe@db/tocsin\n")
    variables.setenv("TOCSIN_DATABASE_URL_FILE", str(tmp_path / "url"))
    for name, value in {"PORT": "0", "KAFKA": "h:1", "KEK_FILE": "k", "DEPLOYMENT_KEY_FILE": "d"}.items():
        variables.setenv(f"TOCSIN_{name}", value)
    settings = Service.from_environment()
    assert settings.database_url.get_secret_value() == "postgresql://zanthorpe@db/tocsin"


def test_a_secret_that_is_given_twice_is_refused(variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("zanthorpe")
    variables.setenv("TOCSIN_KAFKA_SASL_PASSWORD_FILE", str(tmp_path / "password"))
    variables.setenv("TOCSIN_KAFKA_SASL_PASSWORD", "zanthorpe")
    with pytest.raises(SecretFileError, match="TOCSIN_KAFKA_SASL_PASSWORD_FILE are both set") as refused:
        Settings()
    assert "zanthorpe" not in str(refused.value)


def test_a_file_that_is_not_there_is_named_by_its_variable(
    variables: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variables.setenv("TOCSIN_KAFKA_SASL_PASSWORD_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(SecretFileError, match=r"TOCSIN_KAFKA_SASL_PASSWORD_FILE cannot be read"):
        Settings()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kafka_security": "SASL_SSL"}, "needs kafka_sasl_username"),
        ({"kafka_security": "SASL_SSL", "kafka_sasl_username": "a"}, "needs kafka_sasl_username"),
        ({"kafka_sasl_username": "a"}, "says nothing"),
        ({"kafka_ca_file": "ca.pem"}, "says nothing"),
        ({"kafka_security": "SSL", "kafka_certificate_file": "c.pem"}, "go together"),
        (
            {
                "kafka_security": "SASL_PLAINTEXT",
                "kafka_sasl_mechanism": "PLAIN",
                "kafka_sasl_username": "a",
                "kafka_sasl_password": "zanthorpe",
            },
            "unencrypted",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        Settings.model_validate(given)
    assert "zanthorpe" not in str(refused.value)


@pytest.mark.parametrize(
    ("mechanism", "kind"),
    [
        (SaslMechanism.SCRAM_SHA_512, SASLScram512),
        (SaslMechanism.SCRAM_SHA_256, SASLScram256),
        (SaslMechanism.PLAIN, SASLPlaintext),
    ],
)
def test_consumers_are_told_the_same_as_producers(mechanism: SaslMechanism, kind: type) -> None:
    security = KafkaSecurity(
        protocol=SecurityProtocol.SASL_SSL, mechanism=mechanism, username="a", password=SecretStr("b")
    )
    built = build_security(security)
    assert type(built) is kind
    assert built.ssl_context is client_arguments(KafkaAccess(bootstrap="h", security=security))["ssl_context"]
