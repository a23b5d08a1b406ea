"""What people read on a figure: names of keys, values, metrics and numbers.

The tables of this module map what the configuration calls something to what a reader of the field
calls it. A key, norm or quantity that is in no table, such as a user's own, is shown by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from bnexp import text
from bnexp.metrics import GAP, IMAGE_SETS, metric_column
from bnexp.runs.tables import Axis, Tables, Value
from bnexp.text import counted, printable

NORM = "model.norm"
KIND = re.compile(r"\w+( \w+=[\w.+-]+)*")
RATIO = re.compile(r"\{ratio: ([^,{}]*)\}")
OPTION = re.compile(r"(\w+): ([^,{}]+)")
SAME_WIDTHS = re.compile(r"\[(\d+)(, \1)*\]")
SYMBOLS = {"model.init.std": "W"}
KEYS = {
    "data.label_noise": "label noise",
    "model.activation": "activation",
    "model.dropout": "dropout",
    "model.dropout.ratio": "dropout",
    "model.init": "initialization",
    "model.init.std": "weight initialization scale (std)",
    "model.hidden": "hidden layers",
    "model.layer_init.output.std": "output layer's weight scale",
    "model.norm": "normalization",
    "model.norm.eps": "epsilon",
    "model.norm.stat_decay": "decay of running averages",
    "model.norm_position": "norm's position",
    "model.residual": "skip connections",
    "train.batch_size": "batch size",
    "train.epochs": "epochs",
    "train.l2": "weight decay",
    "train.only": "trained parameters",
    "train.optimizer": "optimizer",
    "train.optimizer.lr": "learning rate",
    "train.optimizer.momentum": "momentum",
}
PHRASES = {
    "model.bias": {"true": "with bias", "false": "without bias"},
    "model.norm_position": {
        "before": "norm before the activation",
        "after": "norm after the activation",
    },
}
# Keys whose values say by themselves what they are: "He", "relu".
SPEAKING = ("model.activation", "model.hidden", "model.init", "train.optimizer")
NORMS = {
    "batch": "batch norm",
    "layer": "layer norm",
    "group": "group norm",
    "instance": "instance norm",
    "rms": "RMS norm",
    "weight": "weight norm",
    "centre": "mean-only batch norm",
    "noisy_batch": "noisy batch norm",
    "ghost_batch": "ghost batch norm",
    "batch_renorm": "batch renormalization",
    "filter_response": "filter response norm",
    "scale": "ScaleNorm",
    "weight_standardization": "weight standardization",
    "spectral": "spectral norm",
}
BLOCKS = {"pre": "pre-activation", "post": "post-activation", "fixup": "Fixup"}
NAMES = {
    "adagrad": "AdaGrad",
    "adam": "Adam",
    "book": "the book's",
    "book_2016": "the book's of 2016",
    "cs231n": "CS231n",
    "darknet": "Darknet",
    "darknet_alexeyab": "AlexeyAB's Darknet",
    "darknet_fixed": "corrected Darknet",
    "glorot": "Glorot",
    "glorot_uniform": "Glorot, uniform",
    "he": "He",
    "he_uniform": "He, uniform",
    "keras": "Keras",
    "leaky_relu": "leaky relu",
    "lecun": "LeCun",
    "lecun_uniform": "LeCun, uniform",
    "lsuv": "LSUV",
    "nesterov": "Nesterov",
    "paper": "the paper's",
    "pytorch": "PyTorch",
    "rmsprop": "RMSprop",
    "sgd": "SGD",
    "xavier": "Xavier",
}
QUANTITIES = {
    "preactivation_mean": "activation input: mean",
    "preactivation_std": "activation input: std",
    "mean_ratio": "activation input: |mean| / std",
    "activation_mean": "activations: mean",
    "activation_std": "activations: std",
    "activation_square": "activations: mean square",
    "activation_density": "share of activations",
    "preactivation_density": "share of activation inputs",
    "percentile": "activation input of one unit",
    "dead": "share of dead units",
    "similarity": "cosine between images' activations",
    "rank": "effective rank of the activations",
    "signal_square": "backward signal: mean square",
    "signal_similarity": "backward signal: cosine within a class",
    "gradient_norm": "norm of the weights' gradient",
    "weight_norm": "norm of the weights",
    "bias_norm": "norm of the biases",
    "update_ratio": "update / weights (norms)",
    "loss_along": "loss (nats) along the gradient",
    "relative_loss_along": "loss along the gradient / loss",
    "gradient_change_along": "change of the gradient along it",
    "loss_range": "range of the loss (nats)",
    "gradient_change": "largest change of the gradient",
    "smoothness": "effective smoothness",
    "shift": "covariate shift: |G - G'|",
    "shift_relative": "covariate shift: |G - G'| / |G|",
    "shift_cosine": "covariate shift: cos(G, G')",
    "accuracy_inversion": "accuracy on inverted images",
    "accuracy_blur": "accuracy on blurred images",
    "accuracy_noise": "accuracy on noisy images",
    "accuracy_shift": "accuracy on shifted images",
    "accuracy_fgsm": "accuracy under attack (FGSM)",
}
# What the places of a quantity are.
PLACES = {
    "activation_density": "activation",
    "preactivation_density": "activation input",
    **{quantity: "strength" for quantity in QUANTITIES if quantity.startswith("accuracy_")},
}
DIGITS = 3


def metric_label(column: str, image_sets: Mapping[str, str] = IMAGE_SETS) -> str:
    """'training loss', 'final test accuracy', or what the gap between the accuracies is.

    column: of metrics.csv or summary.csv, such as "train_loss" or "final_test_accuracy", or GAP.
    Any other column is returned as it is. image_sets: what the images of each prefix are called.
    """
    if column == GAP:
        return f"{image_sets['train']} minus {image_sets['test']} accuracy"
    scored = metric_column(column)
    return scored.label(image_sets) if scored else column


def quantity_label(quantity: str) -> str:
    """What a probe reads, with its unit; the name with spaces if it is another package's."""
    return QUANTITIES.get(quantity, printable(quantity.replace("_", " ")))


def place_label(quantity: str, place: float, places: Sequence[float]) -> str:
    """'strength 0.05', or 'at 0.05'; `places`: all of the quantity, to be told apart."""
    return f"{PLACES.get(quantity, 'at')} {value_text(place, places)}"


def value_label(axis: Axis, value: Value, keys: Sequence[str]) -> str:
    """'with batch norm', 'W = 0.0251', 'learning rate 0.1', 'He'; `keys`: all to be told apart.

    It stands in legends and panel titles. Numbers have as many digits as tell the values of the
    axis apart.
    """
    name = value_name(axis, value)
    if axis.key == "model.residual":
        return "without skip connections" if value == "none" else name
    if axis.key == "train.only":
        return "all parameters trained" if value == "none" else f"only {name} trained"
    if axis.key == NORM:
        return "without normalization" if value == "none" else f"with {name}"
    if phrase := PHRASES.get(axis.key, {}).get(name):
        return phrase
    if axis.key in SPEAKING:
        return name
    if axis.key == "train.epochs":
        return f"{name} {'epoch' if value == 1 else 'epochs'}"
    if axis.key not in KEYS or axis.key in SYMBOLS:
        return f"{symbol(axis.key, keys)} = {name}"
    return f"no {KEYS[axis.key]}" if value == "none" else f"{KEYS[axis.key]} {name}"


def value_name(axis: Axis, value: Value) -> str:
    """'batch norm (Keras)', 'He', '0.1': the value of a swept key, in the words of the field."""
    text = value_text(value, axis.values)
    if not isinstance(value, str):
        return text
    if match := RATIO.fullmatch(text):  # dropout, which has no kind
        return match[1]
    if axis.key == "model.hidden" and (match := SAME_WIDTHS.fullmatch(text)):
        return f"{counted(text.count(',') + 1, 'layer')} of {match[1]}"
    if axis.key == "model.residual" and text != "none":
        pairs = [pair for pair in OPTION.findall(text) if pair[0] != "layers"]
        details = [BLOCKS.get(v, f"{key} {v}") for key, v in pairs]
        return " ".join(["skip connections", *([f"({', '.join(details)})"] if details else [])])
    if axis.key == "train.only" and text != "none":
        return text.strip("[]").replace(", ", " and ")
    if not KIND.fullmatch(text):
        return text
    kind, *options = text.split(" ")
    pairs = [option.partition("=") for option in options]
    name = NORMS.get(kind, kind) if axis.key == NORM else NAMES.get(kind, kind)
    details = [NAMES.get(v, v) if k == "dialect" else f"{k} {v}" for k, _, v in pairs]
    return f"{name} ({', '.join(details)})" if details else name


def symbol(key: str, keys: Iterable[str]) -> str:
    """The usual symbol of the key, or its last part; more parts if another key ends the same.

    keys: all swept keys, of which `key` may be one. For example, `train.schedule.decay` is "decay",
    or "schedule.decay" if `model.norm.decay` is swept, too.
    """
    if key in SYMBOLS:
        return SYMBOLS[key]
    parts, others = key.split("."), [f".{other}" for other in keys if other != key]
    suffixes = [".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]
    unique = (s for s in suffixes if not any(other.endswith(f".{s}") for other in others))
    return next(unique, key)


def axis_name(key: str) -> str:
    """What the axis of a swept key is called: a name of KEYS, else the dotted key."""
    return KEYS.get(key, key)


def value_text(value: Value, among: Iterable[Value] = ()) -> str:
    """The value with three significant digits, fewer than in messages, or more if need be.

    among: the values to tell it from.
    """
    return text.value_text(value, among, DIGITS)


def value_texts(values: Iterable[Value]) -> list[str]:
    """The texts of the values of an axis, which differ where the values do."""
    return text.distinct(values, DIGITS)


def chosen_text(tables: Tables, options: object) -> str:
    """All of a figure's text that the experiment chose, for its letters.

    That is the title, the names and values of swept keys, the data sets and what the figure's
    options say, such as the label of a law. `fonts.fonts_for` finds fonts that have all letters.
    """
    names = [text for axis in tables.axes for text in (axis.key, *map(str, axis.values))]
    return "".join([tables.title or tables.name, *names, *map(str, tables.data), repr(options)])
