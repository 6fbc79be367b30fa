"""A notify that the tests of a module share: it costs more to start than what most of them ask of it.

Each test finds that nothing has happened, and a receiver and a mail server as new.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.runtime.crypto import hash_api_key
from tests.integration.notify.rig import Rig, running_notify
from tests.integration.notify.standing.at_work import MAIL_FROM, OPERATOR, Standing
from tests.support.mailbox import Mailbox, open_mailbox
from tests.support.receivers import Receivers, open_receivers


@pytest.fixture
def rig(shared_rig: Rig) -> Rig:
    return shared_rig


@pytest_asyncio.fixture(loop_scope="module")
async def receivers() -> AsyncIterator[Receivers]:
    async with open_receivers() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_mailbox() -> AsyncIterator[Mailbox]:
    async with open_mailbox() as opened:
        yield opened


@pytest.fixture
def mailbox(module_mailbox: Mailbox) -> Mailbox:
    """Which holds nothing and takes everything."""
    module_mailbox.begin_anew()
    return module_mailbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(module_rig: Rig, module_mailbox: Mailbox) -> AsyncIterator[Standing]:
    settings = module_rig.settings(
        mailbox=module_mailbox,
        notify_mail_from=MAIL_FROM,
        notify_operator_keys=hash_api_key(OPERATOR),
    )
    async with running_notify(module_rig, settings) as running:
        yield Standing(module_rig, running)
