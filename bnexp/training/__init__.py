"""Training: one stack of networks, from initial parameters to a history. The only loop."""

from bnexp.training.evaluate import evaluate, logits_of
from bnexp.training.images import Images
from bnexp.training.loop import History, Snapshot, train

__all__ = ["History", "Images", "Snapshot", "evaluate", "logits_of", "train"]
