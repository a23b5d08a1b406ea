"""Training: one stack of networks, from initial parameters to a history.

`loop.train` is the only training loop. It takes batches from the streams of `random`, computes
them from `images`, makes steps by `update`, and scores the networks by `evaluate` at the steps that
`schedule` has found. Everything here works on a stack of K networks side by side, and a network's
numbers do not depend on the others in its stack.
"""

from bnexp.training.evaluation import Images, evaluate, logits_of
from bnexp.training.loop import History, Snapshot, train

__all__ = ["History", "Images", "Snapshot", "evaluate", "logits_of", "train"]
