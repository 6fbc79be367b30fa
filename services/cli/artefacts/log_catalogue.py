"""docs/logs.md: every line that a log may hold, from the catalogues that let it pass."""

from collections.abc import Mapping
from typing import Final

from services.cli.artefacts.artefact import Artefact
from services.devstack import logbook as devstack
from services.intake import logbook as intake
from services.notify import logbook as notify
from services.routing import logbook as routing
from services.runtime import logbook as runtime
from services.runtime.logbook import Catalogue, render_catalogue

PATH: Final = "docs/logs.md"

CATALOGUES: Final[Mapping[str, Catalogue]] = {
    "Every service": runtime.CATALOGUE,
    "intake": intake.CATALOGUE,
    "routing": routing.CATALOGUE,
    "notify": notify.CATALOGUE,
    "tocsin up": devstack.CATALOGUE,
}


def build_log_catalogue() -> Artefact:
    return Artefact(PATH, render_catalogue(CATALOGUES))
