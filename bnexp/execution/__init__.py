"""Execution: training the networks of a sweep, stack by stack, wherever they are to be trained.

`task` is the work on one stack, from networks to records: `build` makes layers, images and initial
parameters of a setting, `bnexp.training` trains them, and `checkpoints` keep where a long training
stands. An executor decides where the tasks of a run are done. It is a frozen dataclass with

    workers                       how many stacks it trains side by side
    records(tasks, on_steps)      a generator of the records of one stack after another, as they
                                  are done; it calls `on_steps(steps)` now and then with the number
                                  of steps that all networks together have made

Closing the generator before its end stops the work. `processes.run_tasks` does most of this for a
pool that tasks can be submitted to, such as `processes.ThisProcess`. Products are to be computed
with one BLAS thread, or their last bits would depend on the machine.

The table EXECUTORS has all executors by the name that `bnexp run --executor` knows; each module is
imported only when it is used. One of your own is entered under a name, or offered by an installed
package as an entry point in the group `bnexp.executor`:

    from bnexp.execution import EXECUTORS

    @EXECUTORS.register("queue")
    @dataclass(frozen=True)
    class QueueExecutor: ...

The command line sets the options `workers`, `cell_timeout` and `scheduler` of an executor that has
fields of these names.
"""

from bnexp.registry import Registry

EXECUTORS: Registry[type] = Registry(
    "executor",
    {
        "local": "bnexp.execution.processes:Local",
        "dask": "bnexp.execution.dask:Cluster",
    },
    methods=("records",),
    options=("workers",),
)
