"""A database, a broker, receivers and a mail server: of each test's own, or shared by a module."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
import uvloop

from services.notify import logbook
from services.runtime.crypto import Kek, generate_key_file
from services.runtime.logs import capture_logs
from tests.integration.notify.rig import Rig
from tests.support.certificates import Certificates, make_certificates
from tests.support.mailbox import Mailbox, open_mailbox
from tests.support.receivers import Receivers, open_receivers
from tests.support.servers import Broker, Database


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of production."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    Kek.generate_file(folder / "kek.json")
    generate_key_file(folder / "deployment.key")
    return folder


@pytest.fixture
async def rig(database: Database, broker: Broker, secrets: Path) -> AsyncIterator[Rig]:
    async with asyncpg.create_pool(database.admin, min_size=0, max_size=2) as admin:
        yield Rig(database, broker, secrets, admin)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_rig(shared_database: Database, shared_broker: Broker, secrets: Path) -> AsyncIterator[Rig]:
    """One for the tests of a module, whose `loop_scope` is "module"."""
    async with asyncpg.create_pool(shared_database.admin, min_size=0, max_size=2) as admin:
        yield Rig(shared_database, shared_broker, secrets, admin)


@pytest_asyncio.fixture(loop_scope="module")
async def shared_rig(module_rig: Rig) -> Rig:
    """The module's, in which nothing has happened: of earlier tests only the directory is left."""
    await module_rig.forget()
    return module_rig


@pytest.fixture
async def receivers() -> AsyncIterator[Receivers]:
    async with open_receivers() as opened:
        yield opened


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with open_mailbox() as opened:
        yield opened


@pytest.fixture
def logs() -> Iterator[list[dict[str, object]]]:
    """Every line written meanwhile; one that the catalogue does not allow fails the test."""
    with capture_logs(logbook.CATALOGUE) as lines:
        yield lines


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))
