"""Runs the cases beside some packs, and says which failed and what they show of the rules."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.pack import ProtocolPack
from services.cli.authoring.coverage import PackCoverage, Tally
from services.cli.simulation.checking import CheckedFile, CheckVerdict, judge_run
from services.cli.simulation.reading import ScenarioError, Script, read_scenario
from services.cli.simulation.running import run_script
from services.routing.pack_check import PackProblem
from services.routing.pack_file import PackDocument
from services.routing.packs import PackErrors, read_packs
from services.routing.rules import PackSet, PackVersion

_FAILED: Final = frozenset({CheckVerdict.DIFFERS, CheckVerdict.MALFORMED})
_SYSTEM: Final = "S-"

Pack = tuple[str, PackDocument, ProtocolPack]


@dataclass(frozen=True, slots=True)
class CasesReport:
    """What each case came to, and what all of them show of the rules."""

    cases: tuple[CheckedFile, ...]
    coverage: tuple[PackCoverage, ...]
    gaps: tuple[PackProblem, ...]

    @property
    def failed(self) -> int:
        return sum(case.verdict in _FAILED for case in self.cases)

    @property
    def percent(self) -> int:
        """How much is shown of all that cases can show, rounded down."""
        wanted = sum(pack.wanted for pack in self.coverage)
        return 100 * sum(pack.shown for pack in self.coverage) // wanted if wanted else 100


def run_cases(files: Sequence[Path], others: Sequence[Path]) -> CasesReport:
    """Run the cases beside some packs, with other packs in force too.

    Raises PackErrors with every problem of every pack.
    """
    own = {file.resolve() for file in files}
    read = read_packs([*files, *(file for file in others if file.resolve() not in own)])
    if read.problems:
        raise PackErrors(read.problems)
    tested = [entry for entry in read.packs if Path(entry[0]).resolve() in own]
    runner = _Runner([pack for _, _, pack in read.packs], Tally([pack for _, _, pack in tested]))
    cases = tuple(runner.run(case) for file in files for case in _list_cases(file))
    coverage = tuple(runner.tally.sum_up())
    return CasesReport(cases, coverage, tuple(_find_gaps(tested, coverage)))


def _list_cases(pack: Path) -> list[Path]:
    """The cases beside a pack: `1.0.0.cases/*.json` beside `1.0.0.yaml`."""
    return sorted(pack.with_suffix(".cases").glob("*.json"))


class _Runner:
    """Runs case after case through the same packs."""

    def __init__(self, packs: Sequence[ProtocolPack], tally: Tally) -> None:
        self.tally = tally
        self._packs = PackSet([PackVersion(pack) for pack in packs])
        self._rules = {rule.id for pack in packs for rule in pack.rules}

    def run(self, case: Path) -> CheckedFile:
        try:
            script = read_scenario(case)
        except OSError as error:
            return CheckedFile(str(case), CheckVerdict.MALFORMED, [f"cannot be read: {error.strerror}"])
        except ScenarioError as error:
            return CheckedFile(str(case), CheckVerdict.MALFORMED, [str(p) for p in error.problems])
        run = run_script(script, self._packs)
        checked = judge_run(str(case), script, run)
        # What a case does not vouch for shows nothing.
        if checked.verdict is not CheckVerdict.EXPECTS_NOTHING:
            self.tally.take(script, run)
        if checked.verdict is CheckVerdict.DIFFERS:
            checked.differences.extend(self._find_strangers(script))
        return checked

    def _find_strangers(self, script: Script) -> Iterator[str]:
        """Rules that the case expects and none of the packs has: the likeliest reason for a difference."""
        rows = (script.expected.alerts if script.expected else None) or []
        expected = {rule for row in rows for rule in row.get("rules", ()) if isinstance(rule, str)}
        for rule in sorted(expected - self._rules):
            if not rule.startswith(_SYSTEM):
                yield f"no rule {rule} in these packs: if another pack has it, name that with --with"


def _find_gaps(tested: Sequence[Pack], coverage: Sequence[PackCoverage]) -> Iterator[PackProblem]:
    """What no case shows, each at its rule."""
    for (name, document, pack), covered in zip(tested, coverage, strict=True):
        for gap in covered.gaps:
            place = document.place_of(("rules", gap.rule_index, "id"))
            yield PackProblem(name, place.line, place.column, pack.rules[gap.rule_index].id, gap.message)
