"""The directory a stack starts with: the sample with keys of its own, or a file, which may extend it."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import cast

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode

from schemas.directory import DirectoryFile, find_directory_errors, merge_directories
from schemas.operator import Operator
from schemas.pointer import locate
from services.devstack.errors import DirectoryRefusedError
from services.devstack.keys import Keys, complete
from services.devstack.secret_files import read_secret_files
from services.devstack.sound_parts import judge_sound_parts
from services.runtime.ed25519 import SigningKey

SAMPLE_FILE = Path(__file__).with_name("sample_directory.yaml")

LOCAL_OPERATOR = "op-local"
"""Who reads the ledger of a stack whose directory names nobody. One alone puts no protocol in force."""

_NAMED_BY = {"agencies": "id", "sources": "source", "operators": "id"}

RawDirectory = Mapping[str, object]


@cache
def load_sample() -> RawDirectory:
    """The sample as it is shipped, without keys. Everybody has the same one: it must not be changed."""
    return _load_yaml(SAMPLE_FILE)


def complete_keys(keys: Keys) -> Keys:
    """Keys for every source and operator of the sample and every agency of it that is not external."""
    sample = load_sample()
    return complete(
        keys,
        sources=[str(source["source"]) for source in _entries(sample, "sources")],
        agencies=[str(agency["id"]) for agency in _entries(sample, "agencies") if not agency.get("external")],
        operators=[str(operator["id"]) for operator in _entries(sample, "operators")],
    )


def build_sample(keys: Keys) -> RawDirectory:
    """The sample with these keys in their places."""
    sample = load_sample()
    return {
        "agencies": [
            {**agency, "keys": [keys.agencies[str(agency["id"])]]}
            if str(agency["id"]) in keys.agencies
            else agency
            for agency in _entries(sample, "agencies")
        ],
        "sources": [
            {**source, "key": keys.sources[str(source["source"])]} for source in _entries(sample, "sources")
        ],
        "operators": [
            {**operator, "public_key": SigningKey.parse(keys.operators[str(operator["id"])]).public}
            for operator in _entries(sample, "operators")
        ],
    }


def read_directory(path: Path | None, keys: Keys) -> DirectoryFile:
    """The file, merged into the sample if it extends it; without a file, the sample.

    *keys* must be complete for the sample. Raises DirectoryRefusedError, which names places and never values.
    """
    given = raw = build_sample(keys) if path is None else read_secret_files(path, _load_yaml(path))
    name = str(path or SAMPLE_FILE.name)
    if given.get("extends") == "sample":
        if troubles := list(_find_misshapen(given)) or list(_find_repeated(given)):
            raise _refusal(name, troubles)
        raw = merge_directories(build_sample(keys), given)
    try:
        directory = DirectoryFile.model_validate(raw)
        troubles = list(find_directory_errors(directory.agencies, directory.sources, directory.operators))
    except ValidationError as error:
        troubles = list(_list_troubles(raw, error))
        troubles += judge_sound_parts(raw, [place for place, _ in troubles])
    else:
        if not troubles:
            return directory
    raise _refusal(name, [(_place_in_file(given, raw, place), message) for place, message in troubles])


def settle_directory(path: Path | None, keys: Keys) -> tuple[DirectoryFile, Keys]:
    """What an embedded stack is to apply, and its keys with those that this takes.

    A directory that names no operator gets one whose key the stack keeps: nobody else could ask why an agency
    was told. Raises DirectoryRefusedError.
    """
    keys = complete_keys(keys)
    directory = read_directory(path, keys)
    if directory.operators:
        return directory, keys
    keys = complete(keys, sources=(), agencies=(), operators=[LOCAL_OPERATOR])
    public_key = SigningKey.parse(keys.operators[LOCAL_OPERATOR]).public
    operator = Operator(id=LOCAL_OPERATOR, name="Operator of this stack", public_key=public_key)
    return directory.model_copy(update={"operators": [operator]}), keys


def _find_misshapen(given: RawDirectory) -> Iterator[tuple[str, str]]:
    """What cannot be merged at all."""
    for part in _NAMED_BY:
        entries = given.get(part, [])
        if not isinstance(entries, list):
            yield f"/{part}", "this must be a list"
            continue
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                yield f"/{part}/{index}", "this must be a mapping"


def _find_repeated(given: RawDirectory) -> Iterator[tuple[str, str]]:
    """What a merge would hide: the later of two entries would win."""
    for part, key in _NAMED_BY.items():
        names = [entry.get(key) for entry in _entries(given, part)]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield f"/{part}/{index}/{key}", "this appears twice in the file"


def _list_troubles(raw: RawDirectory, error: ValidationError) -> Iterator[tuple[str, str]]:
    for trouble in error.errors(include_input=False, include_url=False, include_context=False):
        message = "unknown key" if trouble["type"] == "extra_forbidden" else trouble["msg"]
        yield locate(raw, trouble), message.removeprefix("Value error, ")


def _place_in_file(given: RawDirectory, merged: RawDirectory, place: str) -> str:
    """Where the file says what was merged into the sample; the place as it is if the file is silent."""
    if merged is given:
        return place
    match place.split("/"):
        case ["", part, index, *rest] if part in _NAMED_BY and index.isdecimal():
            key = _NAMED_BY[part]
            name = _entries(merged, part)[int(index)].get(key)
            own = [number for number, entry in enumerate(_entries(given, part)) if entry.get(key) == name]
            return "/".join(["", part, str(own[0]), *rest]) if own else place
        case _:
            return place


def _refusal(name: str, troubles: Iterable[tuple[str, str]]) -> DirectoryRefusedError:
    lines = [f"  {path}: {message}" for path, message in troubles]
    return DirectoryRefusedError("\n".join([f"{name} is not a directory file:", *lines]))


def _entries(raw: RawDirectory, key: str) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", raw.get(key, []))


class _Constructor(SafeConstructor):
    """Leaves instants as they are written: the model reads them, with their offset."""


def _construct_text(_: SafeConstructor, node: ScalarNode) -> str:
    return str(node.value)


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _construct_text)


def _load_yaml(path: Path) -> RawDirectory:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    try:
        raw = yaml.load(path.read_text())
    except OSError as error:
        raise DirectoryRefusedError(f"{path} cannot be read: {error.strerror}.") from error
    except (YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
        raise DirectoryRefusedError(f"{path} is not YAML{where}.") from error
    if not isinstance(raw, dict):
        raise DirectoryRefusedError(f"{path} is not a directory file: it must be a mapping with `agencies`.")
    return raw
