"""The results of the experiments that come with bnexp: a run directory without cells for each.

`bnexp report NAME` and other commands find them here, and nothing needs to be imported. In a
checkout of bnexp, `pip install ./results` makes this package of results/reference.
"""
