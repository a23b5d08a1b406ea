"""Normalization as functions, with the names, dictionaries and caches of CS231n's assignment 2.

Each call goes through the layers of this package, with a stack of one network. Images are
(N, C, H, W) here, as in the course; gamma and beta are (D,) or (C,), for group norm (1, C, 1, 1)
too, and their gradients have the shape that was given. The caches are for the matching backward
function only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bnexp.nn.batchnorm import BatchNorm
from bnexp.nn.normalizers import GroupNorm, LayerNorm
from bnexp.nn.protocols import Array, State

FunctionCache = tuple[Any, ...]  # layer, its parameters, its cache, shapes of gamma and beta
Settings = dict[str, Any]


def batchnorm_forward(
    x: Array, gamma: Array, beta: Array, bn_param: Settings
) -> tuple[Array, FunctionCache]:
    """Batch norm of x (N, D). `bn_param`: mode (train or test), eps, momentum (the fraction kept),
    running_mean and running_var, which are written back. ValueError on any other mode.

    >>> x, settings = np.array([[1.0], [3.0]]), {"mode": "train"}
    >>> out, cache = batchnorm_forward(x, np.ones(1), np.zeros(1), settings)
    >>> out.round(4).tolist(), settings["running_mean"].round(4).tolist()
    ([[-1.0], [1.0]], [0.2])
    >>> dx, dgamma, dbeta = batchnorm_backward(np.array([[1.0], [2.0]]), cache)
    >>> dgamma.round(4).tolist(), dbeta.tolist()
    ([1.0], [3.0])
    """
    mode = bn_param["mode"]
    if mode not in ("train", "test"):
        raise ValueError(f'Invalid forward batchnorm mode "{mode}"')
    layer = BatchNorm(eps=bn_param.get("eps", 1e-5), stat_decay=bn_param.get("momentum", 0.9))
    zeros = np.zeros(x.shape[1], dtype=x.dtype)
    state: State = {
        "mean": bn_param.get("running_mean", zeros)[None, None],
        "var": bn_param.get("running_var", zeros)[None, None],
        "unseen": np.ones((1, 1, 1), x.dtype),
    }
    parameters = _stacked(gamma, beta)
    out, cache, state = layer.forward(parameters, state, x[None], mode == "train")
    bn_param["running_mean"], bn_param["running_var"] = state["mean"][0, 0], state["var"][0, 0]
    return out[0], (layer, parameters, cache, (gamma.shape, beta.shape))


def batchnorm_backward(dout: Array, cache: FunctionCache) -> tuple[Array, Array, Array]:
    """dx (N, D), dgamma and dbeta of `batchnorm_forward`, in train or in test mode."""
    layer, parameters, inner, shapes = cache
    dx, gradients = layer.backward(parameters, inner, dout[None])
    return dx[0], gradients["gamma"].reshape(shapes[0]), gradients["beta"].reshape(shapes[1])


batchnorm_backward_alt = batchnorm_backward  # the course's name for the closed form, which this is


def layernorm_forward(
    x: Array, gamma: Array, beta: Array, ln_param: Settings
) -> tuple[Array, FunctionCache]:
    """Layer norm of x (N, D). `ln_param`: eps."""
    return _sample_forward(LayerNorm(eps=ln_param.get("eps", 1e-5)), x, gamma, beta)


def layernorm_backward(dout: Array, cache: FunctionCache) -> tuple[Array, Array, Array]:
    """dx (N, D), dgamma and dbeta of `layernorm_forward`."""
    return batchnorm_backward(dout, cache)


def spatial_batchnorm_forward(
    x: Array, gamma: Array, beta: Array, bn_param: Settings
) -> tuple[Array, FunctionCache]:
    """Batch norm of images (N, C, H, W) over N, H and W. `bn_param` as in `batchnorm_forward`."""
    last = x.transpose(0, 2, 3, 1)
    out, cache = batchnorm_forward(last.reshape(-1, x.shape[1]), gamma, beta, bn_param)
    return out.reshape(last.shape).transpose(0, 3, 1, 2), cache


def spatial_batchnorm_backward(dout: Array, cache: FunctionCache) -> tuple[Array, Array, Array]:
    """dx (N, C, H, W), dgamma and dbeta of `spatial_batchnorm_forward`."""
    last = dout.transpose(0, 2, 3, 1)
    dx, dgamma, dbeta = batchnorm_backward(last.reshape(-1, dout.shape[1]), cache)
    return dx.reshape(last.shape).transpose(0, 3, 1, 2), dgamma, dbeta


def spatial_groupnorm_forward(
    x: Array, gamma: Array, beta: Array, G: int, gn_param: Settings
) -> tuple[Array, FunctionCache]:
    """Group norm of images (N, C, H, W) in G groups of channels. `gn_param`: eps.

    ValueError where the channels do not split into G equal groups.
    """
    layer = GroupNorm(eps=gn_param.get("eps", 1e-5), groups=G)
    layer.check((x.shape[2], x.shape[3], x.shape[1]))
    out, cache = _sample_forward(layer, x.transpose(0, 2, 3, 1), gamma, beta)
    return out.transpose(0, 3, 1, 2), cache


def spatial_groupnorm_backward(dout: Array, cache: FunctionCache) -> tuple[Array, Array, Array]:
    """dx (N, C, H, W), dgamma and dbeta of `spatial_groupnorm_forward`."""
    dx, dgamma, dbeta = batchnorm_backward(dout.transpose(0, 2, 3, 1), cache)
    return dx.transpose(0, 3, 1, 2), dgamma, dbeta


def _sample_forward(
    layer: LayerNorm | GroupNorm, x: Array, gamma: Array, beta: Array
) -> tuple[Array, FunctionCache]:
    parameters = _stacked(gamma, beta)
    out, cache, _ = layer.forward(parameters, {}, x[None], True)
    return out[0], (layer, parameters, cache, (gamma.shape, beta.shape))


def _stacked(gamma: Array, beta: Array) -> dict[str, Array]:
    return {"gamma": gamma.reshape(1, 1, -1), "beta": beta.reshape(1, 1, -1)}
