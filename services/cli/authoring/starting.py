"""A pack to start from and a case for it: both sound, and the case shows all there is to show."""

import os
import re
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from string import Template
from typing import Final
from zoneinfo import ZoneInfo

import schemas

_TEMPLATES: Final = Path(__file__).with_name("templates")
_SCHEMAS: Final = Path(schemas.__file__).parent
ZONE: Final = ZoneInfo("America/Los_Angeles")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_COUNTY: Final = re.compile(r"[0-9]{5}")
_VERSION: Final = "1.0.0"


class StartError(Exception):
    """Nothing was written; says why."""


@dataclass(frozen=True, slots=True)
class StartedPack:
    """What was written."""

    pack: Path
    case: Path


def start_pack(name: str, *, county: str, folder: Path, today: date) -> StartedPack:
    """Write the pack and its case into a folder of the pack's name. Raises StartError, OSError."""
    if not _NAME.fullmatch(name):
        raise StartError(f"`{name}`: a name is small letters, digits and hyphens, like my-county")
    if not _COUNTY.fullmatch(county):
        raise StartError(f"`{county}`: a county is its five-digit FIPS code, like 06029")
    prefix = make_prefix(name)
    pack = folder / name / f"{_VERSION}.yaml"
    started = StartedPack(pack, pack.with_suffix(".cases") / f"{prefix}-01.json")
    for path in (started.pack, started.case):
        if path.exists():
            raise StartError(f"{path} is there already, and nothing is overwritten")
    words = {
        "agreement_until": f"{today.year + 1}-12-31T23:59:59-08:00",
        "at": _local(today, time(10)),
        "county": county,
        "in_force_from": _local(today, time(0)),
        "name": name,
        "prefix": prefix,
        "schema": find_schema(pack.parent),
    }
    started.case.parent.mkdir(parents=True)
    for path, template in ((started.pack, "pack.yaml"), (started.case, "case.json")):
        path.write_text(Template((_TEMPLATES / template).read_text()).substitute(words))
    return started


def make_prefix(name: str) -> str:
    """Capital letters for the ids of a pack's rules: its initials, or the beginning of its only word."""
    words = re.findall(r"[a-z]+", name)
    letters = "".join(word[0] for word in words) if len(words) > 1 else "".join(words)[:3]
    prefix = letters.upper()[:8] or "R"
    return f"{prefix}R" if prefix == "S" else prefix  # S- is for the system's own rules


def _local(day: date, at: time) -> str:
    return datetime.combine(day, at, tzinfo=ZONE).isoformat()


def find_schema(folder: Path) -> str:
    """Where an editor finds the schema: beside the pack in the same checkout, else where it is installed."""
    schema = _SCHEMAS / "json" / "protocol-pack.json"
    if folder.resolve().is_relative_to(_SCHEMAS.parent):
        return Path(os.path.relpath(schema, folder.resolve())).as_posix()
    return schema.as_uri()
