"""Whatever stands in a file, checking it ends with a report: an author's slip is never our traceback."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from services.cli.authoring.checking import CheckReport, check_packs, load_roster
from tests.support.packs import PACK

ROSTER = load_roster(None)
SCRAPS = st.sampled_from(
    [
        *(
            "rules:",
            "  - id: T-01",
            "  -",
            "[",
            "]",
            "{",
            "}",
            ": ",
            "- ",
            "|",
            ">",
            "'",
            '"',
            "#",
            "\t",
            "\n",
        ),
        *(
            "null",
            "true",
            "7",
            "-1",
            "1e9",
            "~",
            "&a",
            "*a",
            "!!str",
            "<<: ",
            "---",
            "...",
            "?",
            "%YAML 1.1\n",
        ),
        *("minor", "&&", "||", "(", ")", '"x" in exploitation.types', "size(", "county", ".", "!", "== "),
        *(
            "LEA_LEAD",
            "holders_of: consent",
            "in: destinations",
            "within: PT1H",
            "business_days: 0",
            "before: x",
        ),
        *("\u2028", "\x85", "\x00", "\ufeff", "é", "😀", "06029", "2026-02-30T00:00:00Z", " " * 40),
    ]
)


@st.composite
def spoilt_packs(draw: st.DrawFn) -> str:
    text = PACK
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 12)))
        text = text[:begin] + draw(SCRAPS) + text[end:]
    return text


@given(spoilt_packs() | st.text(max_size=60) | st.binary(max_size=60))
@settings(deadline=None, max_examples=400)
def test_any_file_is_reported_on(spoilt: str | bytes) -> None:
    report = check(spoilt)
    assert report.rules or report.problems
    for found in (*report.problems, *report.warnings):
        assert found.line >= 1
        assert found.column >= 1
        assert found.message


def check(spoilt: str | bytes) -> CheckReport:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.yaml"
        path.write_bytes(spoilt if isinstance(spoilt, bytes) else spoilt.encode(errors="replace"))
        return check_packs([path], ROSTER)
