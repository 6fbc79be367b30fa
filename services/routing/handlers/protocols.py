"""Telling at start which packs decide."""

import hashlib

from services.routing.rules import PackSet
from services.runtime.logs import get_logger

log = get_logger()


def announce_packs(packs: PackSet) -> None:
    """The hash is of what the pack says, whatever its layout and comments."""
    for version in packs.versions:
        content = version.pack.model_dump_json(by_alias=True).encode()
        log.info(
            "pack.loaded",
            pack=version.label,
            rule_count=len(version.pack.rules),
            sha256=hashlib.sha256(content).hexdigest(),
        )
