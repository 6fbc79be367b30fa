"""What checking came to, for people and for programs."""

from collections.abc import Iterable, Iterator

import orjson

from services.cli.authoring.cases import CasesReport
from services.cli.authoring.checking import CheckReport
from services.cli.simulation.checking import CheckVerdict, render_checked
from services.routing.pack_check import PackProblem

_HINT = "; did you mean "


def show_check(report: CheckReport, *, as_json: bool) -> str:
    """One line a problem or warning and a summary, or one JSON object."""
    if as_json:
        return _to_json(
            {
                "files": report.files,
                "rules": report.rules,
                "problems": [_document(problem) for problem in report.problems],
                "warnings": [_document(warning) for warning in report.warnings],
            }
        )
    return "\n".join(_check_lines(report))


def _check_lines(report: CheckReport) -> Iterator[str]:
    yield from map(str, report.problems)
    for warning in report.warnings:
        yield f"{str(warning).removesuffix(warning.message)}warning: {warning.message}"
    counts = f"{count(report.problems, 'problem')}, {count(report.warnings, 'warning')}"
    yield f"{report.files} file{_s(report.files)}: {counts}"


def show_cases(report: CasesReport, *, as_json: bool) -> str:
    """Each case that is not as expected, what no case shows, and a summary; or one JSON object."""
    if as_json:
        return _to_json(
            {
                "cases": report.cases,
                "failed": report.failed,
                "coverage": {
                    "percent": report.percent,
                    "packs": [
                        {"pack": pack.pack, "shown": pack.shown, "of": pack.wanted}
                        for pack in report.coverage
                    ],
                    "gaps": [_document(gap) for gap in report.gaps],
                },
            }
        )
    return "\n".join(_case_lines(report))


def _case_lines(report: CasesReport) -> Iterator[str]:
    for case in report.cases:
        if case.verdict is not CheckVerdict.AS_EXPECTED:
            yield from render_checked(case)
    yield from map(str, report.gaps)
    for pack in report.coverage:
        yield f"{pack.pack}: {pack.shown} of {pack.wanted} things a case can show are shown"
    number = len(report.cases)
    counts = f"{number} case{_s(number)}, {report.failed or 'none'} failed"
    yield f"{counts}; coverage {report.percent} %"


def count(items: Iterable[object], word: str) -> str:
    """`no problems`, `1 problem`, `2 problems`."""
    number = len(list(items))
    return f"{number or 'no'} {word}{_s(number)}"


def _s(number: int) -> str:
    return "" if number == 1 else "s"


def _document(problem: PackProblem) -> dict[str, object]:
    message, _, hint = problem.message.partition(_HINT)
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "rule": problem.rule,
        "message": message,
        "hint": f"did you mean {hint}" if hint else None,
    }


def _to_json(document: object) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
