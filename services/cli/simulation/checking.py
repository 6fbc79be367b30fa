"""What the check of one scenario file came to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from services.cli.simulation.comparing import find_differences
from services.cli.simulation.reading import Script
from services.cli.simulation.running import Run


class CheckVerdict(StrEnum):
    """Whether a file came to what it expects."""

    AS_EXPECTED = "as expected"
    EXPECTS_NOTHING = "expects nothing, so nothing was checked"
    DIFFERS = "differs"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """One checked file, as `--json` prints it."""

    file: str
    verdict: CheckVerdict
    differences: list[str] = field(default_factory=list)


def judge_run(file: str, script: Script, run: Run) -> CheckedFile:
    """Compare what a script came to with what it expects."""
    if script.expected is None:
        return CheckedFile(file, CheckVerdict.EXPECTS_NOTHING)
    differences = find_differences(script.expected, run.result)
    verdict = CheckVerdict.DIFFERS if differences else CheckVerdict.AS_EXPECTED
    return CheckedFile(file, verdict, differences)


def render_checked(checked: CheckedFile) -> Iterator[str]:
    """The file with its verdict, and what differs below it."""
    yield f"{checked.file}: {checked.verdict}"
    for difference in checked.differences:
        yield f"  {difference}"
