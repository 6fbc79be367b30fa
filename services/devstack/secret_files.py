"""Secrets that a directory file names by the file that holds them, read where the directory is applied."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.devstack.errors import DirectoryRefusedError

FIELDS: Final = ("secret", "signing_key")
MOST_BYTES: Final = 4096


def read_secret_files(path: Path, raw: Mapping[str, object]) -> Mapping[str, object]:
    """The directory of this file with `secret_file` and `signing_key_file` replaced by what is in them.

    Raises DirectoryRefusedError, which names place and file. What is not shaped like a directory stays.
    """
    agencies = raw.get("agencies")
    if not isinstance(agencies, list):
        return raw
    return {**raw, "agencies": [_read_agency(path, agency, index) for index, agency in enumerate(agencies)]}


def _read_agency(path: Path, agency: object, index: int) -> object:
    if not isinstance(agency, dict) or not isinstance(agency.get("endpoints"), list):
        return agency
    place = f"/agencies/{index}/endpoints"
    endpoints = [
        _read_endpoint(path, endpoint, f"{place}/{number}")
        for number, endpoint in enumerate(agency["endpoints"])
    ]
    return {**agency, "endpoints": endpoints}


def _read_endpoint(path: Path, endpoint: object, place: str) -> object:
    if not isinstance(endpoint, dict):
        return endpoint
    read = dict(endpoint)
    for field in FIELDS:
        name = read.get(f"{field}_file")
        # Given twice, the model says so.
        if isinstance(name, str) and field not in read:
            read[field] = _read(path.parent / name, f"{place}/{field}_file")
            del read[f"{field}_file"]
    return read


def _read(file: Path, place: str) -> str:
    try:
        with file.open() as opened:
            return opened.read(MOST_BYTES).strip()
    except OSError as error:
        raise DirectoryRefusedError(f"{place}: {file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DirectoryRefusedError(f"{place}: {file} is not text.") from error
