"""What files of results hold, validated as strictly as a config.

A checksum says that a file is what was written, not who wrote it. So the contents of cell files,
manifests and model files have schemas, made of the types below, and `validate` says what does not
fit as errors of a config do: "key: not a valid value, expected ..., got ...".
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from bnexp.config.experiment import MAX_STEPS
from bnexp.config.messages import briefly, dotted, real_path, schema_problem
from bnexp.config.options import Either
from bnexp.config.yaml import KeyPath

MAX_NAME = 200
Count = Annotated[int, Field(ge=0, le=MAX_STEPS)]
Counts = Annotated[tuple[Count, ...], Field(strict=False)]
Number = Annotated[float, Field(allow_inf_nan=True)]  # a result may be NaN or infinite
Numbers = Annotated[tuple[Number, ...], Field(strict=False)]
Seconds = Annotated[float, Field(ge=0)]
Digest = Annotated[
    Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")], Either("a SHA-256 of 64 hexadecimal digits")
]

T = TypeVar("T", bound=BaseModel)


class Misfit(ValueError):
    """A value in a file that bnexp would not have written.

    path: its key. text: what is wrong, expected and got. kind: pydantic's type of the error, if it
    is one of pydantic's.
    """

    def __init__(self, path: KeyPath, text: str, kind: str = "") -> None:
        super().__init__(f"{dotted(path)}: {text}" if path else text)
        self.kind = kind


def validate(schema: type[T], values: Any) -> T:
    """The values as an object of the schema; Misfit, for the first one that does not fit."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        problem = schema_problem(first, real_path(first["loc"], values, first["type"]))
        raise Misfit(problem.path, problem.text, first["type"]) from None


def require(condition: bool, path: KeyPath, expected: str, value: Any) -> None:
    """Misfit at this key unless the condition holds."""
    if not condition:
        raise Misfit(path, f"not a valid value, expected {expected}, got {briefly(value)}")


def is_name(value: Any) -> bool:
    """Whether this is a short text that can be printed."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()
