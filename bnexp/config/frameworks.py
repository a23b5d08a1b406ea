"""What other frameworks call the keys and kinds of an experiment, and how their values convert.

Messages about unknown keys and kinds, `bnexp explain` and docs/config.md read the table NAMES. A
row is a key or kind of ours, what to write for a value of theirs (empty where the value is the
same), and their names by framework. A name that is the same everywhere has no row. NOT_HERE has the
names of what needs no key here.

Each framework is the version whose documentation has the name: PyTorch 2, Keras 2 and 3 (tf.contrib
for TensorFlow 1), flax.linen, optax, CS231n's assignment 2 (`FullyConnectedNet`, `Solver` and
`optim`), Darknet's cfg files, and the book's own `common` package. "other programs" have what is
common beyond these, Caffe and NumPy among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bnexp.text import listed


class Row(NamedTuple):
    """What one key, or `key=kind`, is called elsewhere.

    how: what to write here for a value of theirs; empty for the same value.
    names: framework -> its names, separated by spaces.
    """

    key: str
    how: str
    names: dict[str, str]

    @property
    def place(self) -> str:
        """The key around it; of a kind, the key that it is a value of."""
        return self.key.partition("=")[0] if self.is_kind else self.key.rpartition(".")[0]

    @property
    def is_kind(self) -> bool:
        """Whether it is a kind."""
        return "=" in self.key

    @property
    def by_names(self) -> dict[str, list[str]]:
        """The names, separated by spaces -> the frameworks that have them."""
        frameworks: dict[str, list[str]] = {}
        for framework, names in self.names.items():
            frameworks.setdefault(names, []).append(framework)
        return frameworks

    def frameworks(self, name: str) -> list[str]:
        """The frameworks that call it so, whatever the capitals and underscores."""
        return [
            framework
            for framework, names in self.names.items()
            if _form(name) in map(_form, names.split())
        ]


NAMES = (
    Row("model.norm", "norm: batch, layer or none", {"CS231n": "normalization"}),
    Row("model.norm", "norm: {kind: batch, dialect: cs231n} for True", {"CS231n": "use_batchnorm"}),
    Row("model.norm", "norm: batch for True, none for False", {"the book": "use_batchnorm"}),
    Row("model.norm", "norm: {kind: batch, dialect: darknet} for 1", {
        "Darknet": "batch_normalize",
    }),
    Row("model.norm", "norm: batch", {"other programs": "bn batch_norm batchnorm"}),
    Row("model.norm=batch", "", {
        "PyTorch": "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm",
        "Keras": "BatchNormalization", "flax": "BatchNorm", "CS231n": "batchnorm spatial_batchnorm",
        "the book": "BatchNormalization", "other programs": "bn batch_norm",
    }),
    Row("model.norm=layer", "", {
        "PyTorch": "LayerNorm", "Keras": "LayerNormalization", "flax": "LayerNorm",
        "CS231n": "layernorm", "other programs": "ln",
    }),
    Row("model.norm=group", "", {
        "PyTorch": "GroupNorm", "Keras": "GroupNormalization", "flax": "GroupNorm",
    }),
    Row("model.norm=instance", "", {"PyTorch": "InstanceNorm2d"}),
    Row("model.norm=rms", "", {"PyTorch": "RMSNorm", "flax": "RMSNorm"}),
    Row("model.norm=weight", "", {"PyTorch": "weight_norm"}),
    Row("model.norm=filter_response", "", {"other programs": "frn"}),
    Row("model.norm=weight_standardization", "", {"other programs": "ws"}),
    Row("model.norm=spectral", "", {"PyTorch": "spectral_norm"}),
    Row("model.norm.size", "norm: {kind: ghost_batch, size: NUMBER}", {
        "other programs": "ghost_size ghost_batch_size",
    }),
    Row("model.norm.eps", "", {"Keras": "epsilon", "flax": "epsilon"}),
    Row("model.norm.stat_decay", "1 - momentum, so stat_decay: 0.9 for 0.1", {
        "PyTorch": "momentum",
    }),
    Row("model.norm.stat_decay", "", {
        "Keras": "momentum", "flax": "momentum", "CS231n": "momentum", "the book": "momentum",
        "tf.contrib": "decay", "other programs": "decay_rate",
    }),
    Row("model.norm.average", "average: cumulative for None", {"PyTorch": "momentum"}),
    Row("model.norm.running_var", "running_var: 0 for zeros, 1 for ones", {
        "Keras": "moving_variance_initializer",
    }),
    Row("model.norm.evaluation", "evaluation: batch for False, running for True", {
        "PyTorch": "track_running_stats",
    }),
    Row("model.norm.evaluation", "evaluation: running uses them at evaluation, batch never does", {
        "flax": "use_running_average",
    }),
    Row("model.norm.evaluation", "evaluation: running for true, batch for false", {
        "Caffe": "use_global_stats",
    }),
    Row("model.norm.affine", "affine: scale for False (no beta)", {
        "Keras": "center", "tf.contrib": "center", "flax": "use_bias", "PyTorch": "bias",
    }),
    Row("model.norm.affine", "affine: shift for False (no gamma)", {
        "Keras": "scale", "tf.contrib": "scale", "flax": "use_scale",
    }),
    Row("model.norm.affine", "", {"PyTorch": "elementwise_affine"}),
    Row("model.norm.initial_gamma", "initial_gamma: 1 for ones, 0 for zeros", {
        "Keras": "gamma_initializer", "flax": "scale_init",
    }),
    Row("model.norm.initial_gamma", "its first value", {"CS231n": "gamma", "the book": "gamma"}),
    Row("model.norm.variance", "variance: fast for True, centered for False", {
        "flax": "use_fast_variance",
    }),
    Row("model.norm.groups", "", {"PyTorch": "num_groups", "flax": "num_groups", "CS231n": "G"}),
    Row("model.hidden", "", {
        "CS231n": "hidden_dims", "the book": "hidden_size_list",
        "other programs": "hidden_sizes hidden_units",
    }),
    Row("model.bias", "", {"Keras": "use_bias", "flax": "use_bias"}),
    Row("model.bias", "model: {bias: false} for False, of all layers", {"PyTorch": "bias"}),
    Row("model.activation=sigmoid", "", {"Darknet": "logistic"}),
    Row("model.activation=identity", "", {"Keras": "linear", "Darknet": "linear"}),
    Row("model.activation=leaky_relu", "", {"PyTorch": "LeakyReLU", "Darknet": "leaky"}),
    Row("model.activation.negative_slope", "", {"Keras": "alpha"}),
    Row("model.dropout", "dropout: {ratio: 0.5} for True, none for False", {
        "the book": "use_dropout",
    }),
    Row("model.dropout.ratio", "", {
        "PyTorch": "p", "Keras": "rate", "flax": "rate", "Darknet": "probability",
        "the book": "dropout_ration dropout_ratio",
    }),
    Row("model.dropout.ratio", "1 - the ratio that is kept", {
        "CS231n": "dropout_keep_ratio", "other programs": "keep_prob",
    }),
    Row("model.init", "init: {kind: normal, std: NUMBER}; he for relu, xavier for sigmoid", {
        "the book": "weight_init_std",
    }),
    Row("model.init", "init: the name of a kind", {
        "Keras": "kernel_initializer", "flax": "kernel_init",
    }),
    Row("model.init.std", "init: {kind: normal, std: NUMBER}", {"CS231n": "weight_scale"}),
    Row("model.init.std", "", {"Keras": "stddev", "flax": "stddev", "NumPy": "scale"}),
    Row("model.init.slope", "", {"PyTorch": "a"}),
    Row("model.init.fan", "fan: in for fan_in, out for fan_out", {"PyTorch": "mode"}),
    Row("model.init=normal", "", {"PyTorch": "normal_", "Keras": "random_normal RandomNormal"}),
    Row("model.init.limit", "U(-limit, limit)", {
        "PyTorch": "a b", "Keras": "minval maxval", "NumPy": "low high",
    }),
    Row("model.init=truncated", "std: 0.8796 times stddev", {
        "Keras": "truncated_normal TruncatedNormal", "flax": "truncated_normal",
    }),
    Row("model.init=truncated", "cut off at two deviations, where PyTorch cuts at -2 and 2", {
        "PyTorch": "trunc_normal_",
    }),
    Row("model.init=lecun", "cut off at 2 standard deviations there", {
        "Keras": "lecun_normal LecunNormal", "flax": "lecun_normal",
    }),
    Row("model.init=glorot", "", {"PyTorch": "xavier_normal_"}),
    Row("model.init=glorot", "Keras cuts it off at 2 standard deviations", {
        "Keras": "glorot_normal GlorotNormal",
    }),
    Row("model.init=glorot_uniform", "", {"PyTorch": "xavier_uniform_", "flax": "xavier_uniform"}),
    Row("model.init=he", "", {
        "PyTorch": "kaiming_normal_", "Caffe": "msra", "other programs": "kaiming",
    }),
    Row("model.init=he", "Keras cuts it off at 2 standard deviations", {
        "Keras": "he_normal HeNormal",
    }),
    Row("model.init=he_uniform", "", {"PyTorch": "kaiming_uniform_", "flax": "kaiming_uniform"}),
    Row("model.blocks.features", "", {
        "PyTorch": "out_channels out_features", "Keras": "filters units", "Darknet": "filters",
        "CS231n": "num_filters", "the book": "filter_num",
    }),
    Row("model.blocks.size", "", {
        "PyTorch": "kernel_size", "Keras": "kernel_size pool_size",
        "flax": "kernel_size window_shape",
        "CS231n": "filter_size", "the book": "filter_size",
    }),
    Row("model.blocks.stride", "", {"Keras": "strides", "flax": "strides"}),
    Row("model.blocks.padding", "", {"CS231n": "pad", "the book": "pad"}),
    Row("model.blocks.padding", "half the size, rounded down, for 1", {"Darknet": "pad"}),
    Row("model.blocks=conv", "", {
        "PyTorch": "Conv2d", "Keras": "Conv2D", "Darknet": "convolutional",
        "the book": "Convolution",
    }),
    Row("model.blocks=dense", "", {
        "PyTorch": "Linear", "Darknet": "connected", "CS231n": "affine", "the book": "Affine",
        "other programs": "fc fully_connected",
    }),
    Row("model.blocks=max_pool", "", {
        "PyTorch": "MaxPool2d", "Keras": "MaxPooling2D", "Darknet": "maxpool",
        "the book": "Pooling",
    }),
    Row("model.blocks=average_pool", "", {
        "PyTorch": "AvgPool2d", "Keras": "AveragePooling2D", "flax": "avg_pool",
    }),
    Row("model.blocks=global_average_pool", "", {
        "PyTorch": "AdaptiveAvgPool2d", "Keras": "GlobalAveragePooling2D", "Darknet": "avgpool",
    }),
    Row("train.epochs", "", {
        "CS231n": "num_epochs", "the book": "max_epochs", "other programs": "n_epochs",
    }),
    Row("train.steps", "", {
        "Darknet": "max_batches", "the book": "max_iterations iters_num", "CS231n": "num_iters",
        "other programs": "num_steps max_steps iterations",
    }),
    Row("train.batch_size", "", {"Darknet": "batch", "the book": "mini_batch_size"}),
    Row("train.sampling", "sampling: shuffle for True", {"PyTorch": "shuffle", "Keras": "shuffle"}),
    Row("train.optimizer", "optimizer: the name of a kind", {"CS231n": "update_rule"}),
    Row("train.optimizer", "its keys beside kind, optimizer: {kind: sgd, lr: 0.01}", {
        "CS231n": "optim_config", "the book": "optimizer_param",
    }),
    Row("train.optimizer", "optimizer: nesterov for True", {
        "PyTorch": "nesterov", "Keras": "nesterov", "optax": "nesterov",
    }),
    Row("train.optimizer=momentum", "", {"CS231n": "sgd_momentum"}),
    Row("train.optimizer=adam", "with train.weight_decay", {
        "PyTorch": "AdamW", "Keras": "AdamW", "optax": "adamw",
    }),
    Row("train.optimizer.lr", "", {
        "Keras": "learning_rate", "optax": "learning_rate", "CS231n": "learning_rate",
        "Darknet": "learning_rate",
    }),
    Row("train.optimizer.momentum", "optimizer: {kind: momentum, momentum: 0.9}", {
        "PyTorch": "momentum", "Keras": "momentum", "optax": "momentum", "Darknet": "momentum",
    }),
    Row("train.optimizer.beta1", "", {"Keras": "beta_1", "optax": "b1"}),
    Row("train.optimizer.beta2", "", {"Keras": "beta_2", "optax": "b2"}),
    Row("train.optimizer.beta1", "beta1 and beta2 for its two numbers", {"PyTorch": "betas"}),
    Row("train.optimizer.eps", "", {"Keras": "epsilon", "CS231n": "epsilon"}),
    Row("train.optimizer.decay", "", {
        "PyTorch": "alpha", "Keras": "rho", "CS231n": "decay_rate",
    }),
    Row("train.schedule", "schedule: step for steps", {"Darknet": "policy"}),
    Row("train.schedule", "schedule: the name of a kind", {
        "other programs": "lr_scheduler scheduler",
    }),
    Row("train.schedule=constant", "", {"Caffe": "fixed", "other programs": "none"}),
    Row("train.schedule=step", "", {"PyTorch": "StepLR", "Darknet": "steps"}),
    Row("train.schedule=cosine", "", {"PyTorch": "CosineAnnealingLR", "Keras": "CosineDecay"}),
    Row("train.schedule.every", "in steps, where StepLR counts its own calls", {
        "PyTorch": "step_size",
    }),
    Row("train.schedule.gamma", "schedule: {kind: step, every: STEPS OF AN EPOCH, gamma: NUMBER}", {
        "CS231n": "lr_decay",
    }),
    Row("train.schedule.gamma", "one factor for all falls", {"Darknet": "scales"}),
    Row("train.schedule.end", "as a share of lr: eta_min / lr", {"PyTorch": "eta_min"}),
    Row("train.schedule.end", "", {"Keras": "alpha", "optax": "alpha"}),
    Row("train.schedule.warmup", "linear here", {"Darknet": "burn_in"}),
    Row("train.schedule.warmup", "", {"Keras": "warmup_steps", "optax": "warmup_steps"}),
    Row("train.l2", "", {"CS231n": "reg", "the book": "weight_decay_lambda"}),
    Row("train.l2", "in SGD and Adam the same, and decay_also: [bias, gamma, beta]", {
        "PyTorch": "weight_decay",
    }),
    Row("train.l2", "twice the number of Keras's l2", {"Keras": "kernel_regularizer"}),
    Row("train.l2", "", {"Darknet": "decay"}),
    Row("train.weight_decay", "the same, and decay_also: [bias, gamma, beta]", {
        "Keras": "weight_decay", "optax": "weight_decay",
    }),
    Row("train.clip_norm", "", {
        "PyTorch": "max_norm", "optax": "max_norm", "Keras": "global_clipnorm",
        "other programs": "max_grad_norm gradient_clip_val grad_clip",
    }),
    Row("train.clip_norm", "of all parameters together, not of each alone", {"Keras": "clipnorm"}),
    Row("train.precision", "precision: float32 or float64", {
        "PyTorch": "dtype", "Keras": "dtype", "flax": "dtype", "CS231n": "dtype",
    }),
    Row("train.evaluate_train", "", {
        "CS231n": "num_train_samples", "the book": "evaluate_sample_num_per_epoch",
    }),
    Row("data.name", "", {"other programs": "dataset"}),
    Row("data.train", "", {"CS231n": "num_train num_training"}),
    Row("data.validation", "", {"CS231n": "num_validation"}),
    Row("data.validation", "a number of images, not a share", {"Keras": "validation_split"}),
    Row("random.seeds", "random: {seeds: [0]}", {
        "CS231n": "seed", "PyTorch": "manual_seed", "other programs": "seed random_seed",
    }),
)  # fmt: skip


class NotHere(NamedTuple):
    """A key of another framework that needs no key here, or that has no counterpart.

    place: the mapping in which people write it.
    why: what is so here instead.
    """

    place: str
    name: str
    framework: str
    why: str


_ITSELF = "the program tells training and evaluation apart"
NOT_HERE = (
    NotHere("model.norm", "beta", "CS231n", "it starts at 0"),
    NotHere("model.norm", "mode", "CS231n", _ITSELF),
    NotHere("model.norm", "training", "Keras", _ITSELF),
    NotHere("model.norm", "train_flg", "the book", _ITSELF),
    NotHere("model.norm", "num_features", "PyTorch", "it follows from the layer before"),
    NotHere("model.norm", "axis", "Keras", "it follows from the layer before"),
    NotHere("model.init", "mean", "PyTorch", "weights are drawn around 0"),
    NotHere("model.init", "loc", "NumPy", "weights are drawn around 0"),
    NotHere("model.blocks", "in_channels", "PyTorch", "it follows from the layer before"),
    NotHere("model.blocks", "in_features", "PyTorch", "it follows from the layer before"),
    NotHere("train.optimizer", "decay", "Keras 2", "the rate lr / (1 + decay * t) cannot be had; "
            "`bnexp explain train.schedule` lists the schedules"),
)  # fmt: skip


def _form(name: str) -> str:
    """A name without what is written differently from place to place.

    That is capitals, underscores, the modules before it, and the British s of -ise.

    >>> _form("nn.Batch_Norm1d"), _form("normalisation")
    ('batchnorm1d', 'normalization')
    """
    plain = re.sub(r"[_\s-]", "", name.rpartition(".")[2]).lower()
    return re.sub(r"is(?=ations?$|ers?$|ed?$)", "iz", plain)


def may_be_meant(key: str, place: str) -> bool:
    """Whether somebody who writes the last part of `key` at a place may mean `key`.

    Not if both are options of kinds, of different things: `scale` of an initializer is never batch
    norm's. The optimizer and the schedule share their names in other frameworks.

    >>> may_be_meant("model.norm.affine", "model.init"), may_be_meant("train.optimizer.lr", "model")
    (False, True)
    """
    ours, theirs = key.partition("=")[0].split(".")[:-1], place.split(".")
    options = len(ours) > 1 and len(theirs) > 1
    return not options or ours[:2] == theirs[:2] or ours[0] == theirs[0] == "train"


def _innermost(rows: Iterable[Row], place: str) -> list[Row]:
    """The rows of what can stand at a place; else those of what is inside it; else all."""
    rows = [row for row in rows if may_be_meant(row.key, place)]
    return (
        [row for row in rows if row.place == place]
        or [row for row in rows if row.key.startswith(f"{place}.")]
        or rows
    )


def name_hint(name: str, place: str, is_kind: bool = False) -> str:
    """What a name from another framework is called here; empty if none has the name.

    place: the dotted key of the mapping that has the name as a key, or of which it is to be a kind,
    without numbers of lists; empty at the top.

    >>> name_hint("elementwise_affine", "model.norm"), name_hint("color", "model")
    ("here elementwise_affine is called 'model.norm.affine' (PyTorch)", '')
    >>> name_hint("BatchNorm1d", "model.norm", is_kind=True)
    "here BatchNorm1d is called 'batch' (PyTorch)"
    """
    rows = [row for row in NAMES if row.is_kind == is_kind and row.frameworks(name)]
    if is_kind:
        rows = [row for row in rows if row.place == place]
    by_key: dict[str, list[Row]] = {}
    for row in _innermost(rows, place):
        by_key.setdefault(row.key.rpartition("=")[2], []).append(row)
    parts = [f"{key!r} ({_conversions(same, name)})" for key, same in by_key.items()]
    is_called = f"{name} is called"
    if f"{place}.{name}" in by_key:  # what is called the same here is a key of another kind
        is_called = "another kind has"
    texts = [f"here {is_called} {' or '.join(parts)}"] if parts else []
    if not is_kind:
        texts += (
            f"{no.framework}'s {no.name} has no key here: {no.why}"
            for no in NOT_HERE
            if no.place == place and _form(no.name) == _form(name)
        )
    return "; ".join(texts)


def _conversions(rows: Sequence[Row], name: str) -> str:
    """The frameworks that have the name for one key, with what to write for their values."""
    same = ": the same" if any(row.how for row in rows) else ""
    texts = (
        f"{', '.join(row.frameworks(name))}{f': {row.how}' if row.how else same}" for row in rows
    )
    return "; ".join(texts)


def names_elsewhere(key: str) -> Iterator[str]:
    """What a key or kind is called elsewhere, a line for each way to write it.

    >>> list(names_elsewhere("model.norm.eps"))
    ['epsilon in Keras and flax']
    """
    for row in NAMES:
        if row.key == key:
            texts = (
                f"{' or '.join(names.split())} in {listed(frameworks, 'and')}"
                for names, frameworks in row.by_names.items()
            )
            yield f"{'; '.join(texts)}{f': {row.how}' if row.how else ''}"
