"""Normalization as functions, with the names, dictionaries and caches of CS231n's assignment 2.

Each forward call goes through the layers of this package, with a stack of one network. Images are
(N, C, H, W) here, as in the course; gamma and beta are (D,) or (C,), for group norm (1, C, 1, 1)
too, and their gradients have the shape that was given. The caches are for the matching backward
functions only.

Arguments are whatever NumPy can make an array of: lists and integers count as float64. A gamma or
beta that is a single number serves all features, and its gradient has one number for each; None
stands for a gamma of 1 or a beta of 0, and so does its gradient, and for settings without any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnexp.nn.batchnorm import BatchNorm, BatchNormCache
from bnexp.nn.normalizers import GroupNorm, LayerNorm
from bnexp.nn.protocols import Array, State

FunctionCache = tuple[Any, ...]  # layer, its parameters, its cache, shapes of gamma and beta
Settings = dict[str, Any]
Affine = ArrayLike | None
FunctionGradients = tuple[Array, Array | None, Array | None]


def batchnorm_forward(
    x: ArrayLike, gamma: Affine, beta: Affine, bn_param: Settings
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
    x = _floats(x)
    layer = BatchNorm(
        eps=_setting(bn_param, "eps", 1e-5), stat_decay=_setting(bn_param, "momentum", 0.9)
    )
    zeros = np.zeros(x.shape[1], x.dtype, like=x)
    state: State = {
        "mean": _floats(_setting(bn_param, "running_mean", zeros))[None, None],
        "var": _floats(_setting(bn_param, "running_var", zeros))[None, None],
        "unseen": np.ones_like(x, shape=(1, 1, 1)),
    }
    parameters, shapes = _stacked(gamma, beta, x)
    out, cache, state = layer.forward(parameters, state, x[None], mode == "train")
    bn_param["running_mean"], bn_param["running_var"] = state["mean"][0, 0], state["var"][0, 0]
    return out[0], (layer, parameters, cache, shapes)


def batchnorm_backward(dout: ArrayLike, cache: FunctionCache) -> FunctionGradients:
    """dx (N, D), dgamma and dbeta of `batchnorm_forward`, in train or in test mode.

    In train mode node after node of the computational graph (Ioffe & Szegedy 2015, section 3), with
    x hat = (x - mu) / root and root = sqrt(var + eps):

        dxhat = gamma * dout
        dvar  = -1/2 * sum(dxhat * (x - mu)) / root^3
        dmu   = -sum(dxhat) / root - 2 * dvar * mean(x - mu)
        dx    = dxhat / root + 2 * dvar * (x - mu) / N + dmu / N

    `batchnorm_backward_alt` has the same derivative in closed form.
    """
    _, parameters, inner, shapes = cache
    if not isinstance(inner, BatchNormCache):
        return _backward(dout, cache)
    dout = _floats(dout)
    centered, inverse = inner.centered[0], inner.inverse[0, 0]
    normalized = centered * inverse
    dnormalized = parameters["gamma"][0, 0] * dout
    dvar = -0.5 * (dnormalized * centered).sum(axis=0) * inverse**3
    dmean = -(dnormalized * inverse).sum(axis=0) - 2 * dvar * centered.mean(axis=0)
    dx = dnormalized * inverse + (2 * dvar * centered + dmean) / len(dout)
    dgamma, dbeta = (dout * normalized).sum(axis=0), dout.sum(axis=0)
    return dx, _in_shape(dgamma, shapes[0]), _in_shape(dbeta, shapes[1])


def batchnorm_backward_alt(dout: ArrayLike, cache: FunctionCache) -> FunctionGradients:
    """dx (N, D), dgamma and dbeta of `batchnorm_forward` in closed form, in train or test mode.

    In train mode, with the graph's nodes put into one equation (the layer's own backward pass):

        dx = gamma / root * (dout - mean(dout) - (x - mu) / root^2 * mean(dout * (x - mu)))
    """
    return _backward(dout, cache)


def layernorm_forward(
    x: ArrayLike, gamma: Affine, beta: Affine, ln_param: Settings | None
) -> tuple[Array, FunctionCache]:
    """Layer norm of x (N, D). `ln_param`: eps."""
    return _sample_forward(LayerNorm(eps=_setting(ln_param, "eps", 1e-5)), _floats(x), gamma, beta)


def layernorm_backward(dout: ArrayLike, cache: FunctionCache) -> FunctionGradients:
    """dx (N, D), dgamma and dbeta of `layernorm_forward`."""
    return _backward(dout, cache)


def spatial_batchnorm_forward(
    x: ArrayLike, gamma: Affine, beta: Affine, bn_param: Settings
) -> tuple[Array, FunctionCache]:
    """Batch norm of images (N, C, H, W) over N, H and W. `bn_param` as in `batchnorm_forward`."""
    last = _floats(x).transpose(0, 2, 3, 1)
    out, cache = batchnorm_forward(last.reshape(-1, last.shape[-1]), gamma, beta, bn_param)
    return out.reshape(last.shape).transpose(0, 3, 1, 2), cache


def spatial_batchnorm_backward(dout: ArrayLike, cache: FunctionCache) -> FunctionGradients:
    """dx (N, C, H, W), dgamma and dbeta of `spatial_batchnorm_forward`."""
    last = _floats(dout).transpose(0, 2, 3, 1)
    dx, dgamma, dbeta = batchnorm_backward(last.reshape(-1, last.shape[-1]), cache)
    return dx.reshape(last.shape).transpose(0, 3, 1, 2), dgamma, dbeta


def spatial_groupnorm_forward(
    x: ArrayLike, gamma: Affine, beta: Affine, G: int, gn_param: Settings | None
) -> tuple[Array, FunctionCache]:
    """Group norm of images (N, C, H, W) in G groups of channels. `gn_param`: eps.

    ValueError where the channels do not split into G equal groups.
    """
    layer = GroupNorm(eps=_setting(gn_param, "eps", 1e-5), groups=G)
    last = _floats(x).transpose(0, 2, 3, 1)
    layer.check(last.shape[1:])
    out, cache = _sample_forward(layer, last, gamma, beta)
    return out.transpose(0, 3, 1, 2), cache


def spatial_groupnorm_backward(dout: ArrayLike, cache: FunctionCache) -> FunctionGradients:
    """dx (N, C, H, W), dgamma and dbeta of `spatial_groupnorm_forward`."""
    dx, dgamma, dbeta = _backward(_floats(dout).transpose(0, 2, 3, 1), cache)
    return dx.transpose(0, 3, 1, 2), dgamma, dbeta


def _sample_forward(
    layer: LayerNorm | GroupNorm, x: Array, gamma: Affine, beta: Affine
) -> tuple[Array, FunctionCache]:
    parameters, shapes = _stacked(gamma, beta, x)
    out, cache, _ = layer.forward(parameters, {}, x[None], True)
    return out[0], (layer, parameters, cache, shapes)


def _backward(dout: ArrayLike, cache: FunctionCache) -> FunctionGradients:
    """The layer's own gradients."""
    layer, parameters, inner, shapes = cache
    dx, gradients = layer.backward(parameters, inner, _floats(dout)[None])
    dgamma, dbeta = (gradients[name] for name in ("gamma", "beta"))
    return dx[0], _in_shape(dgamma, shapes[0]), _in_shape(dbeta, shapes[1])


def _floats(x: ArrayLike) -> Array:
    """An array of floating point numbers; what is not one yet becomes float64."""
    like: Any = x if hasattr(x, "__array_function__") else None
    array = np.asarray(x, like=like)
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float64)


def _setting(settings: Mapping[str, Any] | None, name: str, default: Any) -> Any:
    """A setting, or its default if it is not there or None."""
    value = (settings or {}).get(name)
    return default if value is None else value


def _stacked(gamma: Affine, beta: Affine, x: Array) -> tuple[dict[str, Array], tuple[Any, Any]]:
    """gamma and beta as rows (1, 1, F) for x (..., F), and the shapes that their gradients get;
    None for None."""
    rows, shapes, features = {}, [], x.shape[-1]
    for name, given, constant in (("gamma", gamma, 1), ("beta", beta, 0)):
        array = _floats(constant if given is None else given)
        if array.ndim == 0:  # in the type of x: a single number is no reason for another
            rows[name] = np.full_like(x, array.item(), shape=(1, 1, features))
            shapes.append(None if given is None else (features,))
        else:
            rows[name] = array.reshape(1, 1, -1)
            shapes.append(array.shape)
    return rows, (shapes[0], shapes[1])


def _in_shape(gradient: Array, shape: tuple[int, ...] | None) -> Array | None:
    return None if shape is None else gradient.reshape(shape)
