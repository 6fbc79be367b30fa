"""A rig for every test, on a database and a broker of its own, with the sample directory applied."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.routing import logbook
from services.runtime.crypto import Kek, generate_key_file
from services.runtime.logs import capture_logs
from tests.integration.routing.rig import Rig, Routing, open_rig
from tests.support.servers import Broker, Database


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    Kek.generate_file(folder / "kek.json")
    generate_key_file(folder / "deployment.key")
    return folder


@pytest.fixture
async def rig(database: Database, broker: Broker, secrets: Path) -> AsyncIterator[Rig]:
    async with open_rig(database, broker, secrets) as opened:
        yield opened


@pytest.fixture
async def routing(rig: Rig) -> AsyncIterator[Routing]:
    async with rig.open_routing() as opened:
        yield opened


@pytest.fixture
def logs() -> Iterator[list[dict[str, object]]]:
    with capture_logs(logbook.CATALOGUE) as lines:
        yield lines
