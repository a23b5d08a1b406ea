"""The run directory: only this package writes results to disk.

How the modules fit, from the disk to what is shown:

    directory   the folder of a run: cell files, checkpoints, the lock, writing of all other files
    manifest    manifest.json: how the numbers were made
    tables      records of networks -> tables of columns; csv: tables <-> CSV files
    data        `RunData`: config, plan, tables and records of one run, new or read from a folder
    references  the results that come with bnexp, by the names of their experiments
    where       which networks of a sweep a `where` selects
    stats       means over seeds and their intervals
"""

from bnexp.runs.directory import RunDirectory

__all__ = ["RunDirectory"]
