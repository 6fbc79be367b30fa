"""When a published version decides, and where it stands."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.routing.publication import (
    PackState,
    Release,
    find_effective,
    find_overtaking,
    find_states,
)

DAY = timedelta(days=1)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def release(version: str, declared: int, effective: int | None, *, name: str = "kern") -> Release:
    """Days from now."""
    return Release(name, version, NOW + declared * DAY, None if effective is None else NOW + effective * DAY)


def states(*releases: Release) -> list[str]:
    return [state.value for state in find_states(releases, now=NOW)]


def test_of_the_approved_versions_the_newest_that_has_begun_is_in_force() -> None:
    assert states(
        release("1.0.0", -9, -9), release("1.1.0", -2, -2), release("1.2.0", 1, 1), release("1.3.0", -1, None)
    ) == ["superseded", "in_force", "approved", "published"]


def test_each_pack_has_a_version_of_its_own_in_force() -> None:
    assert states(release("1.0.0", -9, -9), release("2.0.0", -1, -1, name="federal")) == ["in_force"] * 2


def test_a_version_is_in_force_at_its_instant() -> None:
    assert states(release("1.0.0", 0, 0)) == ["in_force"]


@pytest.mark.parametrize(("declared", "approved", "effective"), [(3, 1, 3), (-3, 1, 1), (1, 1, 1)])
def test_nothing_comes_into_force_before_it_is_approved(declared: int, approved: int, effective: int) -> None:
    found = find_effective(NOW + declared * DAY, approved_at=NOW + approved * DAY)
    assert found == NOW + effective * DAY


def test_an_older_version_is_overtaken_by_one_that_was_to_follow_it() -> None:
    old, new = release("1.0.0", -9, 0), release("1.1.0", -2, -2)
    assert find_overtaking(old, [old, new]) is new
    assert find_overtaking(new, [old, new]) is None


@pytest.mark.parametrize(
    "other",
    [
        release("1.1.0", -2, None),
        release("1.1.0", 5, 5),
        release("1.1.0", -20, -1),
        release("1.1.0", -2, -2, name="federal"),
    ],
)
def test_drafts_later_versions_earlier_versions_and_other_packs_overtake_nothing(other: Release) -> None:
    assert find_overtaking(release("1.0.0", -9, 0), [other]) is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(-5, 5), st.none() | st.integers(-5, 5)), max_size=8
    )
)
def test_at_most_one_instant_of_each_pack_is_in_force_and_no_draft_is(
    given_releases: list[tuple[str, int, int | None]],
) -> None:
    releases = [
        release(f"1.{number}.0", declared, effective, name=name)
        for number, (name, declared, effective) in enumerate(given_releases)
    ]
    found = find_states(releases, now=NOW)
    in_force = {
        (each.name, each.effective)
        for each, state in zip(releases, found, strict=True)
        if state is PackState.IN_FORCE
    }
    assert len({name for name, _ in in_force}) == len(in_force)
    for each, state in zip(releases, found, strict=True):
        assert (state is PackState.PUBLISHED) is (each.effective is None)
        assert (state is PackState.APPROVED) is (each.effective is not None and each.effective > NOW)
