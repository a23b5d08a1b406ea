"""The options of each figure kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from bnexp.config.kinds import Strict
from bnexp.config.messages import Problem, dotted, problem, real_path
from bnexp.config.names import allowed
from bnexp.errors import ConfigError

Metric = Literal["train_accuracy", "train_loss", "test_accuracy", "test_loss"]


class Panels(Strict):
    """One panel for each value of an axis, a line for each method: the book's 4 x 4 figure."""

    kind: Literal["panels"]
    axis: str | None = Field(None, description="the swept key of the panels; default: the first")
    metric: Metric = Field("train_accuracy", description="what is drawn against the epoch")


class Scale(Strict):
    """Final or best accuracy and final loss against a swept number, as CS231n draws them."""

    kind: Literal["scale"]
    axis: str | None = Field(
        None, description="the swept key on the x axis; default: the first that is a number"
    )
    accuracy: Literal["final", "best"] = Field("final", description="which accuracy is drawn")


Figure = Annotated[Panels | Scale, Field(discriminator="kind")]


_NAMED: TypeAdapter[dict[str, Panels | Scale]] = TypeAdapter(dict[str, Figure])


def figure_options(kind: str, **options: Any) -> Panels | Scale:
    """The validated options of one figure; ConfigError says all that is wrong with them."""
    data = {"figure": {"kind": kind, **options}}
    try:
        return _NAMED.validate_python(data)["figure"]
    except ValidationError as error:
        problems = [_problem(entry, data) for entry in error.errors()]
    raise ConfigError("\n".join(f"{dotted(p.path)}: {p.text}" for p in problems))


def _problem(entry: ErrorDetails, data: Any) -> Problem:
    path = real_path(entry["loc"], data, entry["type"])
    return problem(entry, path, allowed(_NAMED.json_schema(), data, path[:-1]))
