"""The base of the contract's models and the few kinds of field that need a sentence of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_T = TypeVar("_T")


class Model(BaseModel):
    """Base of the contract's models: what they do not name is kept, and numbers pass for texts."""

    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Said:
    """Replace whatever pydantic says about a field by one sentence, of unions in particular."""

    sentence: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.custom_error_schema(
            handler(source), custom_error_type="contract", custom_error_message=self.sentence
        )


if TYPE_CHECKING:
    Maybe: TypeAlias = _T | None
else:

    class Maybe:
        """``Maybe[X] = Field(None)``: the field may be missing and then reads None; where it stands it is no null."""

        def __class_getitem__(cls, kind: Any) -> Any:
            return kind


Object = dict[str, Any]
"""An object whose content is free."""

TextOrFlag = Annotated[bool | str, Said("must be a text, true or false")]
ObjectOrText = Annotated[Object | str, Said("must be an object or a text")]
UserId = Annotated[
    str,
    Field(pattern=r"^[^\r\n\t]*$"),
    Said("must be a text without line breaks and tabs"),
]
