"""bnexp: see, check and teach what batch normalization does.

    import bnexp
    config = bnexp.load_config("book_weight_scale", {"train.epochs": 5})
    result = bnexp.run(config)
    result.figure("panels")

`bnexp.nn` holds the layers and can be used by itself. Names are imported on first use, so that
`import bnexp` and `bnexp --help` are quick.
"""

from importlib import import_module

TYPE_CHECKING = False  # as in `typing`, which need not be imported for it
if TYPE_CHECKING:
    from bnexp import nn
    from bnexp.comparison import Comparison, Verification, compare, verify
    from bnexp.config import Config, load_config
    from bnexp.errors import BnexpError, ConfigError, DataError, NetworksFailed, StoreError
    from bnexp.execution.dask import Cluster
    from bnexp.exports.common import export
    from bnexp.model import Model, fit, load_model, save_model
    from bnexp.replication import Replication, replicate
    from bnexp.report.html import write_report
    from bnexp.report.site import write_site
    from bnexp.result import Result, load_run
    from bnexp.running import run
    from bnexp.shipped import experiments

__version__ = "0.1.0"

_NAMES = {
    "bnexp.comparison": ("Comparison", "Verification", "compare", "verify"),
    "bnexp.config": ("Config", "load_config"),
    "bnexp.errors": ("BnexpError", "ConfigError", "DataError", "NetworksFailed", "StoreError"),
    "bnexp.execution.dask": ("Cluster",),
    "bnexp.exports.common": ("export",),
    "bnexp.model": ("Model", "fit", "load_model", "save_model"),
    "bnexp.replication": ("Replication", "replicate"),
    "bnexp.report": ("write_report", "write_site"),
    "bnexp.result": ("Result", "load_run"),
    "bnexp.running": ("run",),
    "bnexp.shipped": ("experiments",),
}
# Packages and modules whose help the documentation names.
_PACKAGES = ("data", "execution", "exports", "figures", "metrics", "nn", "probes")
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "BnexpError",
    "Cluster",
    "Comparison",
    "Config",
    "ConfigError",
    "DataError",
    "Model",
    "NetworksFailed",
    "Replication",
    "Result",
    "StoreError",
    "Verification",
    "compare",
    "experiments",
    "export",
    "fit",
    "load_config",
    "load_model",
    "load_run",
    "nn",
    "replicate",
    "run",
    "save_model",
    "verify",
    "write_report",
    "write_site",
]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def __getattr__(name: str) -> object:
    if name in _PACKAGES:
        return import_module(f"bnexp.{name}")
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'bnexp' has no attribute {name!r}")
