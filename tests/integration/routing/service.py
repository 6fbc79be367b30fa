"""The whole of routing: in this process, or as a process of its own that can be killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from pydantic import SecretStr

from schemas.operator import SIGNATURE_HEADER
from services.devstack.ask import Answer, ask
from services.routing.app import run_routing
from services.routing.settings import RoutingSettings
from services.runtime.crypto import hash_api_key
from services.runtime.lifecycle import ExitCode, Lifetime
from services.runtime.settings import Durability
from tests.integration.routing.rig import Rig
from tests.support.ports import free_port
from tests.support.waiting import SECONDS

OPERATOR_KEY = "tco_0123456789abcdef0123456789abcdef"


async def wait_for(fact: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await fact():  # noqa: ASYNC110 -- it happens behind a server
            await asyncio.sleep(0.02)


def build_settings(rig: Rig, **changes: Any) -> RoutingSettings:  # noqa: ANN401 -- settings of any type
    return RoutingSettings(
        **changes,
        port=free_port(),
        kafka=rig.broker.bootstrap,
        kafka_membership=rig.broker.server.membership,
        kafka_idempotence=rig.broker.server.idempotence,
        database_url=SecretStr(rig.database.url("routing")),
        kek_file=rig.secrets / "kek.json",
        deployment_key_file=rig.secrets / "deployment.key",
        durability=Durability.MEMORY,
        routing_operator_keys=(hash_api_key("tco_another"), hash_api_key(OPERATOR_KEY)),
    )


def build_environment(settings: RoutingSettings) -> Mapping[str, str]:
    return {
        **os.environ,
        "TOCSIN_LOG_FORMAT": "json",
        "TOCSIN_PORT": str(settings.port),
        "TOCSIN_KAFKA": settings.kafka,
        "TOCSIN_KAFKA_MEMBERSHIP": settings.kafka_membership.value,
        "TOCSIN_KAFKA_IDEMPOTENCE": str(settings.kafka_idempotence),
        "TOCSIN_DATABASE_URL": settings.database_url.get_secret_value(),
        "TOCSIN_KEK_FILE": str(settings.kek_file),
        "TOCSIN_DEPLOYMENT_KEY_FILE": str(settings.deployment_key_file),
        "TOCSIN_DURABILITY": settings.durability.value,
        "TOCSIN_ROUTING_OPERATOR_KEYS": ",".join(settings.routing_operator_keys),
    }


@dataclass(frozen=True)
class Service:
    """Somebody's routing, over HTTP."""

    url: str

    async def ask(
        self,
        method: str,
        path: str,
        *,
        key: str | None = OPERATOR_KEY,
        body: bytes | None = None,
        signature: str | None = None,
    ) -> Answer:
        """With an operator's API key, or signed."""
        headers = {} if key is None or signature else {"Authorization": f"Bearer {key}"}
        headers |= {SIGNATURE_HEADER: signature} if signature else {}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, headers=headers, data=body) as response,
        ):
            return Answer(response.status, await response.read())

    async def is_alive(self) -> bool:
        return await ask("GET", f"{self.url}/livez") is not None

    async def is_ready(self) -> bool:
        answer = await ask("GET", f"{self.url}/readyz")
        return answer is not None and answer.status == 200

    async def failing(self) -> dict[str, str]:
        checks: dict[str, Any] = (await self.ask("GET", "/readyz")).json()["checks"]
        return {name: told for name, told in checks.items() if told != "ok"}


@dataclass(frozen=True)
class RunningService(Service):
    """In this process."""

    lifetime: Lifetime
    running: "asyncio.Task[None]"

    async def wait_exit(self) -> ExitCode:
        async with asyncio.timeout(SECONDS):
            await self.running
        return self.lifetime.exit_code


@asynccontextmanager
async def running_service(settings: RoutingSettings) -> AsyncIterator[RunningService]:
    """Runs within the block; returns when it listens."""
    lifetime = Lifetime()
    running = asyncio.create_task(run_routing(settings, lifetime))
    service = RunningService(f"http://{settings.host}:{settings.port}", lifetime, running)
    try:
        await wait_for(service.is_alive)
        yield service
    finally:
        lifetime.stop(reason="test")
        await running


class ServiceProcess:
    """A process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.service = Service(url)

    async def kill(self) -> None:
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        """The exit code after an orderly stop."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        return await self._process.wait()


@asynccontextmanager
async def service_process(settings: RoutingSettings) -> AsyncIterator[ServiceProcess]:
    """Runs within the block; returns when it is ready."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.routing"), env=build_environment(settings)
    )
    own = ServiceProcess(process, f"http://{settings.host}:{settings.port}")
    try:
        await wait_for(own.service.is_ready)
        yield own
    finally:
        await own.stop()
