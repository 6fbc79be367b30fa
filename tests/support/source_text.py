"""Our own source as a syntax tree."""

import ast
import gc
from pathlib import Path


def parse_source(path: Path) -> ast.Module:
    """The tree, made while nothing is collected.

    Python 3.11 counts the depth of its recursion while it makes a tree, and what the collector calls
    meanwhile spoils the count (SystemError: AST constructor recursion depth mismatch).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        if was_enabled:
            gc.enable()
