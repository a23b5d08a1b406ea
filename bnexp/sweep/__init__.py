"""From a configuration to cells (one network each), and from cells to stacks trained together."""

from bnexp.sweep.networks import Network, Plan, make_plan
from bnexp.sweep.stacks import Stack, make_stacks, stacks_by_step

__all__ = ["Network", "Plan", "Stack", "make_plan", "make_stacks", "stacks_by_step"]
