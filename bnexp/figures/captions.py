"""What stands below a figure in a report: what one sees in it, and how to read it.

CAPTIONS has a text for each kind. An experiment's own is the option `caption` of its figure; a kind
that is not in the table, such as a user's own, is described by the first sentence of its class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bnexp.config.options import docstring

if TYPE_CHECKING:
    from bnexp.figures.kinds import FigureKind

CAPTIONS = {
    "panels": "One panel for each swept value, all with the same axes. A line that rises early "
    "learns fast; a line that stays flat at the bottom learns nothing.",
    "scale": "The result of training against a swept number. A wide plateau means that the method "
    "does not depend on this number; a narrow peak means that the number has to be chosen well.",
    "curves": "The course of training, one line for each combination. The steeper a line, the "
    "faster the learning; a gap between training and test images is overfitting.",
    "percentiles": "Percentiles of the input of one unit's activation over training. Lines that "
    "stay level mean that its distribution does not shift.",
    "histograms": "How the numbers of each layer are distributed, one column for each layer. All "
    "in one bar means that the layer's units cannot be told apart; bars at the ends mean "
    "saturation.",
    "heatmap": "One number at each pair of swept values, as a color. Compare the extent of the "
    "good region from map to map: the larger it is, the less has to be tuned.",
    "landscape": "How far the quantity varies along the gradient, over training. A narrow band is "
    "a smooth landscape, in which long steps are safe.",
    "depth": "A quantity from layer to layer. On a logarithmic axis a straight line is exponential "
    "growth or decay. A level line means that depth does no harm.",
    "confusion": "What the network takes each class for: rows are true classes, columns its "
    "answers. Right answers are framed; mistakes are darker, the more there are.",
    "filters": "The weights of the first layer as images, before training and after it. Structure "
    "that was not there before is what the network has learned.",
    "trajectory": "The path of each optimizer over the same function. A path that goes to and fro "
    "wastes steps on the steep direction.",
}

# Of curves that show no accuracies and losses, but what a probe has recorded.
RECORDED = "A recorded quantity over the course of training, one line for each combination."


def caption_of(options: FigureKind) -> str:
    """The caption of a figure with these options."""
    if options.caption:
        return options.caption
    if options.kind == "curves" and getattr(options, "quantity", None):
        return RECORDED
    described = (docstring(type(options)) or options.kind).split("\n\n")[0]
    return CAPTIONS.get(options.kind) or " ".join(described.split())
