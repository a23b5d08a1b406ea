"""From an experiment to its networks, and from networks to stacks that are trained together."""

from bnexp.sweep.networks import Network, Plan, make_plan, setting_error
from bnexp.sweep.stacks import Stack, make_stacks, stacks_by_step

__all__ = [
    "Network",
    "Plan",
    "Stack",
    "make_plan",
    "make_stacks",
    "setting_error",
    "stacks_by_step",
]
