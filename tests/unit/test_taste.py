"""Functions and modules stay small: the shape that separates code one can read from code one cannot."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

from tests.support.source_text import parse_source

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ("schemas", "services") for path in sorted((ROOT / folder).rglob("*.py"))]


def function_lengths() -> Iterator[tuple[int, str]]:
    """Lines of each body, its docstring left out."""
    for path in SOURCES:
        for node in ast.walk(parse_source(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                if body:
                    length = (body[-1].end_lineno or 0) - body[0].lineno + 1
                    yield length, f"{path.relative_to(ROOT)}:{node.name}"


def module_lengths() -> Iterator[tuple[int, str]]:
    for path in SOURCES:
        yield len(path.read_text().splitlines()), str(path.relative_to(ROOT))


def ninetieth_percentile(lengths: Iterator[tuple[int, str]]) -> float:
    return quantiles((length for length, _ in lengths), n=10)[-1]


def test_nine_functions_in_ten_fit_into_twenty_lines() -> None:
    assert ninetieth_percentile(function_lengths()) <= 20


def test_no_function_is_longer_than_forty_lines() -> None:
    assert [place for length, place in function_lengths() if length > 40] == []


def test_nine_modules_in_ten_fit_into_two_hundred_and_fifty_lines() -> None:
    assert ninetieth_percentile(module_lengths()) <= 250


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    assert [place for length, place in module_lengths() if length > 400] == []
