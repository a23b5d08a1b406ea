"""The gradients of a whole network's loss against central differences along random directions."""

from __future__ import annotations

from bnexp.nn.gradcheck import layer_errors, relative_error

__all__ = ["layer_errors", "network_errors", "relative_error"]


def network_errors(network, loss, parameters, state, x, labels, random, step=1e-5):
    """Relative errors of the mean loss's gradients, by (layer's index, parameter's name)."""
    logits, caches, _ = network.forward(parameters, state, x, train=True)
    _, probabilities = loss.per_sample(logits, labels)
    gradients = network.backward(parameters, caches, loss.gradient(probabilities, labels))

    def value(i, name, a):
        changed = [{**p, name: a} if i == j else p for j, p in enumerate(parameters)]
        logits, _, _ = network.forward(changed, state, x, train=True)
        return loss.per_sample(logits, labels)[0].mean(axis=-1).sum()

    return {
        (i, name): relative_error(
            lambda a, i=i, name=name: value(i, name, a), gradients[i][name], w, random, step
        )
        for i, p in enumerate(parameters)
        for name, w in p.items()
    }
