"""Independent replays of the book's scripts in ch06 and ch07, from the book's equations alone.

One network at a time, in two dimensions, with NumPy's legacy generator: no code of bnexp. The order
of operations is the script's, so that on one machine its numbers are the script's to the last bit.
"""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

EPS = 10e-7


def softmax(logits):
    z = logits - np.max(logits, axis=-1, keepdims=True)
    return np.exp(z) / np.sum(np.exp(z), axis=-1, keepdims=True)


class ScriptNetwork:
    """Affine - [batch norm] - relu - [dropout] for each width, an affine layer and the softmax.

    scale: a number, or the number in the root of number / inputs. l2: the book's weight decay.
    """

    def __init__(self, sizes, scale=None, norm=False, root=2.0, dropout=None, l2=0):
        self.params, self.norm, self.depth = {}, norm, len(sizes) - 1
        self.dropout, self.l2 = dropout, l2
        for i in range(1, len(sizes)):
            std = np.sqrt(root / sizes[i - 1]) if scale is None else scale
            self.params[f"W{i}"] = std * np.random.randn(sizes[i - 1], sizes[i])
            self.params[f"b{i}"] = np.zeros(sizes[i])
            if norm and i < self.depth:
                self.params[f"gamma{i}"] = np.ones(sizes[i])
                self.params[f"beta{i}"] = np.zeros(sizes[i])
        self.mean = [np.zeros(size) for size in sizes]
        self.var = [np.zeros(size) for size in sizes]

    def forward(self, x, train):
        """Logits, and what the backward pass needs."""
        p, cache = self.params, []
        for i in range(1, self.depth):
            affine_input = x
            x = np.dot(x, p[f"W{i}"]) + p[f"b{i}"]
            nodes = None
            if self.norm:
                if train:
                    mu = x.mean(axis=0)
                    centered = x - mu
                    var = np.mean(centered**2, axis=0)
                    self.mean[i] = 0.9 * self.mean[i] + (1 - 0.9) * mu
                    self.var[i] = 0.9 * self.var[i] + (1 - 0.9) * var
                else:
                    centered, var = x - self.mean[i], self.var[i]
                std = np.sqrt(var + EPS)
                normalized = centered / std
                nodes = centered, normalized, std
                x = p[f"gamma{i}"] * normalized + p[f"beta{i}"]
            mask = x <= 0
            x = x.copy()
            x[mask] = 0
            kept = None
            if self.dropout is not None:
                kept = np.random.rand(*x.shape) > self.dropout if train else 1.0 - self.dropout
                x = x * kept
            cache.append((affine_input, nodes, mask, kept))
        return np.dot(x, p[f"W{self.depth}"]) + p[f"b{self.depth}"], (cache, x)

    def gradients(self, x, labels):
        """The gradient of the mean cross-entropy."""
        logits, (cache, last) = self.forward(x, train=True)
        n, p, g = len(x), self.params, {}
        d = softmax(logits)
        d[np.arange(n), labels] -= 1
        d = d / n
        g[f"W{self.depth}"] = np.dot(last.T, d)
        g[f"b{self.depth}"] = np.sum(d, axis=0)
        d = np.dot(d, p[f"W{self.depth}"].T)
        for i in range(self.depth - 1, 0, -1):
            affine_input, nodes, mask, kept = cache[i - 1]
            d = d if kept is None else d * kept
            d[mask] = 0
            if self.norm:
                centered, normalized, std = nodes
                g[f"beta{i}"] = d.sum(axis=0)
                g[f"gamma{i}"] = np.sum(normalized * d, axis=0)
                dnormalized = p[f"gamma{i}"] * d
                dcentered = dnormalized / std
                dstd = -np.sum((dnormalized * centered) / (std * std), axis=0)
                dvar = 0.5 * dstd / std
                dcentered += (2.0 / n) * centered * dvar
                d = dcentered - np.sum(dcentered, axis=0) / n
            g[f"W{i}"] = np.dot(affine_input.T, d)
            g[f"b{i}"] = np.sum(d, axis=0)
            d = np.dot(d, p[f"W{i}"].T)
        for i in range(1, self.depth + 1):
            g[f"W{i}"] = g[f"W{i}"] + self.l2 * p[f"W{i}"]
        return g

    def loss(self, x, labels):
        """As the book's scripts print it, with 1e-7 in the logarithm."""
        probabilities = softmax(self.forward(x, train=False)[0])
        chosen = probabilities[np.arange(len(x)), labels]
        return -np.sum(np.log(chosen + 1e-7)) / len(x)

    def accuracy(self, x, labels):
        logits, _ = self.forward(x, train=False)
        return np.sum(np.argmax(logits, axis=1) == labels) / float(len(x))


class ScriptConvNet:
    """Convolution - relu - 2 x 2 maximum - affine - relu - affine; images (N, side, side)."""

    def __init__(self, side, filters, size, hidden, scale):
        self.size, pooled = size, ((side - size + 1) // 2) ** 2 * filters
        self.params = {"W1": scale * np.random.randn(filters, 1, size, size)}
        self.params["b1"] = np.zeros(filters)
        for i, (rows, columns) in enumerate([(pooled, hidden), (hidden, 10)], start=2):
            self.params[f"W{i}"] = scale * np.random.randn(rows, columns)
            self.params[f"b{i}"] = np.zeros(columns)

    def forward(self, x):
        p, (n, side, _), size = self.params, x.shape, self.size
        out, filters = side - size + 1, len(p["b1"])
        windows = np.zeros((n, out, out, size, size))
        for i in range(size):
            for j in range(size):
                windows[:, :, :, i, j] = x[:, i : i + out, j : j + out]
        windows = windows.reshape(n * out * out, -1)
        y = np.dot(windows, p["W1"].reshape(filters, -1).T) + p["b1"]
        mask = y <= 0
        y[mask] = 0
        half = out // 2
        blocks = y.reshape(n, half, 2, half, 2, filters).transpose(0, 1, 3, 5, 2, 4)
        blocks = blocks.reshape(n, half, half, filters, 4)
        rows = np.max(blocks, axis=-1).transpose(0, 3, 1, 2).reshape(n, -1)
        h = np.dot(rows, p["W2"]) + p["b2"]
        h_mask = h <= 0
        h[h_mask] = 0
        logits = np.dot(h, p["W3"]) + p["b3"]
        return logits, (windows, mask, blocks, rows, h, h_mask)

    def gradients(self, x, labels):
        logits, (windows, mask, blocks, rows, h, h_mask) = self.forward(x)
        p, n, g = self.params, len(x), {}
        d = softmax(logits)
        d[np.arange(n), labels] -= 1
        d = d / n
        g["W3"], g["b3"] = np.dot(h.T, d), np.sum(d, axis=0)
        d = np.dot(d, p["W3"].T)
        d[h_mask] = 0
        g["W2"], g["b2"] = np.dot(rows.T, d), np.sum(d, axis=0)
        d = np.dot(d, p["W2"].T)
        _, half, _, filters, _ = blocks.shape
        d = d.reshape(n, filters, half, half).transpose(0, 2, 3, 1)
        largest = np.zeros(blocks.shape)
        np.put_along_axis(largest, np.argmax(blocks, axis=-1)[..., None], d[..., None], axis=-1)
        d = largest.reshape(n, half, half, filters, 2, 2).transpose(0, 1, 4, 2, 5, 3)
        d = d.reshape(-1, filters)
        d[mask] = 0
        g["W1"] = np.dot(windows.T, d).T.reshape(p["W1"].shape)
        g["b1"] = np.sum(d, axis=0)
        return g

    def accuracy(self, x, labels):
        logits, _ = self.forward(x)
        return np.sum(np.argmax(logits, axis=1) == labels) / len(x)


class ScriptRule:
    """The book's update rules, by name; `book_2016` is its nesterov before 2021."""

    def __init__(self, name, lr):
        self.name, self.lr, self.arrays, self.steps = name, lr, {}, 0

    def update(self, params, grads):
        self.steps += 1
        for key, w in params.items():
            first, second = self.arrays.setdefault(key, (np.zeros_like(w), np.zeros_like(w)))
            g, lr = grads[key], self.lr
            if self.name == "sgd":
                w -= lr * g
            elif self.name == "momentum":
                first[...] = 0.9 * first - lr * g
                w += first
            elif self.name == "adagrad":
                first += g * g
                w -= lr * g / (np.sqrt(first) + 1e-7)
            elif self.name == "adam":
                rate = lr * np.sqrt(1.0 - 0.999**self.steps) / (1.0 - 0.9**self.steps)
                first += (1 - 0.9) * (g - first)
                second += (1 - 0.999) * (g**2 - second)
                w -= rate * first / (np.sqrt(second) + 1e-7)


@contextmanager
def numpy_seed(seed):
    """NumPy's global generator, seeded as before a script; its state is put back."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        np.random.set_state(before)


def run_comparison(make_networks, rules, x, labels, batch, steps):
    """weight_init_compare.py, optimizer_compare_mnist.py: losses on each batch after its update.

    Returns (steps, networks), and the networks.
    """
    networks, losses = make_networks(), []
    for _ in range(steps):
        chosen = np.random.choice(len(x), batch)
        losses.append([])
        for network, rule in zip(networks, rules, strict=True):
            rule.update(network.params, network.gradients(x[chosen], labels[chosen]))
            losses[-1].append(network.loss(x[chosen], labels[chosen]))
    return np.array(losses), networks


def run_trainer(network, rule, train, test, batch, epochs, scored=None):
    """The book's Trainer, and the loop of overfit_weight_decay.py: accuracies, (epochs, 2)."""
    accuracies = []
    for step in range(1000000000):
        chosen = np.random.choice(len(train[0]), batch)
        rule.update(network.params, network.gradients(train[0][chosen], train[1][chosen]))
        if step % max(len(train[0]) / batch, 1) == 0:
            accuracies.append([network.accuracy(x[:scored], t[:scored]) for x, t in (train, test)])
            if len(accuracies) >= epochs:
                return np.array(accuracies)


def run_script(seed, x, labels, scales, norms, hidden, batch, epochs, lr=0.01):
    """The networks and accuracies of batch_norm_test.py, by (round, index in `norms`).

    x (n, D) in float32 as the book's loader gives it. Accuracies are after updates 1, E + 1, ...
    """
    results = {}
    with numpy_seed(seed):
        for i, scale in enumerate(scales):
            sizes = [x.shape[1], *hidden, 10]
            networks = [ScriptNetwork(sizes, scale, norm) for norm in norms]
            accuracies = [[] for _ in norms]
            for step in range(1000000000):
                chosen = np.random.choice(len(x), batch)
                for network in networks:
                    gradients = network.gradients(x[chosen], labels[chosen])
                    for key in network.params:
                        network.params[key] -= lr * gradients[key]
                if step % max(len(x) / batch, 1) == 0:
                    for network, values in zip(networks, accuracies, strict=True):
                        values.append(network.accuracy(x, labels))
                    if len(accuracies[0]) >= epochs:
                        break
            for k, pair in enumerate(zip(networks, accuracies, strict=True)):
                results[i, k] = pair
    return results


def different_arrays(script_network, parameters, state, k):
    """The names of the arrays of network k of a stack that are not the script's, bit for bit."""
    names = []
    layer = norm = 0
    for p, s in zip(parameters, state, strict=True):
        if "W" in p:
            layer += 1
        if "gamma" in p:
            norm += 1
        expected = {f"{name}": script_network.params[f"{name}{layer}"] for name in p}
        if "mean" in s:
            expected |= {"mean": script_network.mean[norm], "var": script_network.var[norm]}
        for name, array in expected.items():
            ours = (p if name in p else s)[name][k].reshape(array.shape)
            if not np.array_equal(ours, array, equal_nan=True):
                names.append(f"{name}{layer}")
    return names
