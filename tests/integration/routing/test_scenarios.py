"""The scenarios of the simulator, told to the service: it tells the same agencies the same, now."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from schemas.alert import AlertRecord, Command
from schemas.directory import AgencyProfile, DirectoryFile, merge_directories
from services.cli.simulation.reading import Script, build_script
from services.cli.simulation.world import World
from services.devstack.directory import load_sample
from services.routing.decision import PlannedAlert
from tests.integration.routing.events import Json, lay_out
from tests.integration.routing.rig import OPERATOR, PACKS, Rig, Routing

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.json"))


class Row(NamedTuple):
    """What both sides must agree on; instants differ, since the simulator's clock stands still."""

    event: str
    agency: str
    role: str
    contact: str | None
    kind: str
    rules: tuple[str, ...]
    urgency: str
    reason: str | None
    exercise: bool


class Shown(NamedTuple):
    """What an agency that is sent something reads in it."""

    event: str
    agency: str
    rules: tuple[str, ...]
    disclosed: frozenset[str]
    duties: frozenset[tuple[str, str | None, str, bool]]


def read(path: Path) -> Json:
    document: Json = orjson.loads(path.read_bytes())
    return document


def has_one_directory(path: Path) -> bool:
    return not any("directory" in step for step in read(path)["steps"])


def events_of(document: Json) -> list[Json]:
    return [step["event"] for step in document["steps"] if "event" in step]


def play(document: Json, now: datetime) -> list[tuple[str, PlannedAlert]]:
    """Its events at one instant, one after the other, in the simulator."""
    steps = [{"at": now.isoformat(), "event": event} for event in events_of(document)]
    played = {key: value for key, value in document.items() if key == "directory"}
    return list(_play(build_script({**played, "steps": steps})))


def _play(script: Script) -> Iterator[tuple[str, PlannedAlert]]:
    world = World(PACKS)
    for step in script.steps:
        told = world.take(step)
        if told is not None and told.decision is not None:
            yield from ((told.event.id, row) for row in told.decision.alerts)


def rows_of_simulator(told: list[tuple[str, PlannedAlert]]) -> Counter[Row]:
    return Counter(
        Row(
            event,
            row.agency,
            row.role,
            row.contact,
            row.kind,
            row.rules,
            row.urgency,
            row.reason,
            row.exercise,
        )
        for event, row in told
    )


async def rows_of_service(rig: Rig) -> Counter[Row]:
    return Counter(
        Row(
            row["event_id"],
            row["agency"],
            row["role"],
            row["contact"],
            row["kind"],
            tuple(row["rules"].split()),
            row["urgency"],
            row["reason"],
            row["exercise"],
        )
        for row in await rig.rows("alert")
        if (row["form"], row["revision"]) == ("alert", 1)
    )


def shown_by_simulator(told: list[tuple[str, PlannedAlert]]) -> Counter[Shown]:
    return Counter(
        Shown(
            event,
            row.agency,
            row.rules,
            frozenset(group.value for group in row.disclosed),
            frozenset((duty.rule, duty.holder, duty.what, duty.needs_review) for duty in row.duties),
        )
        for event, row in told
        if not row.external
    )


async def shown_by_service(rig: Rig) -> Counter[Shown]:
    contents = [await rig.open_content(alert) for alert in await rig.published_alerts() if is_alert(alert)]
    return Counter(
        Shown(
            content["event_id"],
            content["agency"],
            tuple(content["rules"]),
            frozenset(content["disclosed"]),
            frozenset(
                (duty["rule"], duty["holder"], duty["what"], duty["due"] == "needs_review")
                for duty in content["duties"]
            ),
        )
        for content in contents
    )


def is_alert(alert: AlertRecord) -> bool:
    return alert.form == "alert" and alert.command is Command.DELIVER


async def apply(rig: Rig, routing: Routing, document: Json) -> None:
    """The scenario's agencies and no others."""
    change = document.get("directory", {"extends": "sample"})
    base = load_sample() if change.get("extends") == "sample" else {"agencies": []}
    merged = merge_directories(base, {"agencies": change.get("agencies", [])})
    profiles = [
        {key: value for key, value in agency.items() if key in AgencyProfile.model_fields}
        for agency in merged["agencies"]
    ]
    await rig.admin.execute("TRUNCATE routing.directory")
    await routing.desk.apply(DirectoryFile.model_validate({"agencies": profiles}), operator=OPERATOR)


@pytest.mark.parametrize(
    "path", [path for path in SCENARIOS if has_one_directory(path)], ids=lambda path: path.stem
)
async def test_the_service_tells_whom_the_simulator_tells(rig: Rig, path: Path) -> None:
    document = read(path)
    async with rig.open_routing() as routing:
        await apply(rig, routing, document)
        records = lay_out(await rig.sealer.seal(*events_of(document)))
        # One by one, so that each finds what the one before left in the database.
        for record in records:
            await routing.events.handle([record])
    told = play(document, await rig.admin.fetchval("SELECT clock_timestamp()"))

    assert await rows_of_service(rig) == rows_of_simulator(told)
    assert await shown_by_service(rig) == shown_by_simulator(told)
