"""What `tocsin protocol check` costs: CPU time of the whole command on a pack of 10,000 rules.

Every rule has a condition of its own. Run with `python -m tests.bench.check`; it fails when the quietest of a
few rounds takes more than wanted.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import cycle, islice, product
from pathlib import Path

from schemas.vocabulary import CitizenshipStatus, EventType, ExploitationType, Group, Role, SafetyRisk
from services.routing.disclosure import OPEN_TO
from tests.support.stack import COMMAND, ROOT

WANTED_SECONDS = 5.0
ROUNDS = 3

HEAD = """\
pack: large
version: 1.0.0
title: A large pack
notice: Sample of a benchmark, not legal advice.
in_force_from: 2026-01-01T00:00:00-08:00
applies_in: ["06029"]
rules:
"""
RULE = """\
  - id: LARGE-{number:05}
    title: Rule number {number} of a large pack
    on: [{first}, {second}]
    when: {condition}
    notify: [{{role: {role}, alternate: LEA_LOCAL}}]
    urgency: urgent
    basis: agreement
    consent: base
    disclose: [exploitation, age, {group}]
    disclose_with_consent: [name]
    duties:
      - {{holder: emitter, what: report it in writing, within: PT36H, from: discovered_at}}
    authority: [a statute of {number}, task force agreement]
"""
HELD = (Role.LEA_LEAD, Role.PROSECUTOR, Role.CHILD_WELFARE, Role.VICTIM_SERVICES, Role.SHELTER)
OPEN = tuple(group for group in Group if group not in {*OPEN_TO, Group.PRIVILEGED, Group.SUBSTANCE_USE})


def render_conditions() -> Iterator[str]:
    """12,760 conditions, no two alike, each of which some event meets."""
    words = product(("minor", "!minor"), ExploitationType, Role, SafetyRisk, list(CitizenshipStatus)[:4])
    for age, exploited, role, risk, status in words:
        yield (
            f'{age} && "{exploited}" in exploitation.types && "{role}" in emitter.roles '
            f'&& (safety.risk == "{risk}" || citizenship.status == "{status}")'
        )


def render_pack(rules: int) -> str:
    """A sound pack of so many rules."""
    types, roles, groups = list(EventType), cycle(HELD), cycle(OPEN)
    texts = [
        RULE.format(
            number=number,
            first=types[number % len(types)].value,
            second=types[(number * 7 + 1) % len(types)].value,
            condition=f"'{condition}'" if condition.startswith("!") else condition,
            role=next(roles).value,
            group=next(groups).value,
        )
        for number, condition in enumerate(islice(render_conditions(), rules))
    ]
    return HEAD + "".join(texts)


def measure_check(pack: Path) -> tuple[float, str]:
    """Seconds of CPU that the command takes, and the last line it says."""
    before = _spent()
    done = subprocess.run(
        [*COMMAND, "protocol", "check", str(pack)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return _spent() - before, done.stdout.splitlines()[-1]


def _spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    """Print every round, and whether the quietest is as wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=10_000)
    rules = parser.parse_args().rules
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        pack = Path(folder) / "1.0.0.yaml"
        pack.write_text(render_pack(rules))
        seconds = []
        for _ in range(ROUNDS):
            spent, said = measure_check(pack)
            seconds.append(spent)
            sys.stdout.write(f"{spent:6.2f} s of CPU  {rules} rules, {said}\n")
    is_reached = min(seconds) <= WANTED_SECONDS
    sys.stdout.write(
        f"{min(seconds):6.2f} s  quietest; {'within' if is_reached else 'OVER'} {WANTED_SECONDS} s\n"
    )
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main())
