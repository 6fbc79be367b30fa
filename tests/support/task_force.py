"""A task force on the real services: a receiver behind every agency, a mailbox, and each side's desk."""

import asyncio
import os
import queue
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Generic, TypeVar

import aiohttp
import asyncpg
import orjson

from schemas.operator import SIGNATURE_HEADER, Purpose, digest_query
from services.cli.signing import sign_request
from services.devstack.directory import load_sample
from services.runtime.clock import SystemClock
from services.runtime.ed25519 import SigningKey
from tests.support.mailbox import Mail, Mailbox, open_mailbox
from tests.support.receivers import Arrival, Receivers, open_receivers
from tests.support.stack import RunningStack, running_stack
from tests.support.story import CHILD_WELFARE, CaseEvent
from tests.support.waiting import SECONDS, eventually

SERVICES = ("intake", "routing", "notify")
POINTER = f"{CHILD_WELFARE}-pointer"
"""The second endpoint of child welfare, which is only pointed to its alerts."""

T = TypeVar("T")

_LINK = re.compile(r"/a/([0-9a-f-]{36})")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read to its end."""

    url: str
    status: int
    headers: Mapping[str, str]
    """By name, in whatever case."""
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - any JSON
        return orjson.loads(self.body)


class Index(Generic[T]):
    """A growing list by what its items are about; each is read once."""

    def __init__(self, about: Callable[[T], str | None]) -> None:
        self._about = about
        self._read_count = 0
        self._by_subject: dict[str | None, list[T]] = {}

    def find(self, subject: str, items: Sequence[T]) -> list[T]:
        for item in items[self._read_count :]:
            self._by_subject.setdefault(self._about(item), []).append(item)
        self._read_count = len(items)
        return list(self._by_subject.get(subject, ()))


@dataclass
class TaskForce:
    """What happens on the outside of a running stack."""

    stack: RunningStack
    receivers: Receivers
    mailbox: Mailbox
    http: aiohttp.ClientSession
    folder: Path
    agencies: Sequence[str]
    answers: list[Answer] = field(default_factory=list)
    """Every answer anybody got, in order."""
    _webhooks: dict[str, Index[Arrival]] = field(default_factory=dict)
    _letters: Index[Mail] = field(default_factory=lambda: Index(_alert_of))

    # What a member system does.

    async def post(self, event: object, *, key: str | None = None, **headers: str) -> Answer:
        """Sends an event, or whatever it is, with its source's key."""
        if isinstance(event, Mapping) and key is None:
            key = self.stack.keys["sources"][event["source"]]
        body = event if isinstance(event, bytes) else orjson.dumps(event)
        sent = {"Content-Type": "application/cloudevents+json", "Authorization": f"Bearer {key}", **headers}
        return await self._ask("POST", f"{self.url('intake')}/v1/events", data=body, headers=sent)

    async def accept(self, *events: CaseEvent) -> None:
        """Sends events that must be accepted."""
        for event in events:
            answer = await self.post(event)
            assert answer.status == HTTPStatus.ACCEPTED, answer.body

    async def insist(self, event: CaseEvent) -> int:
        """Sends an event until it is accepted, as a member system must; how often it was told 503."""
        refused = 0
        async with asyncio.timeout(SECONDS):
            while (status := await self._try_to_post(event)) != HTTPStatus.ACCEPTED:
                assert status in {None, HTTPStatus.SERVICE_UNAVAILABLE}, status
                refused += status is not None
                await asyncio.sleep(0.02)
        return refused

    async def status_of(self, event: CaseEvent) -> dict[str, Any]:
        """What its source is told, once it is decided."""
        key = self.stack.keys["sources"][event["source"]]

        async def find() -> dict[str, Any] | None:
            answer = await self.get(f"{self.url('intake')}/v1/events/{event['id']}", key=key)
            return answer.json() if answer.status == HTTPStatus.OK else None

        return await eventually(find, what=f"{event['id']} is decided")

    # What an agency sees.

    def heard(self, agency: str, event: CaseEvent) -> list[Arrival]:
        """The webhooks about an event that came so far, repeats included."""
        index = self._webhooks.setdefault(agency, Index(_event_of))
        return index.find(event["id"], self.receivers[agency].arrivals)

    async def hears(self, agency: str, event: CaseEvent) -> Arrival:
        """The first webhook about an event, which must come and verify."""
        return (await self.hears_often(agency, event, 1))[0]

    async def hears_often(self, agency: str, event: CaseEvent, count: int) -> list[Arrival]:
        """All webhooks about an event, once so many came; each must verify."""
        receiver = self.receivers[agency]
        try:
            async with asyncio.timeout(SECONDS), receiver.changed:
                await receiver.changed.wait_for(lambda: len(self.heard(agency, event)) >= count)
        except TimeoutError:
            raise AssertionError(f"{agency} did not hear {count} times of {event['id']}") from None
        arrivals = self.heard(agency, event)
        assert all(arrival.is_verified for arrival in arrivals)
        return arrivals

    def who_heard(self, event: CaseEvent) -> set[str]:
        return {agency for agency in self.agencies if self.heard(agency, event)}

    async def is_written_to(self, alert_id: str) -> Mail:
        """The e-mail about an alert, which must come."""
        mailbox, letters = self.mailbox, self._letters
        async with asyncio.timeout(SECONDS), mailbox.changed:
            await mailbox.changed.wait_for(lambda: letters.find(alert_id, mailbox.mails))
        return letters.find(alert_id, mailbox.mails)[0]

    async def ask_notify(
        self, method: str, path: str, *, agency: str | None, body: object | None = None
    ) -> Answer:
        """The agency API, with this agency's key."""
        headers = {} if agency is None else {"Authorization": f"Bearer {self.stack.keys['agencies'][agency]}"}
        data = None if body is None else orjson.dumps(body)
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        return await self._ask(method, f"{self.url('notify')}{path}", headers=headers, data=data)

    # What an operator sees.

    async def explain(self, event: CaseEvent) -> dict[str, Any]:
        """The ledger's one decision about an event."""
        key = SigningKey.parse(self.stack.keys["operators"]["op-ana"])

        async def find() -> dict[str, Any] | None:
            signature = sign_request(
                key,
                purpose=Purpose.EXPLAIN,
                subject=event["id"],
                digest=digest_query(source=None, agency=None),
                at=SystemClock().now(),
            )
            headers = {SIGNATURE_HEADER: signature}
            answer = await self._ask(
                "GET", f"{self.url('routing')}/v1/decisions/{event['id']}", headers=headers
            )
            return answer.json() if answer.status == HTTPStatus.OK else None

        found = await eventually(find, what=f"a decision about {event['id']}")
        assert len(found["decisions"]) == 1
        decision: dict[str, Any] = found["decisions"][0]
        return decision

    async def ready(self, *names: str) -> None:
        """Returns when these services, or all, say that they are ready."""

        async def find() -> bool:
            urls = [self.url(name) for name in names or SERVICES]
            return all([await self.readiness(url) == HTTPStatus.OK for url in urls])

        await eventually(find, what=f"{names or SERVICES} are ready")

    async def readiness(self, url: str) -> int | None:
        """The status of a service's /readyz; None if nobody answers."""
        try:
            return (await self.get(f"{url}/readyz")).status
        except aiohttp.ClientError:
            return None

    def log_lines(self) -> list[str]:
        """Everything the stack said so far."""
        while self._drain():
            pass
        return self.stack.log.seen

    def logged(self, event: str, **keys: object) -> list[dict[str, Any]]:
        """The log lines of this event with these values."""
        lines = (orjson.loads(line) for line in self.log_lines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event and keys.items() <= line.items()]

    @asynccontextmanager
    async def database(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        connection = await asyncpg.connect(self.stack.ready["postgres"])
        try:
            yield connection
        finally:
            await connection.close()

    # What happens to the processes.

    def freeze(self, name: str) -> None:
        """Its process goes on to exist, and does nothing."""
        os.kill(self.stack.pids[name], signal.SIGSTOP)

    @contextmanager
    def standing_still(self, name: str) -> Iterator[None]:
        self.freeze(name)
        try:
            yield
        finally:
            self.thaw(name)

    def ask_to_end(self, name: str) -> int:
        """SIGTERM, as an operator who restarts it; the pid it had. The supervisor starts it again."""
        pid = self.stack.pids[name]
        os.kill(pid, signal.SIGTERM)
        return pid

    def thaw(self, name: str) -> None:
        os.kill(self.stack.pids[name], signal.SIGCONT)

    def url(self, name: str) -> str:
        return str(self.stack.ready[name])

    async def get(self, url: str, *, key: str | None = None) -> Answer:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return await self._ask("GET", url, headers=headers)

    async def _ask(self, method: str, url: str, **options: Any) -> Answer:  # noqa: ANN401 - aiohttp's
        async with self.http.request(method, url, **options) as response:
            answer = Answer(url, response.status, response.headers.copy(), await response.read())
        self.answers.append(answer)
        return answer

    async def _try_to_post(self, event: CaseEvent) -> int | None:
        """None when nobody answers."""
        try:
            return (await self.post(event)).status
        except aiohttp.ClientError:
            return None

    def _drain(self) -> bool:
        try:
            return self.stack.log.next_line(seconds=0) is not None
        except queue.Empty:
            return False


@asynccontextmanager
async def open_task_force(
    changes: Iterable[Mapping[str, Any]] = (),
    *,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[TaskForce]:
    """The sample task force with an endpoint for each agency, started and ready; stopped after the block.

    `changes` are agencies of the directory file, merged into the sample after the endpoints.
    """
    folder = make_folder()
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    async with (
        open_receivers() as receivers,
        open_mailbox() as mailbox,
        # Shorter than the servers': a connection that is just being closed is not used once more.
        aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(keepalive_timeout=2)) as http,
    ):
        file = folder / "directory.json"
        file.write_bytes(orjson.dumps(build_directory(receivers, changes)))
        words = ("--directory", str(file), "--smtp", f"127.0.0.1:{mailbox.port}", *options)
        with running_stack(*words, data_dir=folder / "data", environment=environment) as stack:
            await asyncio.to_thread(stack.wait_until_ready)
            try:
                yield TaskForce(stack, receivers, mailbox, http, folder, list(member_agencies()))
            finally:
                await asyncio.to_thread(stack.stop)
    shutil.rmtree(folder)


def build_directory(receivers: Receivers, changes: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The directory file: the sample, with one endpoint for each agency and two for child welfare."""
    agencies: dict[str, dict[str, Any]] = {
        agency: {"id": agency, "endpoints": [build_endpoint(receivers, agency)]}
        for agency in member_agencies()
    }
    agencies[CHILD_WELFARE]["endpoints"] += [build_endpoint(receivers, POINTER, content="pointer")]
    for change in changes:
        agencies[change["id"]] |= change
    return {"extends": "sample", "agencies": list(agencies.values())}


def build_endpoint(receivers: Receivers, name: str, *, content: str = "disclosed") -> dict[str, Any]:
    return {"url": receivers[name].url, "secret": receivers[name].secret, "content": content}


def make_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tocsin-test-"))
    # The embedded database runs as another account when this is root: it must be able to pass through.
    folder.chmod(0o711)
    return folder


def member_agencies() -> Iterator[str]:
    sample: Any = load_sample()
    return (agency["id"] for agency in sample["agencies"] if not agency.get("external"))


def _event_of(arrival: Arrival) -> str | None:
    """None for a pointer, which does not say."""
    event_id: str | None = arrival.data.get("event_id")
    return event_id


def _alert_of(mail: Mail) -> str | None:
    link = _LINK.search(mail.part("plain"))
    return link and link.group(1)
