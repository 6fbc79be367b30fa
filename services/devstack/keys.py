"""The secrets of one stack: made at its first start, kept in its data directory, for its owner alone."""

import json
import secrets
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.directory import DirectoryFile
from services.devstack.database import ROLES
from services.devstack.datadir import DataDirectory, write_atomically
from services.devstack.errors import DataDirectoryError
from services.runtime.crypto import Kek, generate_key_file, new_api_key
from services.runtime.ed25519 import SigningKey


class Keys(BaseModel):
    """`keys.json`: what it takes to talk to the stack, in every part."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    operator: str = Field(repr=False)
    sources: dict[str, str] = Field(default={}, repr=False)
    """Source URN → key."""
    agencies: dict[str, str] = Field(default={}, repr=False)
    """Agency id → key for the agency API."""
    endpoints: dict[str, list[str]] = Field(default={}, repr=False)
    """Agency id → webhook secrets."""
    operators: dict[str, str] = Field(default={}, repr=False)
    """Operator id → private key as PEM."""


def ensure_key_files(directory: DataDirectory) -> None:
    """Makes the key-encryption key and the deployment key where they are missing."""
    if not directory.kek_file.exists():
        Kek.generate_file(directory.kek_file)
    if not directory.deployment_key_file.exists():
        generate_key_file(directory.deployment_key_file)


def ensure_passwords(directory: DataDirectory) -> dict[str, str]:
    """A password for each database role. Raises DataDirectoryError when the file is unreadable."""
    path = directory.passwords_file
    if not path.exists():
        passwords = {role: secrets.token_urlsafe(24) for role in ROLES}
        write_atomically(path, json.dumps(passwords))
        return passwords
    try:
        read = json.loads(path.read_text())
        return {role: str(read[role]) for role in ROLES}
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataDirectoryError(f"{path} is not readable as a file of passwords.") from error


def ensure_keys(directory: DataDirectory) -> Keys:
    """The stack's API keys; at first only the operator's."""
    if not directory.keys_file.exists():
        keys = Keys(operator=new_api_key("tco"))
        write_keys(directory.keys_file, keys)
        return keys
    return read_keys(directory.keys_file)


def read_keys(path: Path) -> Keys:
    """Raises DataDirectoryError."""
    try:
        return Keys.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataDirectoryError(f"{path} is not readable as a file of keys.") from error


def write_keys(path: Path, keys: Keys) -> None:
    write_atomically(path, keys.model_dump_json(indent=2) + "\n")


def complete(
    keys: Keys, *, sources: Iterable[str], agencies: Iterable[str], operators: Iterable[str] = ()
) -> Keys:
    """The same keys, and new ones for whoever has none."""
    new_sources = {urn: new_api_key("tcs") for urn in sources if urn not in keys.sources}
    new_agencies = {name: new_api_key("tca") for name in agencies if name not in keys.agencies}
    new_operators = {name: SigningKey.generate().render() for name in operators if name not in keys.operators}
    return keys.model_copy(
        update={
            "sources": {**keys.sources, **new_sources},
            "agencies": {**keys.agencies, **new_agencies},
            "operators": {**keys.operators, **new_operators},
        }
    )


def with_directory(keys: Keys, directory: DirectoryFile) -> Keys:
    """The keys that a directory, once applied, gives out; the operator's API key stays.

    Of the operators' private keys those stay whose public ones the directory has.
    """
    public_keys = {operator.public_key for operator in directory.operators}
    return keys.model_copy(
        update={
            "sources": {source.source: source.key for source in directory.sources if source.key is not None},
            "agencies": {agency.id: agency.keys[0] for agency in directory.agencies if agency.keys},
            "endpoints": {
                agency.id: [endpoint.secret for endpoint in agency.endpoints if endpoint.secret is not None]
                for agency in directory.agencies
                if agency.endpoints
            },
            "operators": {
                name: pem
                for name, pem in keys.operators.items()
                if SigningKey.parse(pem).public in public_keys
            },
        }
    )
