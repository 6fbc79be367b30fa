"""`tocsin`, as a user types it."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tests.support.stack import COMMAND, ROOT


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended and what it said."""

    exit_code: int
    output: str
    errors: str

    def json(self) -> Any:  # noqa: ANN401 - any JSON
        return orjson.loads(self.output)


async def tocsin(
    *words: object, standard_input: bytes = b"", environment: Mapping[str, str] | None = None
) -> Done:
    """Runs a command to its end, with nothing of ours in its environment but what is given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *(str(word) for word in words),
        cwd=ROOT,
        env={**clean, "COLUMNS": "100", **(environment or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate(standard_input)
    assert process.returncode is not None
    return Done(process.returncode, output.decode(), errors.decode())
