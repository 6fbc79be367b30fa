"""Protocol packs as operators see them."""

from typing import Annotated, Final

from pydantic import AwareDatetime, StringConstraints

from schemas.base import WireModel
from services.routing.publication import PackState

PACK_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,63}@[0-9]+\.[0-9]+\.[0-9]+$"


class ApprovalRequest(WireModel):
    """What is approved: the content with this SHA-256."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ShownPack(WireModel):
    """A published version. `effective_from` is when it decides: null before another operator approved it.

    `changed` is false if the request found it as it was.
    """

    pack: str
    state: PackState
    sha256: str
    in_force_from: AwareDatetime
    effective_from: AwareDatetime | None
    author: str
    published_at: AwareDatetime
    approver: str | None
    approved_at: AwareDatetime | None
    changed: bool


class ShownPacks(WireModel):
    """Every version ever published."""

    packs: list[ShownPack]
