"""Running stacks somewhere: in this process, or in worker processes."""

from bnexp.execution.task import Record, Task, train_task

__all__ = ["Record", "Task", "train_task"]
