"""A backtest of the ledger: the events that were really processed, opened and decided once more."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from pydantic import SecretStr

from schemas.topics import CASE_EVENTS
from services.cli.backtesting.courses import NOT_OPENED, SHREDDED
from services.cli.backtesting.drafts import Protocols
from services.cli.backtesting.findings import Findings
from services.cli.backtesting.ledger import NOT_IN_LOG, Ledger, read_ledger
from services.cli.backtesting.replay import Period
from services.cli.backtesting.source import LedgerSource
from services.cli.backtesting.workers import Job, decide_all
from services.routing.handlers.seeding import seed_packs
from services.routing.packs import SHIPPED, find_pack_files, read_folder, read_packs, read_sources
from services.routing.settings import Seeding
from services.runtime.kafka import Record, open_admin, read_topic_to_end
from tests.integration.routing.events import build_event, garbage, spoil
from tests.integration.routing.rig import OPERATOR, Rig, Routing, sample_directory

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALWAYS = Period()


@pytest.fixture
def rig(own_rig: Rig) -> Rig:
    return own_rig


@pytest_asyncio.fixture(loop_scope="module")
async def cluster_id(rig: Rig) -> str:
    async with open_admin(rig.broker.bootstrap) as admin:
        return await admin.get_cluster_id()


@pytest_asyncio.fixture(loop_scope="module")
async def live(rig: Rig, cluster_id: str) -> AsyncIterator[Routing]:
    """Routing on the cluster that is really there, with the shipped packs approved."""
    async with rig.open_routing(cluster_id=cluster_id) as opened:
        shipped = read_sources(read_folder(SHIPPED))
        await seed_packs(opened.pool, opened.attestor, shipped, seeding=Seeding.ALWAYS)
        yield opened


async def process(rig: Rig, live: Routing, *records: Record) -> None:
    """Published, read from the log and decided, one batch a record."""
    known = {(r.partition, r.offset) for r in await _log(rig)}
    await rig.publisher.publish(list(records))
    for record in await _log(rig):
        if (record.partition, record.offset) not in known:
            await live.events.handle([record])


async def _log(rig: Rig) -> list[Any]:
    return await read_topic_to_end(rig.broker.bootstrap, CASE_EVENTS.name, partitions=CASE_EVENTS.partitions)


def source_of(rig: Rig) -> LedgerSource:
    return LedgerSource(
        kafka=rig.broker.bootstrap,
        database_url=SecretStr(rig.database.url("routing")),
        kek_file=rig.secrets / "kek.json",
        operator=OPERATOR,
    )


def without(rule_id: str, ledger: Ledger, period: Period = ALWAYS) -> Findings:
    """What a county pack without this rule would change."""
    in_force = ledger.in_force
    drafts = [
        pack.model_copy(update={"rules": [rule for rule in pack.rules if rule.id != rule_id]})
        for pack in in_force
        if pack.pack == "ca-kern-httf"
    ]
    protocols = Protocols.of(in_force, drafts, since=period.since)
    job = Job(protocols, period, ledger.directories)
    return decide_all(job, ledger.courses.courses, progress=lambda _: None)


def lost(findings: Findings) -> list[tuple[str, str]]:
    return [(change.event.id, change.agency) for change in findings.alerts if change.effect == "lost"]


async def test_events_are_decided_again_in_order_with_what_their_case_knew(rig: Rig, live: Routing) -> None:
    tip = {"county": "06029", "narrative": {"text": "zebra"}, "suspect": {"employer_agency": "ag-kern-so"}}
    events = [
        build_event("e1"),
        build_event("e2", type="org.tocsin.tip.received.v1", data=tip),
        build_event("e3", type="org.tocsin.tip.received.v1", data={"county": "06029"}),
        build_event("e4", subject="case-2", type="org.tocsin.tip.received.v1", data={"county": "06029"}),
    ]
    await process(rig, live, *await rig.sealer.seal(*events))

    ledger = await read_ledger(source_of(rig), ALWAYS)

    assert {pack.label for pack in ledger.in_force} == {
        pack.label for _, _, pack in read_packs(find_pack_files(SHIPPED)).packs
    }
    assert sorted(len(course) for course in ledger.courses.courses) == [1, 3]
    assert ledger.courses.unread == {}
    findings = without("K-07", ledger)
    assert lost(findings) == [("e1", "ag-kern-vsp")]
    assert (findings.event_count, findings.lost) == (4, [])
    # After e2 the sheriff is conflicted in case 1: a county pack without K-02 loses what stood in for it.
    assert sorted(lost(without("K-02", ledger))) == [
        ("e2", "ag-kern-tfc"),
        ("e3", "ag-kern-tfc"),
        ("e4", "ag-kern-so"),
    ]


async def test_who_the_law_names_and_is_lost_is_told_with_the_rule(rig: Rig, live: Routing) -> None:
    await process(rig, live, *await rig.sealer.seal(build_event()))
    findings = without("K-03", await read_ledger(source_of(rig), ALWAYS))
    assert [(each.agency, each.rules, each.is_still_told) for each in findings.lost] == [
        ("ag-kern-cw", ("K-03",), False)
    ]


async def test_each_event_is_decided_by_the_directory_of_its_own_time(rig: Rig, live: Routing) -> None:
    await process(rig, live, *await rig.sealer.seal(build_event("e1")))
    file = sample_directory()
    kept = [agency for agency in file.agencies if agency.id != "ag-kern-vsp"]
    await live.desk.apply(file.model_copy(update={"agencies": kept}), operator=OPERATOR)
    await process(rig, live, *await rig.sealer.seal(build_event("e2")))

    ledger = await read_ledger(source_of(rig), ALWAYS)

    assert sorted(ledger.directories) == [1, 2]
    assert lost(without("K-07", ledger)) == [("e1", "ag-kern-vsp"), ("e2", "ag-kern-tfc")]


async def test_only_what_was_decided_in_the_period_is_compared_and_before_it_the_draft_did_not_count(
    rig: Rig, live: Routing
) -> None:
    instants = []
    for number in range(3):
        await process(rig, live, *await rig.sealer.seal(build_event(f"e{number}")))
        instants.append(await rig.admin.fetchval("SELECT max(decided_at) FROM routing.decision"))
    old, period = build_event("x", subject="case-9"), Period(since=instants[1], until=instants[2])
    await process(rig, live, *await rig.sealer.seal(old))

    ledger = await read_ledger(source_of(rig), period)

    assert [len(course) for course in ledger.courses.courses] == [2]
    findings = without("K-07", ledger, period)
    assert lost(findings) == [("e1", "ag-kern-vsp")]
    assert findings.event_count == 1


async def test_what_cannot_be_read_is_counted_with_its_reason(
    rig: Rig, live: Routing, cluster_id: str
) -> None:
    sealed = await rig.sealer.seal(build_event("e1"), build_event("e2", subject="case-2"), build_event("e3"))
    await process(rig, live, sealed[0], sealed[1], spoil(sealed[2]), garbage())
    async with rig.open_routing(cluster_id="a-cluster-that-is-gone") as before:
        (gone,) = await rig.sealer.seal(build_event("e0", subject="case-0"))
        await before.events.handle([(await _log(rig))[0]._replace(offset=0, value=gone.value, key=gone.key)])
    await rig.admin.execute("UPDATE keyring.case_key SET wrapped = NULL WHERE case_ref = 'case-2'")

    ledger = await read_ledger(source_of(rig), ALWAYS)

    assert [len(course) for course in ledger.courses.courses] == [1]
    assert ledger.courses.unread == {NOT_IN_LOG: 1, SHREDDED: 1, NOT_OPENED: 1}


async def test_an_id_used_again_tells_coordinators_under_both(rig: Rig, live: Routing) -> None:
    again = build_event("e1", data={"county": "06029"})
    await process(rig, live, *await rig.sealer.seal(build_event("e1"), again, build_event("e1")))

    findings = without("K-07", await read_ledger(source_of(rig), ALWAYS))

    # The repetition came to nothing and stands nowhere; the reuse is decided, and nothing of it changes.
    assert findings.event_count == 2
    assert lost(findings) == [("e1", "ag-kern-vsp")]


async def test_the_read_is_recorded_for_good_before_anything_is_read(rig: Rig, live: Routing) -> None:
    await process(rig, live, *await rig.sealer.seal(build_event()))
    since = datetime(2026, 1, 1, tzinfo=UTC)
    await read_ledger(source_of(rig), Period(since=since, until=since + timedelta(days=1)))

    rows = await rig.admin.fetch("SELECT at, operator, what, detail FROM routing.read ORDER BY at")

    assert [tuple(row)[1:] for row in rows] == [
        (OPERATOR, "events.backtested", "since 2026-01-01T00:00:00+00:00, until 2026-01-02T00:00:00+00:00")
    ]
    for statement in ("UPDATE routing.read SET operator = ''", "DELETE FROM routing.read"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await live.pool.execute(statement)
