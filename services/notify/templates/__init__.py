"""The words that people read, kept apart from the code."""

from functools import cache
from importlib.resources import files
from string import Template

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def load_text(name: str) -> str:
    return files(__package__).joinpath(name).read_text()


def load_template(name: str) -> Template:
    return Template(load_text(name))


def build_pages() -> Environment:
    """The templates of pages: every value is escaped, and one that is missing is a fault."""
    return Environment(
        loader=PackageLoader("services.notify", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
