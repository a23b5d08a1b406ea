"""The options of each figure kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bnexp.config.kinds import Strict

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
