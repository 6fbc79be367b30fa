"""What a process imports as it begins is left alone by the collector of garbage."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.startup import import_for_good

ASKS = "import gc\nWAS_COLLECTING = gc.isenabled()\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where modules are found."""
    monkeypatch.syspath_prepend(tmp_path)
    known = set(sys.modules)
    gc.unfreeze()
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def test_nothing_is_collected_while_a_module_is_imported_nor_what_came_of_it(folder: Path) -> None:
    (folder / "long_lived.py").write_text(ASKS)
    module = import_for_good("long_lived")
    assert not module.WAS_COLLECTING
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_garbage_is_collected_again_after_an_import_that_fails(folder: Path) -> None:
    (folder / "broken.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        import_for_good("broken")
    assert gc.isenabled()
