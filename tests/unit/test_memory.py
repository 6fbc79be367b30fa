"""Tests keep their files in memory only where it takes them."""

from pathlib import Path

import pytest

from tests.support.memory import find_folder

TOO_MUCH = 1 << 60


def test_a_folder_with_enough_room_is_taken(tmp_path: Path) -> None:
    assert find_folder(tmp_path, enough_bytes=1) == tmp_path


@pytest.mark.parametrize(("name", "enough_bytes"), [("", TOO_MUCH), ("none", 1)])
def test_one_with_too_little_room_or_that_is_not_there_is_not(
    name: str, enough_bytes: int, tmp_path: Path
) -> None:
    assert find_folder(tmp_path / name, enough_bytes=enough_bytes) is None
