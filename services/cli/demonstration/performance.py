"""The demonstration itself, act by act; what it prints is in `programme`."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp

from services.cli.demonstration import claims as check
from services.cli.demonstration import places, story
from services.cli.demonstration.receivers import Receivers, open_receivers
from services.cli.demonstration.stage import Stage, open_stage
from services.devstack.directory import load_sample

ARRIVAL_SECONDS: Final = 20.0
TOLD: Final = len(story.EXPECTED) + 1
"""Each report tells so many agencies; one of them is the emitter, of its duty."""
POLL_SECONDS: Final = 0.05
Announce = Callable[[str], None]


@dataclass
class Performance:
    """What happened, and every claim about it."""

    control: str
    webhooks: list[check.Webhook] = field(default_factory=list)
    claims: list[check.Claim] = field(default_factory=list)
    ready: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Every claim held."""
        return bool(self.claims) and all(claim.held for claim in self.claims)


async def perform(folder: Path, *, control: str, announce: Announce) -> Performance:
    """Play every act in a folder. `control` is an opaque word planted wherever the name is searched for."""
    show = Performance(control)
    agencies = [str(a["id"]) for a in load_sample()["agencies"] if not a.get("external")]  # type: ignore[attr-defined]
    async with open_receivers(agencies) as receivers:
        announce("Starting PostgreSQL, a Kafka broker, intake, routing and notify on this machine ...")
        async with open_stage(folder, source=story.SOURCE, endpoints=receivers.endpoints) as stage:
            show.ready = stage.ready
            async with aiohttp.ClientSession() as session:
                await _Acts(show, stage, receivers, session, announce).play()
            announce(
                "Searching every log line, e-mail, Kafka record and PostgreSQL file for the victim's name ..."
            )
            show.claims.extend(map(check.check_finding, await places.search_all(stage, control)))
    return show


class _Acts:
    """The acts, in order; each adds its claims."""

    def __init__(
        self,
        show: Performance,
        stage: Stage,
        receivers: Receivers,
        session: aiohttp.ClientSession,
        announce: Announce,
    ) -> None:
        self._show = show
        self._stage = stage
        self._receivers = receivers
        self._session = session
        self._announce = announce
        self._headers = {"Authorization": f"Bearer {stage.source_key}"}
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._event = story.build_event(event_id=show.control, case_ref=f"{show.control}.case", now=self._now)

    async def play(self) -> None:
        await self._report()
        await self._replay()
        await self._tamper()

    async def _report(self) -> None:
        self._announce("City police report a 15-year-old found half an hour ago ...")
        status = await self._post(self._event)
        self._claim(
            check.Claim(
                "Intake accepted the event (HTTP 202)",
                held=status == HTTPStatus.ACCEPTED,
                seen="" if status == HTTPStatus.ACCEPTED else f"HTTP {status}",
            )
        )
        mails = await self._told_of(self._event["id"])
        await self._decided(self._event["id"])
        self._show.webhooks = list(self._receivers.webhooks)
        ids = {hook.agency: hook.alert_id for hook in self._show.webhooks}
        for claim in check.check_alerts(self._show.webhooks):
            self._claim(claim)
        discovered = datetime.fromisoformat(self._event["data"]["discovered_at"])
        self._claim(check.check_duty(self._show.webhooks, discovered_at=discovered))
        self._claim(check.check_postcards(mails, ids=ids))

    async def _replay(self) -> None:
        self._announce("The same event is sent again, as a member system does when it saw no answer ...")
        await self._post(self._event)
        # Of the same case, so it goes the same way behind the replay, and tells the same people: what the
        # replay might have set off is there when this is.
        behind = story.build_event(
            event_id=f"{self._show.control}.after", case_ref=self._event["subject"], now=self._now
        )
        await self._post(behind)
        mails = await self._told_of(behind["id"])
        webhooks = self._receivers.webhooks
        self._claim(check.check_replay(webhooks, mails, behind=behind["id"], told=TOLD))
        self._claim(check.check_silence(webhooks, listening=list(self._receivers.secrets)))

    async def _tamper(self) -> None:
        self._announce("A webhook is changed on its way ...")
        change = (b'"urgency":"immediate"', b'"urgency":"routine"')
        changed, untouched = await self._receivers.probe(change=change)
        self._claim(check.check_tampering(changed=changed, untouched=untouched))

    def _claim(self, claim: check.Claim) -> None:
        self._show.claims.append(claim)

    async def _post(self, event: Mapping[str, Any]) -> int:
        url = self._stage.ready["intake"] + "/v1/events"
        content_type = {"Content-Type": "application/cloudevents+json"}
        async with self._session.post(url, json=event, headers=self._headers | content_type) as response:
            return response.status

    async def _decided(self, event_id: str) -> None:
        """Wait until intake knows that routing decided; a claim that never comes true fails."""
        url = f"{self._stage.ready['intake']}/v1/events/{event_id}"
        try:
            async with asyncio.timeout(ARRIVAL_SECONDS):
                while True:
                    async with self._session.get(url, headers=self._headers) as response:
                        if response.status == HTTPStatus.OK:
                            return
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            self._claim(check.Claim("Intake told the emitter that its event was decided", held=False))

    async def _told_of(self, event_id: str) -> list[str]:
        """Wait until everybody is told by webhook and e-mail; every e-mail that there is then."""
        await self._receivers.wait_for(TOLD, event_id=event_id, seconds=ARRIVAL_SECONDS)
        links = [hook.link for hook in self._receivers.webhooks if hook.event_id == event_id]
        try:
            async with asyncio.timeout(ARRIVAL_SECONDS):
                while not all(any(link in mail for mail in self._read_mails()) for link in links):  # noqa: ASYNC110 -- files give no event
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            pass  # What is missing, the claims say.
        return self._read_mails()

    def _read_mails(self) -> list[str]:
        return [places.render_mail(mail) for mail in places.read_mailbox(self._stage.data_dir)]
