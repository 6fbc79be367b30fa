"""Signing requests as an operator, with a key from a file or an operator whose key a stack keeps."""

import base64
from datetime import datetime
from pathlib import Path

from schemas.operator import Purpose, Statement, render_instant
from services.cli.stack_state import Stack
from services.runtime.crypto import KeyFileError
from services.runtime.ed25519 import SigningKey


class NoSigningKeyError(Exception):
    """There is no key to sign with; the text says what to do."""


def sign_request(key: SigningKey, *, purpose: Purpose, subject: str, digest: str, at: datetime) -> str:
    """The value of the `Tocsin-Signature` header."""
    statement = Statement(purpose=purpose, public_key=key.public, at=at, subject=subject, digest=digest)
    signature = base64.b64encode(key.sign(statement.canonical())).decode()
    return f"{key.public} {render_instant(at)} {signature}"


def find_signing_key(file: Path | None, operator: str | None, stack: Stack | None) -> SigningKey:
    """Of a file; of an operator whose key this stack keeps. Raises NoSigningKeyError."""
    if file is not None:
        try:
            return SigningKey.load(file)
        except KeyFileError as error:
            raise NoSigningKeyError(str(error)) from error
    kept = {} if stack is None else stack.keys.operators
    if operator is None or operator not in kept:
        raise NoSigningKeyError(_say_what_to_do(operator, list(kept)))
    return SigningKey.parse(kept[operator])


def _say_what_to_do(operator: str | None, kept: list[str]) -> str:
    missing = "say who signs" if operator is None else f"the key of {operator} is not kept here"
    choice = f", or --operator with one whose key this stack keeps: {', '.join(kept)}" if kept else ""
    return (
        f"{missing}: --key with a file of `tocsin operator new-key`, whose public key the directory has "
        f"among its `operators`{choice}"
    )
