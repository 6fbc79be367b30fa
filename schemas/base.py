"""What every wire model shares: frozen, closed, and silent about the values it refuses."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema


class WireModel(BaseModel):
    """A model whose errors never show the input, since the input may be a victim's name."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)


class _NotNull:
    """Makes an optional field absent-or-given: `null` on the wire is refused."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - pydantic's signature
        schema = handler(source)
        return schema["schema"] if schema["type"] == "nullable" else schema


_T = TypeVar("_T")

Opt = Annotated[_T | None, _NotNull()]
"""Optional in Python (`None` when absent), never null on the wire (DOMAIN 6.0.1 point 27)."""
