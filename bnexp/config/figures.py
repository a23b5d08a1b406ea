"""The options of each figure kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from bnexp.config.kinds import Strict
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


def figure_options(kind: str, **options: Any) -> Panels | Scale:
    """The validated options of one figure; ConfigError says what is wrong with them."""
    adapter: TypeAdapter[Panels | Scale] = TypeAdapter(Figure)
    try:
        return adapter.validate_python({"kind": kind, **options})
    except ValidationError as error:
        raise ConfigError(f"figure {kind!r}: {error.errors()[0]['msg']}") from None
