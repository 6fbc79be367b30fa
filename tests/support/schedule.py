"""Which worker runs what, and when: a whole file, or a folder whose files share what is costly to start."""

from pathlib import PurePosixPath
from typing import Any, Final

from xdist.scheduler.loadscope import LoadScopeScheduling

SHARED: Final = "shared"
"""The name of a folder whose files run on one worker."""


def find_unit(node_id: str) -> str:
    """What runs on one worker together with this test."""
    file = PurePosixPath(node_id.partition("::")[0])
    return str(file.parent if file.parent.name == SHARED else file)


class Schedule(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """In the order of collection: acceptance tests take longest and come first, quick unit tests end it."""

    def __init__(self, config: Any, log: Any = None) -> None:  # noqa: ANN401 -- xdist's
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return find_unit(nodeid)
