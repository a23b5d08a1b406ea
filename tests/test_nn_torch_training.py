"""Decoupled decay, clipping, schedules and a convolutional network's training against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from numeric_cases import stacked

from bnexp.nn import SGD, BatchNorm, Dense, Flatten, MaxPool, Momentum, Normal, Relu, Sequential
from bnexp.nn.linear import Conv
from bnexp.nn.optimizers import Adam, Constant, Cosine, Nesterov, RMSprop, StepDecay
from bnexp.training import Images, train
from bnexp.training.update import Adjustments, clip, update

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

optim, schedulers = torch.optim, torch.optim.lr_scheduler
torch.set_num_threads(1)  # small tensors: threads would only wait for each other
F64 = {"dtype": torch.float64}
STEPS, RATE = 10, 0.1


def tensor(array):
    return torch.tensor(array, **F64)


def after_steps(adjustments, optimizer, peer, scheduler=lambda other: None, clipped=None):
    """Ours and PyTorch's weight and bias after ten steps on the same gradients."""
    random = np.random.default_rng(0)
    start = {"W": random.standard_normal((1, 4, 3)), "b": random.standard_normal((1, 1, 3))}
    theirs = {name: tensor(w).requires_grad_() for name, w in start.items()}
    other = peer(theirs)
    schedule = scheduler(other)
    parameters, moments = [start], [optimizer.init(start)]
    for t in range(1, STEPS + 1):
        gradients = {name: random.standard_normal(w.shape) for name, w in start.items()}
        for name, g in gradients.items():
            theirs[name].grad = tensor(g)
        if clipped:
            torch.nn.utils.clip_grad_norm_(theirs.values(), clipped)
        other.step()
        if schedule:
            schedule.step()
        lr = np.full((1, 1, 1), RATE)
        moments = update(adjustments, optimizer, lr, parameters, [gradients], moments, (t, STEPS))
    return start, {name: w.detach().numpy() for name, w in theirs.items()}


def decayed(kind, decay, **options):
    """Of the weight alone: PyTorch would decay the bias, too."""
    return lambda p: kind(
        [{"params": [p["W"]], "weight_decay": decay}, {"params": [p["b"]], "weight_decay": 0.0}],
        lr=RATE,
        **options,
    )


def check(made, rtol=1e-10):
    ours, theirs = made
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=rtol, atol=1e-12)


def test_decoupled_decay_is_adamw():
    check(after_steps(Adjustments(weight_decay=0.2), Adam(), decayed(optim.AdamW, 0.2)))


@pytest.mark.parametrize(
    ("optimizer", "kind", "options"),
    [
        (SGD(), optim.SGD, {}),
        (Momentum(), optim.SGD, {"momentum": 0.9}),
        (Nesterov(), optim.SGD, {"momentum": 0.9, "nesterov": True}),
        (RMSprop(), optim.RMSprop, {"eps": 1e-7}),
        (Adam(), optim.Adam, {}),
    ],
    ids=repr,
)
def test_l2_is_pytorchs_weight_decay_of_other_optimizers(optimizer, kind, options):
    check(after_steps(Adjustments(l2=0.2), optimizer, decayed(kind, 0.2, **options)))


def test_decoupled_decay_and_l2_are_two_methods():
    ours, theirs = after_steps(Adjustments(l2=0.2), Adam(), decayed(optim.AdamW, 0.2))
    assert np.abs(ours["W"] - theirs["W"]).max() > 0.01


SCHEDULES = {
    "cosine": (Cosine(), lambda other: schedulers.CosineAnnealingLR(other, STEPS)),
    "cosine to a tenth": (
        Cosine(end=0.1),
        lambda other: schedulers.CosineAnnealingLR(other, STEPS, eta_min=0.1 * RATE),
    ),
    "step": (
        StepDecay(every=3, gamma=0.5),
        lambda other: schedulers.StepLR(other, step_size=3, gamma=0.5),
    ),
    "warmup": (
        Constant(warmup=4),
        lambda other: schedulers.LinearLR(other, start_factor=1 / 5, total_iters=4),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(
    ("optimizer", "kind"), [(SGD(), optim.SGD), (Adam(), optim.AdamW)], ids=["sgd", "adamw"]
)
def test_schedules(name, optimizer, kind):
    """Of the learning rate, and of the decay that goes with it."""
    schedule, peer = SCHEDULES[name]
    decay = 0.2 if kind is optim.AdamW else 0.0
    adjustments = Adjustments(weight_decay=decay, schedule=schedule)
    check(after_steps(adjustments, optimizer, decayed(kind, decay), peer))


@pytest.mark.parametrize("norm", [0.5, 100.0])
def test_clipping_is_clip_grad_norm(norm):
    """But for the 1e-6 that PyTorch adds to the length it divides by."""
    random = np.random.default_rng(1)
    gradients = [
        {"W": random.standard_normal((1, 4, 3))},
        {"gamma": random.standard_normal((1, 1, 3))},
    ]
    theirs = [tensor(g).requires_grad_() for layer in gradients for g in layer.values()]
    for parameter in theirs:
        parameter.grad = parameter.detach().clone()
    length = torch.nn.utils.clip_grad_norm_(theirs, norm).item()
    clip(gradients, norm)
    without = (length + 1e-6) / length if length > norm else 1.0
    for layer, parameter in zip(gradients, theirs, strict=True):
        (ours,) = layer.values()
        np.testing.assert_allclose(ours, without * parameter.grad.numpy(), rtol=1e-12)


def test_ten_clipped_steps():
    made = after_steps(
        Adjustments(clip_norm=0.5), Momentum(), decayed(optim.SGD, 0.0, momentum=0.9), clipped=0.5
    )
    check(made, rtol=1e-4)  # the 1e-6 above


NORM = BatchNorm(**BatchNorm.DIALECTS["pytorch"])
NETWORK = Sequential(
    (
        *(Conv(5, 3, Normal(0.3), padding=1, bias=False), NORM, Relu(), MaxPool(3, 2, 1)),
        *(Conv(6, 2, Normal(0.3), stride=2, bias=False), NORM, Relu()),
        *(Flatten(), Dense(4, Normal(0.3))),
    )
)


def peer_network(parameters, k, shape):
    """With network k's weights; rows are flattened channels last, as ours."""
    made = [
        torch.nn.Conv2d(shape[-1], 5, 3, padding=1, bias=False),
        torch.nn.BatchNorm2d(5),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(3, 2, 1),
        torch.nn.Conv2d(5, 6, 2, stride=2, bias=False),
        torch.nn.BatchNorm2d(6),
        torch.nn.ReLU(),
        *(torch.nn.Flatten(), torch.nn.Linear(parameters[-1]["W"].shape[1], 4)),
    ]
    with torch.no_grad():
        for layer, p in zip(made, parameters, strict=True):
            if isinstance(layer, torch.nn.Conv2d):
                size = layer.kernel_size[0]
                w = tensor(p["W"][k]).reshape(size, size, layer.in_channels, layer.out_channels)
                layer.weight = torch.nn.Parameter(w.permute(3, 2, 0, 1).contiguous())
        rows = tensor(parameters[-1]["W"][k]).reshape(2, 2, 6, 4).permute(3, 2, 0, 1)
        made[-1].weight = torch.nn.Parameter(rows.reshape(4, -1))
        made[-1].bias.zero_()
    return torch.nn.Sequential(*made).double()


@pytest.mark.parametrize(
    ("optimizer", "adjustments", "kind", "options"),
    [
        (Momentum(), Adjustments(), optim.SGD, {"momentum": 0.9}),
        (Adam(), Adjustments(weight_decay=0.1, schedule=Cosine()), optim.AdamW, {}),
    ],
    ids=["momentum", "adamw, cosine"],
)
def test_ten_steps_of_a_convolutional_network(optimizer, adjustments, kind, options):
    """Losses in evaluation after each step, and the running statistics at the end."""
    random = np.random.default_rng(3)
    pixels = random.integers(0, 256, (30, 7, 8, 3), dtype=np.uint8)
    set_ = Images(pixels, random.integers(0, 4, 30), np.float64)
    parameters, state = stacked(NETWORK, 2, set_.shape)
    batches = list(random.integers(0, 30, (STEPS, 2, 12)))
    rates = np.array([0.01, 0.05])
    history = train(
        *(NETWORK, optimizer, rates[:, None, None], parameters, state, iter(batches)),
        *(range(STEPS + 1), set_),
        adjustments=adjustments,
    )
    x, labels = (torch.tensor(part) for part in set_.batch(slice(None)))
    x, loss = x.permute(0, 3, 1, 2), torch.nn.functional.cross_entropy
    for k in range(2):
        peer = peer_network(parameters, k, set_.shape)
        weights = [p for p in peer.parameters() if p.ndim > 1]
        rest = [p for p in peer.parameters() if p.ndim == 1]
        groups = [
            {"params": weights, "weight_decay": adjustments.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        other = kind(groups, lr=rates[k], **options)
        constant = isinstance(adjustments.schedule, Constant)
        schedule = None if constant else schedulers.CosineAnnealingLR(other, STEPS)
        for step in range(STEPS + 1):
            peer.eval()
            expected = loss(peer(x), labels).item()
            assert history.metrics["train_loss"][k, step] == pytest.approx(expected, rel=1e-10)
            if step < STEPS:
                rows = batches[step][k]
                peer.train()
                other.zero_grad()
                loss(peer(x[rows]), labels[rows]).backward()
                other.step()
                if schedule:
                    schedule.step()
        for i in (1, 5):
            mean, var = NORM.statistics(history.state[i])
            np.testing.assert_allclose(mean[k, 0], peer[i].running_mean, rtol=1e-8, atol=1e-10)
            np.testing.assert_allclose(var[k, 0], peer[i].running_var, rtol=1e-8)
