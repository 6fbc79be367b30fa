"""Programs that run once and end: their output is kept for the message when they fail."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.devstack.account import Account
from services.devstack.errors import StartError


async def run_once(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    directory: Path | None = None,
    account: Account | None = None,
) -> None:
    """Raises StartError with the last words of the program if it does not end with 0."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(environment),
        cwd=directory,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        last_words = "\n".join(output.decode(errors="replace").strip().splitlines()[-5:])
        raise StartError(f"{Path(command[0]).name} failed (exit code {process.returncode}):\n{last_words}")
