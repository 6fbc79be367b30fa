"""`requirements/debian`: installs what is missing, or says who can."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "requirements" / "debian"
PROGRAMS = {"postfix": "postfix", "chromium": "chromium", "chromedriver": "chromium-driver"}


class Machine:
    """A PATH with nothing on it but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told = folder / "told"
        self.put("debconf-set-selections", 'read -r line; echo "debconf $line" >>"$TOLD"')
        self.put("apt-get", 'echo "apt-get $*" >>"$TOLD"')

    def put(self, name: str, script: str = "") -> None:
        program = self._folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def be(self, uid: int) -> None:
        self.put("id", f"echo {uid}")

    def remove(self, name: str) -> None:
        (self._folder / name).unlink()

    def run(self) -> subprocess.CompletedProcess[str]:
        # The script looks into the folders of the system as well: here they are elsewhere.
        script = SCRIPT.read_text().replace(":/usr/sbin:/sbin", "")
        return subprocess.run(
            ["/bin/sh", "-c", script],
            env={"PATH": str(self._folder), "TOLD": str(self._told)},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def told(self) -> list[str]:
        return self._told.read_text().splitlines() if self._told.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_where_all_is_there_nothing_is_done(machine: Machine) -> None:
    for program in PROGRAMS:
        machine.put(program)
    assert machine.run().returncode == 0
    assert machine.told == []


@pytest.mark.parametrize(("program", "package"), PROGRAMS.items())
def test_root_installs_what_is_missing_and_nothing_else(machine: Machine, program: str, package: str) -> None:
    for other in PROGRAMS.keys() - {program}:
        machine.put(other)
    machine.be(0)
    assert machine.run().returncode == 0
    assert machine.told[-1].split()[-1] == package
    assert "--yes" in machine.told[-1]
    assert not any(other in machine.told[-1].split() for other in set(PROGRAMS.values()) - {package})


def test_a_mail_server_is_installed_without_being_set_up(machine: Machine) -> None:
    machine.be(0)
    machine.run()
    assert machine.told[0] == "debconf postfix postfix/main_mailer_type select No configuration"


def test_another_user_is_told_what_root_has_to_type(machine: Machine) -> None:
    machine.be(1000)
    done = machine.run()
    assert done.returncode == 1
    assert "apt-get install --no-install-recommends postfix chromium chromium-driver" in done.stderr
    assert machine.told == []


def test_where_there_is_no_apt_the_packages_are_named(machine: Machine) -> None:
    machine.remove("apt-get")
    done = machine.run()
    assert done.returncode == 1
    assert all(package in done.stderr for package in PROGRAMS.values())


def test_it_can_be_run() -> None:
    assert os.access(SCRIPT, os.X_OK)
