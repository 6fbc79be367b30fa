"""A running stack on a clock of the test's, with a witness behind every agency."""

import asyncio
import os
import queue
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import asyncpg
import orjson

from services.devstack.datadir import write_atomically
from services.runtime.shifted_clock import SHIFT, VARIABLE
from tests.faults.stories import UNDRILLED
from tests.faults.witnesses import Endpoints, open_endpoints
from tests.support.mailbox import Mailbox, open_mailbox
from tests.support.stack import RunningStack, running_stack
from tests.support.story import CHILD_WELFARE, CaseEvent
from tests.support.task_force import POINTER, make_folder, member_agencies
from tests.support.waiting import eventually

T = TypeVar("T")

AWAY = (OSError, aiohttp.ClientError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)
"""What everybody is told of whose server is just being killed."""

OUTAGE_SECONDS = 5.0
"""As long as notify or PostgreSQL need to be back, and a little."""

PATIENCE_SECONDS = 90.0
"""How long a member system insists before the suite gives up."""
_PAUSE_SECONDS = 0.1
HOLD_SECONDS = 2.0
_QUICK = aiohttp.ClientTimeout(total=10)


@dataclass
class Scene:
    """Everything outside of the services, and the supervisor that keeps them running."""

    stack: RunningStack
    endpoints: Endpoints
    mailbox: Mailbox
    http: aiohttp.ClientSession
    folder: Path
    clock_file: Path
    offsets: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 0.0)])
    """(monotonic instant, seconds that the clock is ahead from then on)."""
    cut: list[tuple[float, float]] = field(default_factory=list)
    """From when until when notify could not write down what its attempts came to, or lost what it had."""
    _killed: set[int] = field(default_factory=set)
    _accepted: asyncio.Event = field(default_factory=asyncio.Event)

    # What member systems and agencies do: they ask until they are answered.

    async def report(self, event: CaseEvent) -> None:
        """Sends an event until it is accepted, as a member system must."""
        url, key = f"{self.stack.ready['intake']}/v1/events", self.stack.keys["sources"][event["source"]]
        await self._insist(url, key, "application/cloudevents+json", event, done={202}, again={429, 503})
        self._accepted.set()

    async def acknowledge(self, alert_id: str, *, agency: str) -> bool:
        """Whether it could be acknowledged: not when it was withdrawn meanwhile."""
        url = f"{self.stack.ready['notify']}/v1/alerts/{alert_id}/acknowledge"
        body, key = {"person": "J. Ortiz", "role": "duty desk"}, self.stack.keys["agencies"][agency]
        status = await self._insist(url, key, "application/json", body, done={200, 404}, again={503})
        return status == 200

    async def read_feed(self, agency: str) -> list[str]:
        """Ids of everything that the agency could pull, from the beginning."""
        headers = {"Authorization": f"Bearer {self.stack.keys['agencies'][agency]}"}
        found: list[str] = []
        after = "0"
        while True:
            url = f"{self.stack.ready['notify']}/v1/alerts?after={after}"
            async with self.http.get(url, headers=headers) as answer:
                page = orjson.loads(await answer.read())
            if not page["alerts"]:
                return found
            found += [alert.get("alert_id") or alert["notice_id"] for alert in page["alerts"]]
            after = page["next"]

    async def _insist(
        self, url: str, key: str, kind: str, body: object, *, done: set[int], again: set[int]
    ) -> int:
        headers = {"Content-Type": kind, "Authorization": f"Bearer {key}"}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with suppress(*AWAY):
                async with self.http.post(url, data=orjson.dumps(body), headers=headers) as answer:
                    text = await answer.text()
                    if answer.status in done:
                        return answer.status
                    assert answer.status in again, f"{url}: {answer.status} {text}"
            await asyncio.sleep(_PAUSE_SECONDS)
        raise AssertionError(f"not within {PATIENCE_SECONDS} s: {url}")

    # What goes wrong.

    async def kill(self, name: str, *, number: signal.Signals = signal.SIGKILL) -> int:
        """To a process that runs: one that was ended before has been started again. Its pid."""

        async def find() -> int | None:
            pid = self.stack.pids.get(name)
            if pid is None or pid in self._killed:
                return None
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return None
            return pid

        pid = await eventually(find, what=f"{name} runs")
        self._killed.add(pid)
        if name in {"notify", "postgres"}:
            self._cut()
        return pid

    @asynccontextmanager
    async def unsent(self) -> AsyncIterator[None]:
        """The broker stands still while the block runs: what routing decided last is stored and has not left.

        Where nothing is decided, or a server is away, it is any other moment.
        """
        broker = self.stack.pids.get("kafka", 0)
        try:
            with suppress(*AWAY, AssertionError):
                await self.ask(lambda database: _stop_after_a_decision(database, broker))
            yield
        finally:
            with suppress(ProcessLookupError):
                os.kill(broker, signal.SIGCONT)

    async def end(self, name: str, *, number: signal.Signals) -> None:
        """Returns when the process is no more: one that ends in order serves for a moment longer."""
        pid = await self.kill(name, number=number)

        async def is_gone() -> bool:
            return self.stack.pids.get(name) != pid

        await eventually(is_gone, what=f"{name} has ended")

    async def shift(self, seconds: float) -> None:
        """Moves every clock by so much: PostgreSQL's at once, then the services'."""
        offset = self.offsets[-1][1] + seconds

        async def write() -> bool:
            await self.ask(lambda database: database.execute(SHIFT, timedelta(seconds=offset)))
            return True

        await persist(write, what="PostgreSQL's clock is moved")
        write_atomically(self.clock_file, str(offset))
        self.offsets.append((time.monotonic(), offset))
        # A lease that ends ahead of its time is another attempt.
        self._cut()

    def _cut(self) -> None:
        now = time.monotonic()
        self.cut.append((now, now + OUTAGE_SECONDS))

    async def next_accepted(self, *, seconds: float) -> None:
        """Returns when the next event is accepted, or after so long."""
        self._accepted.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._accepted.wait()

    # What is seen past the services.

    async def ask(self, question: "Callable[[asyncpg.Connection[Any]], Awaitable[T]]") -> T:
        connection = await asyncpg.connect(self.stack.ready["postgres"], timeout=10)
        try:
            return await question(connection)
        finally:
            connection.terminate()

    async def fetch(self, statement: str) -> list[asyncpg.Record]:
        return await persist(
            lambda: self.ask(lambda database: database.fetch(statement)), what="PostgreSQL answers"
        )

    async def wait_until_ready(self) -> None:
        """Every service says that work would be done now."""

        async def is_ready() -> bool:
            for name in ("intake", "routing", "notify"):
                async with self.http.get(f"{self.stack.ready[name]}/readyz", timeout=_QUICK) as answer:
                    if answer.status != 200:
                        return False
            return True

        await persist(is_ready, what="every service is ready")

    def keep_log(self) -> Path:
        """Everything that the stack said, in a file."""
        with suppress(queue.Empty):
            while self.stack.log.next_line(seconds=0) is not None:
                pass
        path = self.folder / "stack.log"
        path.write_text("\n".join(self.stack.log.seen))
        return path


async def _stop_after_a_decision(database: "asyncpg.Connection[Any]", broker: int) -> None:
    """Holds a decision up as it is being stored, stops the broker, and lets go."""
    async with database.transaction():
        await database.execute("LOCK TABLE routing.decision IN SHARE MODE")
        count = await database.fetchval(_COUNT_DECISIONS)
        await eventually(
            lambda: database.fetchval(_IS_HELD_UP), what="a decision is held up", seconds=HOLD_SECONDS
        )
        os.kill(broker, signal.SIGSTOP)

    async def is_stored() -> bool:
        return bool(await database.fetchval(_COUNT_DECISIONS) > count)

    await eventually(is_stored, what="the decision is stored", seconds=HOLD_SECONDS)


_COUNT_DECISIONS = "SELECT count(*) FROM routing.decision"
_IS_HELD_UP = "SELECT count(*) FROM pg_locks WHERE relation = 'routing.decision'::regclass AND NOT granted"


async def persist(find: Callable[[], Awaitable[T]], *, what: str) -> T:
    """The first answer that says something, of a server that may be away for a while."""
    kept: list[T] = []

    async def try_once() -> bool:
        try:
            answer = await find()
        except AWAY:
            return False
        kept.append(answer)
        return answer is not False

    await eventually(try_once, what=what, seconds=PATIENCE_SECONDS)
    return kept[-1]


@asynccontextmanager
async def open_scene(environment: Mapping[str, str] | None = None, *, note: str = "") -> AsyncIterator[Scene]:
    """The sample task force with witnesses, started and ready; stopped after the block.

    Whatever goes wrong in it gets the note, and says where the stack's log is.
    """
    folder = make_folder()
    clock_file = folder / "clock"
    clock_file.write_text("0")
    timeout = aiohttp.ClientTimeout(total=30)
    async with (
        open_endpoints() as endpoints,
        open_mailbox() as mailbox,
        # A connection for each request: which of the kept ones outlives a kill, nobody knows.
        aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(force_close=True)) as http,
    ):
        file = folder / "directory.json"
        file.write_bytes(orjson.dumps(_build_directory(endpoints)))
        words = ("--directory", str(file), "--smtp", f"127.0.0.1:{mailbox.port}")
        variables = {VARIABLE: str(clock_file), **(environment or {})}
        with running_stack(*words, data_dir=folder / "data", environment=variables) as stack:
            await asyncio.to_thread(stack.wait_until_ready)
            scene = Scene(stack, endpoints, mailbox, http, folder, clock_file)
            try:
                yield scene
            except BaseException as error:
                error.add_note(f"{note} what the stack said: {scene.keep_log()}".strip())
                raise
            finally:
                await asyncio.to_thread(stack.stop)
    shutil.rmtree(folder)


def _build_directory(endpoints: Endpoints) -> dict[str, Any]:
    """The sample, with a witness for each agency and two for child welfare."""
    agencies: dict[str, list[dict[str, object]]] = {
        agency: [_describe(endpoints, agency, agency=agency, content="disclosed")]
        for agency in member_agencies()
    }
    agencies[CHILD_WELFARE].append(_describe(endpoints, POINTER, agency=CHILD_WELFARE, content="pointer"))
    return {"extends": "sample", "agencies": [{"id": k, "endpoints": v} for k, v in agencies.items()]}


def _describe(endpoints: Endpoints, name: str, *, agency: str, content: str) -> dict[str, object]:
    made = endpoints.add(name, agency=agency)
    drilled = agency != UNDRILLED
    return {"url": made.url, "secret": made.secret, "content": content, "exercises": drilled}
