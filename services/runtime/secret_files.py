"""Secrets from files: `TOCSIN_X_FILE` names the file that holds what `TOCSIN_X` would say.

Every field that is a `SecretStr` can be given so. A variable is seen by whoever may look at the process; a
file is seen by whom its mode allows, and is what Docker, Kubernetes and systemd hand secrets over in.
"""

import os
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict


class SecretFileError(ValueError):
    """A secret's file cannot be read, or the secret is given twice. Names the variable, never the secret."""


class SecretFiles(PydanticBaseSettingsSource):
    """The values of secret fields whose `…_FILE` variable is set."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        path = os.environ.get(f"{variable}_FILE") if _is_secret(field) else None  # noqa: TID251 -- this reads settings
        if not path:
            return None, field_name, False
        if os.environ.get(variable):  # noqa: TID251 -- likewise
            raise SecretFileError(f"{variable} and {variable}_FILE are both set: which one counts?")
        try:
            return Path(path).read_text().strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise SecretFileError(f"{variable}_FILE cannot be read ({type(error).__name__})") from error

    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


class FileAwareSettings(BaseSettings):
    """Frozen settings from `TOCSIN_*`, whose secrets may come from files."""

    model_config = SettingsConfigDict(
        env_prefix="TOCSIN_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- the library passes it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, SecretFiles(settings_cls)


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)
