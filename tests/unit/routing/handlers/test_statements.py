"""Each bulk insert takes its columns in the order of its row's fields."""

import re

import pytest

from services.routing.repository import rows, statements


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        (statements.INSERT_DECISIONS, rows.DecisionRow),
        (statements.INSERT_ALERTS, rows.AlertRow),
        (statements.INSERT_DUTIES, rows.DutyRow),
        (statements.INSERT_MESSAGES, rows.OutboxRow),
        (statements.INSERT_QUARANTINES, rows.QuarantineRow),
        (statements.INSERT_RECEIPTS, rows.ReceiptRow),
    ],
)
def test_columns_are_the_fields_of_the_row(statement: str, row: type[tuple[object, ...]]) -> None:
    listed = re.search(r"INSERT INTO routing\.\w+ \(([^)]*)\)", statement)

    assert listed is not None
    assert tuple(re.findall(r'"(\w+)"', listed[1])) == row._fields  # type: ignore[attr-defined]
