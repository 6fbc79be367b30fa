"""The secret that a receiver must have before it is tried."""

import os
import re
from pathlib import Path

import typer

from services.cli.operating import USAGE_ERROR, fail
from services.runtime.crypto import new_webhook_secret

MADE = 3
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{32,}={0,2}")


def read_or_make_secret(path: Path, *, command: str) -> str:
    """What the file holds; ends the command with 3 if it had to be made, with 2 if it is no secret."""
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        _make(path, command=command)
        raise typer.Exit(MADE) from None
    except OSError as error:
        fail(command, f"{path} cannot be read: {error.strerror}", USAGE_ERROR)
    if _SECRET.fullmatch(text) is None:
        fail(command, f"{path} does not hold a secret (whsec_ and base64 of 24 bytes or more)", USAGE_ERROR)
    return text


def _make(path: Path, *, command: str) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(new_webhook_secret() + "\n")
    except OSError as error:
        fail(command, f"{path} cannot be written: {error.strerror}", USAGE_ERROR)
    print(f"A fresh secret is in {path}. Give it to the agency's receiver, then run this again.")
