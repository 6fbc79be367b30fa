"""The OpenAPI documents of the services, as the services themselves would serve them."""

from collections.abc import Iterator

from services.cli.artefacts.artefact import Artefact, build_json_artefact
from services.intake import api as intake
from services.notify import api as notify
from services.routing import api as routing

FOLDER = "schemas/openapi"


def build_openapi() -> Iterator[Artefact]:
    """One file for each service that answers over HTTP."""
    yield build_json_artefact(f"{FOLDER}/intake.json", intake.build_document())
    yield build_json_artefact(f"{FOLDER}/notify.json", notify.build_document())
    yield build_json_artefact(f"{FOLDER}/routing.json", routing.build_document())
