"""A worker runs whole files, and what shares a running stack; the longest come first."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from tests.support.schedule import Schedule, find_unit

LONG, SHORT, QUICK = (
    "tests/acceptance/test_long.py",
    "tests/integration/test_short.py",
    "tests/unit/test_q.py",
)
SHARING = ("tests/acceptance/shared/test_a.py::test_one", "tests/acceptance/shared/test_b.py::test_two")


@dataclass(eq=False)
class Worker:
    """Keeps what it was told to run, by its place in the collection."""

    gateway: SimpleNamespace
    sent: list[int] = field(default_factory=list)
    shutting_down: bool = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += indices

    def shutdown(self) -> None:
        self.shutting_down = True


@pytest.mark.parametrize(
    ("node_id", "unit"),
    [
        (f"{LONG}::test_x[a::b/c]", LONG),
        (f"{LONG}::Class::test_x", LONG),
        (SHARING[0], "tests/acceptance/shared"),
        (SHARING[1], "tests/acceptance/shared"),
    ],
)
def test_a_file_is_run_by_one_worker_and_so_is_a_folder_that_shares(node_id: str, unit: str) -> None:
    assert find_unit(node_id) == unit


def test_units_are_begun_in_the_order_of_collection_and_not_by_the_number_of_their_tests() -> None:
    config = SimpleNamespace(
        option=SimpleNamespace(loadscopereorder=True, tx=["popen"] * 2), getvalue=lambda _: ["popen"] * 2
    )
    collection = [*SHARING, f"{LONG}::test_x", f"{SHORT}::test_y", *(f"{QUICK}::test_{n}" for n in range(9))]
    workers, schedule = [Worker(SimpleNamespace(id=name)) for name in ("gw0", "gw1")], Schedule(config)
    for worker in workers:
        schedule.add_node(worker)
        schedule.add_node_collection(worker, collection)
    schedule.schedule()
    # Each has a second unit at hand: the next one follows without a question.
    assert [[collection[index] for index in worker.sent] for worker in workers] == [
        [*SHARING, collection[3]],
        [collection[2], *collection[4:]],
    ]
