"""A rig for every test, in which nothing is but the sample directory: on servers that its module shares."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from services.routing import logbook
from services.runtime.crypto import Kek, generate_key_file
from services.runtime.logs import capture_logs
from tests.integration.routing.ground import Ground, open_ground
from tests.integration.routing.rig import Rig, Routing
from tests.support.servers import Broker, Database


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    Kek.generate_file(folder / "kek.json")
    generate_key_file(folder / "deployment.key")
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(shared_database: Database, shared_broker: Broker, secrets: Path) -> AsyncIterator[Ground]:
    async with open_ground(shared_database, shared_broker, secrets) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def rig(ground: Ground) -> Rig:
    return await ground.begin()


@pytest_asyncio.fixture(loop_scope="module")
async def own_rig(database: Database, broker: Broker, secrets: Path) -> AsyncIterator[Rig]:
    """For a module whose tests run the service: it reads a topic from its beginning."""
    async with open_ground(database, broker, secrets) as opened:
        yield await opened.begin()


@pytest_asyncio.fixture(loop_scope="module")
async def routing(rig: Rig) -> AsyncIterator[Routing]:
    async with rig.open_routing() as opened:
        yield opened


@pytest.fixture
def logs() -> Iterator[list[dict[str, object]]]:
    with capture_logs(logbook.CATALOGUE) as lines:
        yield lines
