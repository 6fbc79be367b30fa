"""Which packs a draft takes the place of, and from when on."""

from datetime import UTC, datetime, timedelta

from schemas.pack import ProtocolPack
from services.cli.backtesting.drafts import Protocols, make_ready
from tests.unit.routing.building import KERN, build_packs

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = datetime(2026, 7, 1, tzinfo=UTC)
DRAFTED = datetime(2027, 1, 1, tzinfo=UTC)


def pack(version: str, from_: datetime, name: str = "a-test") -> ProtocolPack:
    (built,) = build_packs({}, pack=name, version=version, in_force_from=from_.isoformat()).versions
    return built.pack


OLD = [pack("1.0.0", FIRST), pack("2.0.0", SECOND), pack("1.0.0", FIRST, name="another")]


def labels(drafts: list[ProtocolPack], at: datetime, since: datetime | None = None) -> list[str]:
    protocols = Protocols.of(OLD, drafts, since=since)
    return list(make_ready(protocols.drafted).edition(at, KERN).labels)


def test_a_draft_stands_for_every_version_of_its_pack_whatever_its_own_date() -> None:
    draft = [pack("3.0.0", DRAFTED)]
    for at in (FIRST, SECOND, DRAFTED):
        assert labels(draft, at) == ["a-test@3.0.0", "another@1.0.0"]


def test_before_there_was_such_a_pack_there_is_no_draft_of_it() -> None:
    assert labels([pack("3.0.0", DRAFTED)], FIRST - timedelta(seconds=1)) == []


def test_the_draft_of_a_new_pack_counts_always() -> None:
    assert labels([pack("1.0.0", DRAFTED, name="new")], FIRST - timedelta(days=999)) == ["new@1.0.0"]


def test_since_an_instant_the_draft_counts_and_before_it_what_was_in_force() -> None:
    since, draft = datetime(2026, 8, 1, tzinfo=UTC), [pack("2.0.0", DRAFTED)]
    before = [labels(draft, at, since)[0] for at in (FIRST, SECOND, since - timedelta(seconds=1))]
    assert before == ["a-test@1.0.0", "a-test@2.0.0", "a-test@2.0.0"]
    protocols = Protocols.of(OLD, draft, since=since)
    (newest,) = [p for p in protocols.drafted if p.pack == "a-test" and p.in_force_from == since]
    assert newest.version == "2.0.0"


def test_of_several_drafts_each_counts_from_its_date_and_the_first_from_the_beginning() -> None:
    drafts = [pack("3.1.0", DRAFTED), pack("3.0.0", SECOND)]
    instants = (FIRST, SECOND, DRAFTED)
    assert [labels(drafts, at)[0] for at in instants] == ["a-test@3.0.0", "a-test@3.0.0", "a-test@3.1.0"]


def test_of_several_drafts_that_are_past_the_newest_counts() -> None:
    drafts = [pack("3.1.0", SECOND), pack("3.0.0", FIRST)]
    assert labels(drafts, DRAFTED, since=DRAFTED) == ["a-test@3.1.0", "another@1.0.0"]
