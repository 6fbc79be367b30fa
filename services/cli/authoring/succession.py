"""Versions of one pack that come into force in another order than they are numbered."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from schemas.pack import ProtocolPack
from services.routing.pack_check import PackProblem, build_problem
from services.routing.pack_file import Finding, PackDocument, Path

_WHEN: Path = ("in_force_from",)


def find_wrong_order(packs: Sequence[tuple[str, PackDocument, ProtocolPack]]) -> Iterator[PackProblem]:
    """A version that takes the place of one with a higher number: the date is probably a slip."""
    for name in sorted({pack.pack for _, _, pack in packs}):
        own = sorted((entry for entry in packs if entry[2].pack == name), key=_in_force)
        for (_, _, before), (file, document, pack) in pairwise(own):
            if _number(pack) < _number(before):
                message = f"comes into force after {before.version} and takes its place"
                yield build_problem(file, document, Finding(_WHEN, document.place_of(_WHEN), message))


def _in_force(entry: tuple[str, PackDocument, ProtocolPack]) -> float:
    return entry[2].in_force_from.timestamp()


def _number(pack: ProtocolPack) -> tuple[int, ...]:
    return tuple(map(int, pack.version.split(".")))
