"""The words that people read, kept apart from the code."""

from functools import cache
from importlib.resources import files
from string import Template


@cache
def load_text(name: str) -> str:
    return files(__package__).joinpath(name).read_text()


def load_template(name: str) -> Template:
    return Template(load_text(name))
