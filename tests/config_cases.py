"""Experiments with one mistake each, and what is said of it.

name -> (text, "line:column: key: message"); three dots stand for what may grow.
"""

from __future__ import annotations

import pytest

from bnexp.config import load_config
from bnexp.errors import ConfigError

SMALLEST = """\
name: good
model: {hidden: [10]}
train: {epochs: 1, batch_size: 10}
"""


def errors(path, assignments=()):
    """What is said of an experiment that is not valid."""
    with pytest.raises(ConfigError) as caught:
        load_config(path, assignments=assignments)
    return str(caught.value)


GOOD = """\
name: bad
data: {name: synthetic, train: 200, test: 0}
model: {hidden: [8, 8], norm: batch}
train: {epochs: 1, batch_size: 10}
"""
# Without a mistake, with a bit of everything.
RICH = """\
name: rich
data: {name: synthetic, train: 60, test: 10, pixels: binary}
model:
  hidden: [6, 4]
  activation: {kind: leaky_relu, negative_slope: 0.1}
  norm: {kind: batch, dialect: keras, eps: 0.01}
  dropout: {ratio: 0.1, scale: evaluation}
  init: {kind: normal, std: 0.1}
  layer_init: {1: he, output: {kind: normal, std: 1.0}}
train:
  steps: 9
  batch_size: 10
  optimizer: {kind: momentum, lr: 0.1}
  schedule: {kind: step, every: 2}
  evaluate: [1, 5, 9]
random: {seeds: [0, 3]}
probes:
  at: {every: 3}
  read: [layers, {kind: histogram, low: 0, high: 1, bins: 3}]
sweep:
  model.init.std: {geomspace: [0.1, 1.0, 2]}
  model.norm: [none, {kind: batch, dialect: book}]
  zip: {train.l2: [0.0, 0.1], train.clip_norm: [1.0, 2.0]}
figures:
  - {kind: panels, axis: model.init.std, metric: test_loss}
  - {kind: depth, quantity: gradient_norm, law: [{label: a, rate: 2.0}]}
claims:
  - says: "a"
    measure: {metric: gap, at: {mean_of_last: 2}}
    where: {model.norm: none}
    above: {where: {model.norm: batch}, by: 0.1, times: 2.0}
  - {says: b, measure: final_train_loss, non_decreasing: model.init.std, tolerance: 0.1}
"""
SWEEP = "sweep: {model.norm: [batch, none]}\n"
CLAIM = "claims: [{says: x, measure: final_train_loss%s}]"
CLAIM_ON = (
    "probes: {read: [{kind: layers, quantities: %s}, landscape]}\n"
    "claims: [{says: x, measure: {%s}, at_most: 0.5}]"
)


BOOK = """\
name: book
model:
  hidden: [8]
  init: {kind: normal, std: 1.0}
train:
  batch_size: 10
  epochs: 1
  sampling: with_replacement
  precision: float64
random: {stream: book}
"""


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def added(lines: str) -> str:
    """From line 5 on."""
    return f"{GOOD}{lines}\n"


CASES: dict[str, tuple[str | bytes, str]] = {
    "unknown key at the top": (
        added("tran: 1"),
        "5:1: tran: unknown key, expected one of ... did you mean 'train'?",
    ),
    "unknown key, nothing near": (
        added("color: red"),
        "5:1: color: unknown key, expected one of ... got 'color'",
    ),
    "unknown key of data": (
        changed("train: 200", "trian: 200"),
        "2:25: data.trian: unknown key, expected one of ... did you mean 'train'?",
    ),
    "unknown key of model": (
        changed("norm: batch", "nrom: batch"),
        "3:25: model.nrom: unknown key, expected one of ... did you mean 'norm'?",
    ),
    "unknown key of norm": (
        changed("batch}", "{kind: batch, epsilon: 0.1}}"),
        "3:45: model.norm.epsilon: unknown key, ... here epsilon is called 'model.norm.eps' (",
    ),
    "unknown key of init": (
        changed("batch}", "batch, init: {kind: normal, sdt: 1.0, std: 1.0}}"),
        "3:59: model.init.sdt: unknown key, expected one of ... did you mean 'std'?",
    ),
    "unknown key of train": (
        changed("epochs", "epoch"),
        "4:9: train.epoch: unknown key, expected one of ... did you mean 'epochs'?",
    ),
    "unknown key of optimizer": (
        changed("size: 10", "size: 10, optimizer: {kind: sgd, rl: 0.1}"),
        "4:59: train.optimizer.rl: unknown key, expected one of kind, lr, got 'rl'",
    ),
    "unknown key of random": (
        added("random: {seed: [1]}"),
        "5:10: random.seed: unknown key, expected ... here seed is called 'random.seeds' (",
    ),
    "unknown key of dropout": (
        changed("batch}", "batch, dropout: {rate: 0.5, ratio: 0.5}}"),
        "3:48: model.dropout.rate: unknown key, ... here rate is called 'model.dropout.ratio' (",
    ),
    "unknown key of probes": (
        added("probes: {raed: [], read: [layers]}"),
        "5:10: probes.raed: unknown key, expected one of ... did you mean 'read'?",
    ),
    "unknown key of a probe": (
        added("probes: {read: [{kind: layers, layer: 1}]}"),
        "5:32: probes.read[0].layer: unknown key, expected one of kind, quantities, got 'layer'",
    ),
    "unknown key of a block": (
        changed("hidden: [8, 8]", "kind: cnn, blocks: [{kind: conv, features: 2, pad: 1}]"),
        "3:55: model.blocks[0].pad: unknown key, ... here pad is called 'model.blocks.padding' (",
    ),
    "unknown key of a figure": (
        added("figures: [{kind: panels, axes: x}]"),
        "5:26: figures[0].axes: unknown key, expected one of ... did you mean 'axis'?",
    ),
    "unknown key of a claim": (
        added(CLAIM % ", at_lest: 1, at_least: 1"),
        "5:47: claims[0].at_lest: unknown key, expected one of ... did you mean 'at_least'?",
    ),
    "unknown key of a measure": (
        added("claims: [{says: x, measure: {metric: gap, att: final}, at_least: 1}]"),
        "5:43: claims[0].measure.att: unknown key, expected one of ... did you mean 'at'?",
    ),
    "text for a whole number": (
        changed("epochs: 1", "epochs: one"),
        "4:17: train.epochs: not a valid value, expected a whole number, got 'one'",
    ),
    "fraction for a whole number": (
        changed("epochs: 1", "epochs: 1.5"),
        "4:17: train.epochs: not a valid value, expected a whole number, got 1.5",
    ),
    "true for a number": (
        changed("size: 10", "size: true"),
        "4:32: train.batch_size: not a valid value, expected a whole number, got true",
    ),
    "quoted number": (
        changed("size: 10", 'size: "10"'),
        "4:32: train.batch_size: not a valid value, expected a whole number, got '10'",
    ),
    "list for a mapping": (
        changed("{epochs: 1, batch_size: 10}", "[1]"),
        "4:8: train: not a valid value, expected a mapping, got a list of 1",
    ),
    "null for a mapping": (
        changed("{epochs: 1, batch_size: 10}", ""),
        "4:7: train: not a valid value, expected a mapping, got null",
    ),
    "mapping for a list": (
        changed("[8, 8]", "{a: 8}"),
        "3:17: model.hidden: not a valid value, expected a list, got a mapping",
    ),
    "number for a text": (
        changed("name: bad", "name: 1"),
        "1:7: name: not a valid value, expected a text, got 1",
    ),
    "number for true": (
        changed("batch}", "batch, bias: 1}"),
        "3:44: model.bias: not a valid value, expected true or false, got 1",
    ),
    "null in a list": (
        changed("[8, 8]", "[8, null]"),
        "3:21: model.hidden[1]: not a valid value, expected a whole number, got null",
    ),
    "list in a list": (
        changed("[8, 8]", "[8, [8]]"),
        "3:21: model.hidden[1]: not a valid value, expected a whole number, got a list of 1",
    ),
    "unknown activation": (
        changed("batch}", "batch, activation: rleu}"),
        "3:50: model.activation: unknown kind, expected one of ... did you mean 'relu'?",
    ),
    "unknown norm": (
        changed("batch}", "bacth}"),
        "3:31: model.norm: unknown kind, expected one of ... did you mean 'batch'?",
    ),
    "unknown init": (
        changed("batch}", "batch, init: hee}"),
        "3:44: model.init: unknown kind, expected one of ... did you mean 'he'?",
    ),
    "unknown optimizer": (
        changed("size: 10", "size: 10, optimizer: adamm"),
        "4:47: train.optimizer: unknown kind, expected one of ... did you mean 'adam'?",
    ),
    "unknown model": (
        changed("hidden", "kind: mpl, hidden"),
        "3:15: model.kind: unknown kind, expected one of ... did you mean 'mlp'?",
    ),
    "kind that is a list": (
        changed("batch}", "{kind: [batch]}}"),
        "3:31: model.norm: no kind given, expected a name or {kind: NAME, ...}, got a mapping",
    ),
    "kind that is missing": (
        changed("batch}", "{eps: 0.1}}"),
        "3:31: model.norm: no kind given, expected a name or {kind: NAME, ...}, got a mapping",
    ),
    "unknown dialect": (
        changed("batch}", "{kind: batch, dialect: torch}}"),
        "3:54: model.norm.dialect: not a valid value, expected 'book', 'cs231n', 'paper',",
    ),
    **{
        f"{kind} without eps, which is NaN where a gradient is 0": (
            changed("size: 10", f"size: 10, optimizer: {{kind: {kind}, eps: 0}}"),
            f"4:{61 + len(kind)}: train.optimizer.eps: not a valid value, expected a number > 0,",
        )
        for kind in ("adam", "rmsprop", "adagrad")
    },
    "unknown sampling": (
        changed("size: 10", "size: 10, sampling: shufle"),
        "4:46: train.sampling: not a valid value, expected 'with_replacement', 'shuffle', 'all' or",
    ),
    "unknown data set": (
        changed("name: synthetic", "name: sinthetic"),
        "2:14: data.name: unknown data set, expected one of ... did you mean 'synthetic'?",
    ),
    "zero epochs": (
        changed("epochs: 1", "epochs: 0"),
        "4:17: train.epochs: not a valid value, expected a number >= 1, got 0",
    ),
    "negative batch": (
        changed("size: 10", "size: -1"),
        "4:32: train.batch_size: not a valid value, expected a number >= 1, got -1",
    ),
    "too many epochs": (
        changed("epochs: 1", "epochs: 10000001"),
        "4:17: train.epochs: not a valid value, expected a number <= 10000000, got 10000001",
    ),
    "too many steps": (
        changed("epochs: 1", "epochs: 9999999"),
        "4:17: train.epochs: too long, expected at most 10,000,000 steps, got 199,999,980",
    ),
    "layer too wide": (
        changed("[8, 8]", "[8, 20001]"),
        "3:21: model.hidden[1]: not a valid value, expected a number <= 20000, got 20001",
    ),
    "too many layers": (
        changed("[8, 8]", "[" + "8, " * 200 + "8]"),
        "3:17: model.hidden: not a valid value, expected a list of at most 200, got a list of",
    ),
    "too many weights": (
        changed("[8, 8]", "[20000, 20000]"),
        "3:17: model.hidden: too large, expected at most 20,000,000 weights, got 415,880,000",
    ),
    "batch larger than the data": (
        changed("size: 10", "size: 201"),
        "4:32: train.batch_size: larger than the data, expected at most 200 (the training",
    ),
    "batch norm of one image": (
        changed("size: 10", "size: 199"),
        "4:32: train.batch_size: leaves a last batch of one, expected 200 images not to leave",
    ),
    "batch norm frozen with other statistics": (
        changed("batch}", "{kind: batch, dialect: paper, freeze_after: 3}}"),
        "3:31: model.norm: statistics that cannot be frozen, expected evaluation: running or "
        "debiased with freeze_after, got population",
    ),
    "batch norm frozen before its first update": (
        changed("batch}", "{kind: batch, freeze_after: 0}}"),
        "3:59: model.norm.freeze_after: not a valid value, expected a number >= 1, got 0",
    ),
    "decay of what is no parameter": (
        changed("size: 10", "size: 10, decay_also: [gamma, mean]"),
        "4:56: train.decay_also[1]: not a valid value, expected 'bias', 'gamma' or 'beta', got",
    ),
    "more images than there are": (
        changed("train: 200", "train: 2010"),
        "2:32: data.train: more than there are, expected at most 2000, got 2010",
    ),
    "no images": (
        changed("train: 200", "train: 0"),
        "2:32: data.train: not a valid value, expected a number from 1, or all, got 0",
    ),
    "momentum above 1": (
        changed("batch}", "{kind: batch, stat_decay: 1.5}}"),
        "3:57: model.norm.stat_decay: not a valid value, expected a number <= 1, got 1.5",
    ),
    "dropout of everything": (
        changed("batch}", "batch, dropout: {ratio: 1.0}}"),
        "3:55: model.dropout.ratio: not a valid value, expected a number < 1, got 1.0",
    ),
    "dropout below 0": (
        changed("batch}", "batch, dropout: {ratio: -0.1}}"),
        "3:55: model.dropout.ratio: not a valid value, expected a number >= 0, got -0.1",
    ),
    "dropout without ratio": (
        changed("batch}", "batch, dropout: {scale: inverted}}"),
        "3:47: model.dropout.ratio: required key is missing, expected a value, got nothing;",
    ),
    "dropout as a number": (
        changed("batch}", "batch, dropout: 0.5}"),
        "3:47: model.dropout: not a valid value, expected a mapping, got 0.5",
    ),
    "negative l2": (
        changed("size: 10", "size: 10, l2: -0.1"),
        "4:40: train.l2: not a valid value, expected a number >= 0, got -0.1",
    ),
    "clip at zero": (
        changed("size: 10", "size: 10, clip_norm: 0.0"),
        "4:47: train.clip_norm: not a valid value, expected a number > 0, got 0.0",
    ),
    "seed too large": (
        added("random: {seeds: [4294967296]}"),
        "5:18: random.seeds[0]: not a valid value, expected a number < 4294967296, got",
    ),
    "negative seed": (
        added("random: {seeds: [-1]}"),
        "5:18: random.seeds[0]: not a valid value, expected a number >= 0, got -1",
    ),
    "no seeds": (
        added("random: {seeds: []}"),
        "5:17: random.seeds: not a valid value, expected a list of at least 1, got a list of 0",
    ),
    "nothing to train": (
        changed("size: 10", "size: 10, only: []"),
        "4:42: train.only: not a valid value, expected a list of at least 1, got a list of 0",
    ),
    "a parameter to train twice": (
        changed("size: 10", "size: 10, only: [gamma, bias, gamma]"),
        "4:42: train.only: a name twice, expected each once, got gamma again",
    ),
    "a decayed parameter twice": (
        changed("size: 10", "size: 10, decay_also: [beta, beta]"),
        "4:48: train.decay_also: a name twice, expected each once, got beta again",
    ),
    "a seed twice": (
        added("random: {seeds: [1, 2, 1]}"),
        "5:17: random.seeds: a seed twice, expected each once, got 1 again",
    ),
    "too long a name": (
        changed("name: bad", "name: " + "x" * 65),
        "1:7: name: not a valid value, expected letters, digits, '-', '_' and '.', a letter or",
    ),
    "name with a separator": (
        changed("name: bad", "name: a/b"),
        "1:7: name: not a valid value, expected letters, digits, '-', '_' and '.', a letter or",
    ),
    "name that goes up": (
        changed("name: bad", "name: .."),
        "1:7: name: not a valid value, expected letters, digits, '-', '_' and '.', a letter or",
    ),
    "name in other letters": (
        changed("name: bad", "name: größe"),
        "1:7: name: not a valid value, expected letters, digits, '-', '_' and '.', a letter or",
    ),
    "name with a line feed": (
        changed("name: bad", 'name: "a\\n"'),
        "1:7: name: not a valid value, expected letters, digits, '-', '_' and '.', a letter or",
    ),
    "empty name": (
        changed("name: bad", 'name: ""'),
        "1:7: name: not a valid value, expected letters, digits, '-', '_' and '.', a letter or",
    ),
    "missing name": (
        changed("name: bad\n", ""),
        "1:1: name: required key is missing, expected a value, got nothing; add it",
    ),
    "missing model": (
        changed("model: {hidden: [8, 8], norm: batch}\n", ""),
        "1:1: model: required key is missing, expected a value, got nothing; add it",
    ),
    "missing hidden": (
        changed("hidden: [8, 8], ", ""),
        "3:8: model.hidden: required key is missing, expected a value, got nothing; add it",
    ),
    "missing batch size": (
        changed(", batch_size: 10", ""),
        "4:8: train.batch_size: required key is missing, expected a value, got nothing; add it",
    ),
    "missing std": (
        changed("batch}", "batch, init: normal}"),
        "3:44: model.init.std: required key is missing, expected a value, got nothing; add it",
    ),
    "neither epochs nor steps": (
        changed("epochs: 1, ", ""),
        "4:8: train: no single length, expected either epochs or steps, got neither",
    ),
    "both epochs and steps": (
        changed("epochs: 1", "epochs: 1, steps: 2"),
        "4:8: train: no single length, expected either epochs or steps, got both; --set",
    ),
    "steps not in order": (
        changed("size: 10", "size: 10, evaluate: [2, 1]"),
        "4:46: train.evaluate: not in order, expected ascending steps, each once",
    ),
    "steps after the end": (
        changed("epochs: 1", "steps: 5, evaluate: [6]"),
        "4:29: train.evaluate: after the end, expected at most step 5, got 6",
    ),
    "evaluate never": (
        changed("size: 10", "size: 10, evaluate: never"),
        "4:46: train.evaluate: not a valid value, expected book, epoch, cs231n, {every:",
    ),
    "not a number": (
        changed("size: 10", "size: 10, l2: .nan"),
        "4:40: train.l2: not a valid value, expected a finite number, got nan",
    ),
    "infinite": (
        changed("size: 10", "size: 10, l2: .inf"),
        "4:40: train.l2: not a valid value, expected a finite number, got inf",
    ),
    "infinite by its exponent": (
        changed("size: 10", "size: 10, l2: 1e999"),
        "4:40: train.l2: not a valid value, expected a finite number, got inf",
    ),
    "integer too long": (
        changed("epochs: 1", "epochs: 1" + "0" * 18),
        "4:17: integer too long, expected at most 18 digits, got 19 digits, write a smaller",
    ),
    "octal": (
        changed("epochs: 1", "epochs: 010"),
        "4:17: ambiguous text, expected a decimal number without leading zero, got '010',",
    ),
    "underscores": (
        changed("epochs: 1", "epochs: 1_0"),
        "4:17: ambiguous text, expected a number without underscores, got '1_0', write a",
    ),
    "yes": (
        changed("batch}", "batch, bias: yes}"),
        "3:44: ambiguous text, expected true or false, got 'yes', write true or false (or",
    ),
    "duplicate key at the top": (
        added("name: again"),
        "5:1: duplicate key 'name', expected each key once, got it first at ...:1:1 and again",
    ),
    "duplicate key inside": (
        changed("epochs: 1", "epochs: 1, epochs: 2"),
        "4:20: duplicate key 'epochs', expected each key once, got it first at ...:4:9 and",
    ),
    "tab before a key": (
        added("sweep:\n\tmodel.norm: [batch]"),
        "6:1: tab in the indentation, expected spaces, got a tab, indent",
    ),
    "tab after a key": (
        changed("name: bad", "name:\t\tbad\n\tx: 1"),
        "2:1: tab in the indentation, expected spaces, got a tab, indent",
    ),
    "bad indentation": (
        added("random:\n    seeds: [1]\n  stream: book"),
        "7:3: not valid, expected valid YAML, got an error: expected <block end>, but found",
    ),
    "colon in a value": (
        added("title: a: b"),
        "5:9: not valid, expected valid YAML, got an error: mapping values are not allowed",
    ),
    "open bracket": (
        added("random: {seeds: [1"),
        "6:1: not valid, expected valid YAML, got an error: expected ',' or ']', but got",
    ),
    "open quote": (
        added('title: "open'),
        "6:1: not valid, expected valid YAML, got an error: found unexpected end of stream",
    ),
    "anchor": (
        added("title: &a x"),
        "5:8: anchor, expected plain values, got '&a', leave it out, or quote it if it is text",
    ),
    "alias": (
        added("title: *a"),
        "5:8: alias, expected plain values, got '*a', leave it out, or quote it if it is text",
    ),
    "tag": (
        added("title: !!python/object/apply:os.system [x]"),
        "5:8: tag, expected plain values, got '!!python/object/apply:os.system', leave it out,",
    ),
    "merge key": (added("<<: {title: x}"), "5:1: <<: unknown key, expected one of ... got '<<'"),
    "directive": (
        "%YAML 1.1\n---\n" + GOOD,
        "1:1: directive, expected plain values, got '%YAML', leave it out, or quote it if it",
    ),
    "two documents": (
        added("---\nname: other"),
        "5:1: second document, expected one document, got another '---', write one file for",
    ),
    "empty file": (
        "",
        "1:1: empty document, expected a mapping, got nothing, write KEY: VALUE lines",
    ),
    "comments only": (
        "# nothing\n",
        "1:1: empty document, expected a mapping, got nothing, write KEY: VALUE lines",
    ),
    "list at the top": (
        "- name: bad\n",
        "1:1: list at the top, expected a mapping, got a list, write KEY: VALUE lines",
    ),
    "text at the top": (
        "name\n",
        "1:1: single value at the top, expected a mapping, got a value without key, write KEY:",
    ),
    "key that is null": (
        added("~: 1"),
        "5:1: key is not text, expected a name, got '~', write a name, or quote it",
    ),
    "key that is a list": (
        added("[a]: 1"),
        "5:1: key is not text, expected a name, got a list or mapping, write a name, or quote",
    ),
    "not UTF-8": (
        GOOD.encode() + b"title: \xe9\n",
        "5:8: not UTF-8, expected UTF-8 text, got byte 0xe9, save the file as UTF-8",
    ),
    "UTF-16": (
        GOOD.encode("utf-16"),
        "1:1: not UTF-8, expected UTF-8 text, got byte 0xff, save the file as UTF-8",
    ),
    "NUL": (
        added("title: a\0b"),
        "5:9: control character, expected printable text, got '\\x00', remove it",
    ),
    "NUL as an escape": (
        added('title: "a\\0b"'),
        "5:8: escape of no character, expected text, got '\\x00', write the character itself,",
    ),
    "bell": (
        added("title: a\ab"),
        "5:9: control character, expected printable text, got '\\x07', remove it",
    ),
    "escape beyond Unicode": (
        added('title: "\\UFFFFFFFF"'),
        "5:11: escape beyond Unicode, expected at most 0010FFFF, got 'FFFFFFFF', write the",
    ),
    "unknown key after a BOM": (
        "\ufeff" + added("color: red"),
        "5:1: color: unknown key, expected one of ... got 'color'",
    ),
    "nested too deep": (
        added("title: " + "[" * 40 + "]" * 40),
        "5:39: nested too deep, expected at most 32 levels, got more, flatten it",
    ),
    "too large": (
        added("# " + "x" * 262144),
        "1:1: too large, expected at most 262144 bytes, got more, check that this is the text",
    ),
    "too many values": (
        added("title: [" + "1," * 20000 + "]"),
        "5:39955: too many values, expected at most 20000 keys and values, got more, make the",
    ),
    "title too long": (
        added("title: " + "x" * 301),
        "5:8: title: not a valid value, expected at most 300 characters, got",
    ),
    "extends a missing file": (
        added("extends: nowhere.yaml"),
        "5:10: extends: nowhere.yaml: no such file, expected a shipped experiment or the path",
    ),
    "extends a misspelt name": (
        added("extends: quikstart"),
        "5:10: extends: quikstart: no experiment of that name, expected a shipped experiment",
    ),
    "extends itself": (
        added("extends: bad.yaml"),
        "5:10: extends: goes in a circle, expected another file, got 'bad.yaml'",
    ),
    "extends a number": (
        added("extends: 3"),
        "5:10: extends: not a file name, expected text, got 3",
    ),
    "extends a list": (
        added("extends: [quickstart]"),
        "5:10: extends: not a file name, expected text, got ['quickstart']",
    ),
    "extends and breaks it": (
        "name: bad\nextends: quickstart\nmodel: {norm: {dialect: book}}\ntrain: {epochs: 0}\n",
        "4:17: train.epochs: not a valid value, expected a number >= 1, got 0",
    ),
    "sweeps an unknown key": (
        added("sweep: {train.epoch: [1]}"),
        "5:9: sweep.train.epoch: unknown key, expected one of ... did you mean 'epochs'?",
    ),
    "sweeps an unknown part": (
        added("sweep: {random.seeds: [1]}"),
        "5:9: sweep.random.seeds: not a key that can be swept, expected one under data, model",
    ),
    "sweeps inside a number": (
        added("sweep: {train.epochs.x: [1]}"),
        "5:9: sweep.train.epochs.x: not a key that can be swept, expected a mapping around",
    ),
    "sweeps no values": (
        added("sweep: {model.norm: []}"),
        "5:21: sweep.model.norm: not a valid value, expected a list of values, or linspace,",
    ),
    "sweeps one value": (
        added("sweep: {model.norm: batch}"),
        "5:21: sweep.model.norm: not a valid value, expected a list of values, or linspace,",
    ),
    "sweeps a value twice": (
        added("sweep: {model.norm: [none, batch, none]}"),
        "5:21: sweep.model.norm: a value twice, expected each once, got [none, batch, none]",
    ),
    "sweeps a bad value": (
        added("sweep: {model.init.std: [1.0, -1.0], model.init.kind: [normal]}"),
        "5:31: sweep.model.init.std[1]: not a valid value, expected a number >= 0, got -1.0",
    ),
    "sweeps a bad kind": (
        added("sweep: {model.norm: [batch, bacth]}"),
        "5:29: sweep.model.norm[1]: unknown kind, expected one of ... did you mean 'batch'?",
    ),
    "sweeps a bad option": (
        added("sweep: {model.norm: [none, {kind: batch, stat_decay: 2.0}]}"),
        "5:54: sweep.model.norm[1].stat_decay: not a valid value, expected a number <= 1, got 2.0",
    ),
    "sweeps parts that overlap": (
        added("sweep: {model.norm: [batch], model.norm.eps: [0.1]}"),
        "5:30: sweep.model.norm.eps: swept over twice, expected axes apart from each other,",
    ),
    "sweeps a key twice": (
        added("sweep: {train.l2: [0.0], zip: {train.l2: [0.1]}}"),
        "5:32: sweep.zip.train.l2: swept over twice, expected axes apart from each other, got",
    ),
    "sweeps the same network": (
        added("sweep: {model.norm: [batch, {kind: batch, affine: true}]}"),
        "5:29: sweep.model.norm[1]: the same network as value 0 of it, expected another, got",
    ),
    "sweeps with zip of two lengths": (
        added("sweep: {zip: {train.l2: [0.0, 0.1], train.epochs: [1]}}"),
        "5:14: sweep.zip: not of one length, expected as many values of each key, got 2 of",
    ),
    "sweeps with the same zip twice": (
        added("sweep: {zip: {train.l2: [0.0, 0.0], train.epochs: [1, 1]}}"),
        "5:14: sweep.zip: the same values twice, expected each combination once, got [0.0, 1]",
    ),
    "sweeps too many values": (
        added("sweep: {train.l2: {linspace: [0, 1, 100001]}}"),
        "5:19: sweep.train.l2: too many values, expected at most 100000, got 100001",
    ),
    "sweeps too many networks": (
        added(
            "sweep: {train.l2: {linspace: [0, 1, 999]}, train.clip_norm: {linspace: [1, 2, 999]}}"
        ),
        "5:8: sweep: too many networks, expected at most 100,000, got 998,001",
    ),
    "sweeps an unknown range": (
        added("sweep: {train.l2: {lnspace: [0, 1, 2]}}"),
        "5:19: sweep.train.l2: not a valid value, expected a list of values, or linspace,",
    ),
    "sweeps a range of two": (
        added("sweep: {train.l2: {linspace: [0, 1]}}"),
        "5:19: sweep.train.l2: not a valid value, expected a list of values, or linspace,",
    ),
    "sweeps a range through 0": (
        added("sweep: {train.l2: {geomspace: [-1, 1, 2]}}"),
        "5:19: sweep.train.l2[0]: not a valid value, expected a number >= 0, got -1.0",
    ),
    "sweeps a range backwards": (
        added("sweep: {train.l2: {uniform: [1, 0, 2]}}"),
        "5:19: sweep.train.l2: no such range, expected the smaller end first, got [1.0, 0.0, 2]",
    ),
    "sweeps beyond numbers": (
        added("sweep: {train.l2: {logspace: [0, 999, 2]}}"),
        "5:19: sweep.train.l2[1]: not a valid value, expected a finite number, got inf",
    ),
    "sweeps a batch of one": (
        added("sweep: {train.batch_size: [10, 1]}"),
        "5:32: sweep.train.batch_size[1]: too small, expected at least 2, got 1: batch norm of",
    ),
    "book stream that shuffles": (
        added("random: {stream: book}"),
        "4:8: train.sampling: not in the book's code, expected with_replacement or all for random.",
    ),
    "book stream with another init": (
        changed("batch}", "batch, init: orthogonal}").replace(
            "size: 10", "size: 10, sampling: with_replacement"
        )
        + "random: {stream: book}\n",
        "3:44: model.init: not in the book's code, expected normal, ... got 'orthogonal'",
    ),
    **{
        f"book stream with {key}: {value}": (
            BOOK.replace("  batch_size: 10", f"  batch_size: 10\n  {key}: {value}"),
            f"7:{len(key) + 5}: train.{key}: not in the book's code, {expected}",
        )
        for key, value, expected in (
            ("schedule", "cosine", "expected constant for random.stream: book, got cosine"),
            ("weight_decay", "0.1", "expected none for random.stream: book, got 0.1"),
            ("clip_norm", "1.0", "expected none for random.stream: book, got 1.0"),
            ("decay_also", "[gamma]", "expected none for random.stream: book, got gamma"),
            ("optimizer", "adam", "expected one of sgd, ... with dialect book where there is"),
        )
    },
    **{
        f"book stream with {key}: {value}": (
            BOOK.replace("  hidden: [8]", f"  hidden: [8]\n  {key}: {value}"),
            f"4:{len(key) + 5}: model.{key}: not in the book's code, {expected}",
        )
        for key, value, expected in (
            ("activation", "tanh", "expected sigmoid or relu for random.stream: book, got"),
            ("norm", "layer", "expected none, or batch with the options of dialect book (eps and"),
            (
                "norm",
                "{kind: batch, ddof: 1}",
                "expected none, or batch with the options of dialect",
            ),
            ("bias", "false", "expected true for random.stream: book, got false"),
        )
    },
    "book stream with inverted dropout": (
        BOOK.replace("  hidden: [8]", "  hidden: [8]\n  dropout: {ratio: 0.5, scale: inverted}"),
        "4:32: model.dropout.scale: not in the book's code, expected evaluation for random.stream",
    ),
    "book stream with dropout in float32": (
        BOOK.replace("float64", "float32").replace(
            "  hidden: [8]", "  hidden: [8]\n  dropout: {ratio: 0.5, scale: evaluation}"
        ),
        "4:12: model.dropout: not in the book's code, expected train.precision: float64 with it",
    ),
    "book stream of two convolutions": (
        BOOK.replace(
            "  hidden: [8]",
            "  kind: cnn\n  blocks: [{kind: conv, features: 2, size: 3}, "
            "{kind: conv, features: 2, size: 3}]",
        ),
        "4:11: model.blocks: not in the book's code, expected one conv, first, then max_pool and",
    ),
    **{
        f"book stream with {text}": (
            BOOK.replace("  init: {kind: normal, std: 1.0}", f"  init: {text}"),
            "4:9: model.init: not in the book's code, expected normal, xavier or he without",
        )
        for text in ("glorot", "{kind: xavier, gain: 2}", "{kind: he, fan: out}")
    },
    "book stream with another init of the output layer": (
        BOOK.replace("  hidden: [8]", "  hidden: [8]\n  layer_init: {output: he}"),
        "4:15: model.layer_init: not in the book's code, expected one init for all layers",
    ),
    "book stream with another eps of the optimizer": (
        BOOK.replace(
            "  batch_size: 10", "  batch_size: 10\n  optimizer: {kind: adagrad, eps: 1.0e-8}"
        ),
        "7:14: train.optimizer: not in the book's code, expected one of sgd,",
    ),
    "book stream with noisy labels": (
        BOOK.replace("model:", "data: {label_noise: 0.1}\nmodel:"),
        "2:21: data.label_noise: not in the book's code, expected 0 for random.stream: book, got",
    ),
    "book stream with centred pixels": (
        BOOK.replace("model:", "data: {pixels: centred}\nmodel:"),
        "2:16: data.pixels: not in the book's code, expected grey",
    ),
    "book stream's loss with a penalty": (
        BOOK.replace("  batch_size: 10", "  batch_size: 10\n  l2: 0.1\n  metrics: [book_loss]"),
        "8:12: train.metrics: without the penalty that the book adds, expected train.l2: 0 with",
    ),
    **{
        f"book stream's cnn with {key}: {value}": (
            BOOK.replace(
                "  hidden: [8]", "  kind: cnn\n  blocks: [{kind: conv, features: 2, size: 3}]"
            ).replace(section, f"{section}\n  {key}: {value}"),
            f"{line}:{len(key) + 5}: {name}: not in the book's code, expected {expected}",
        )
        for section, key, value, line, name, expected in (
            ("train:", "l2", "0.1", 7, "train.l2", "0 in a cnn"),
            ("train:", "evaluate_train", "150", 7, "train.evaluate_train", "a multiple of 100"),
            ("model:", "activation", "sigmoid", 3, "model.activation", "relu in a cnn"),
        )
    },
    "together without the book's stream": (
        added("random: {together: [model.norm]}"),
        "5:10: random.together: without effect, expected random.stream: book with it, got indep",
    ),
    "restart without the book's stream": (
        added("random: {restart: true}"),
        "5:10: random.restart: without effect, expected random.stream: book with it, got indep",
    ),
    "together of what is not swept": (
        BOOK.replace("{stream: book}", "{stream: book, together: [train.l2]}")
        + "sweep: {model.init.std: [1.0, 2.0]}\n",
        "10:35: random.together[0]: not swept, expected one of model.init.std, got 'train.l2'",
    ),
    "book stream with a norm inside zip": (
        BOOK
        + "sweep:\n  zip:\n    model.norm: [batch, none, none]\n"
        + "    model.init.std: [1.0, 1.0, 2.0]\n",
        "12:3: sweep: rounds of several sizes, expected model.norm outside of zip for random.",
    ),
    "book stream of two shapes": (
        changed("size: 10", "size: 10, sampling: with_replacement")
        + "random: {stream: book}\nsweep: {model.hidden: [[8], [9]]}\n",
        "6:8: sweep: sweeps what is drawn, expected one data set, one shape and one length of",
    ),
    "unknown stream": (
        added("random: {stream: bok}"),
        "5:18: random.stream: not a valid value, expected 'independent' or 'book', got 'bok'",
    ),
    "unknown figure": (
        added("figures: [{kind: pie}]"),
        "5:18: figures[0].kind: unknown kind, expected one of ... got 'pie'",
    ),
    "figure without kind": (
        added("figures: [{metric: train_loss}]"),
        "5:11: figures[0]: no kind given, expected a name or {kind: NAME, ...}, got a mapping",
    ),
    "figure as a number": (
        added("figures: [3]"),
        "5:11: figures[0]: not a valid value, expected a mapping, got 3",
    ),
    "figure of an axis not swept": (
        added(SWEEP + "figures: [{kind: panels, axis: model.init.std}]"),
        "6:32: figures[0].axis: not a swept key, expected model.norm, got 'model.init.std'",
    ),
    "figure with nothing swept": (
        added("figures: [{kind: scale}]"),
        "5:11: figures[0]: no numbers, expected a swept key that has only numbers, got",
    ),
    "figure of test images": (
        added(SWEEP + "figures: [{kind: panels, metric: test_loss}]"),
        "6:34: figures[0].metric: no test images, expected data.test above 0 for test_loss,",
    ),
    "figure of a probe not there": (
        added(SWEEP + "figures: [{kind: depth, quantity: gradient_norm}]"),
        "6:35: figures[0].quantity: not recorded, expected a probe in probes.read that",
    ),
    "figure with limits reversed": (
        added(SWEEP + "figures: [{kind: curves, limits: [1, 0]}]"),
        "6:34: figures[0].limits: not a valid value, expected [low, high], the lower first,",
    ),
    "figure of no such value": (
        added(SWEEP + "figures: [{kind: curves, where: {model.norm: layer}}]"),
        "6:46: figures[0].where.model.norm: no value of the axis, expected one of batch, none",
    ),
    "claim on the output layer's activation": (
        added(CLAIM_ON % ("[dead]", "quantity: dead, layer: 3")),
        "6:53: claims[0].measure.layer: no such layer, expected 1 to 2 for dead, got 3",
    ),
    "claim on growth to a layer that is not there": (
        added(CLAIM_ON % ("[gradient_norm]", "quantity: gradient_norm, growth: [2, 4]")),
        "6:63: claims[0].measure.growth: no such layer, expected 1 to 3 for gradient_norm, got 4",
    ),
    "claim on the place of a single number": (
        added(CLAIM_ON % ("[dead]", "quantity: dead, layer: 1, at: 2")),
        "6:60: claims[0].measure.at: no such place, expected no at, it is one number, got 2",
    ),
    "claim on a step size that is not tried": (
        added(CLAIM_ON % ("[dead]", "quantity: loss_along, at: 3")),
        "6:56: claims[0].measure.at: no such place, expected one of 0.5, 1, 2, 4, got 3",
    ),
    "claim on no place of several": (
        added(CLAIM_ON % ("[dead]", "quantity: loss_along")),
        "6:29: claims[0].measure: no place in it, expected at: one of 0.5, 1, 2, 4, got none",
    ),
    "claim without relation": (
        added(SWEEP + CLAIM % ""),
        "6:10: claims[0]: no single relation, expected exactly one of ... got none",
    ),
    "claim with two relations": (
        added(SWEEP + CLAIM % ", at_least: 1, at_most: 1"),
        "6:10: claims[0]: no single relation, expected exactly one of ... got at_least and at_most",
    ),
    "claim without measure": (
        added("claims: [{says: x, at_least: 1}]"),
        "5:10: claims[0].measure: required key is missing, expected a value, got nothing; add",
    ),
    "claim of an unknown measure": (
        added("claims: [{says: x, measure: final_tran_loss, at_least: 1}]"),
        "5:29: claims[0].measure: not a valid value, expected one of ... got 'final_tran_loss'",
    ),
    "claim of no measure": (
        added("claims: [{says: x, measure: {step: 1}, at_least: 1}]"),
        "5:29: claims[0].measure: not a valid value, expected a name such as",
    ),
    "claim of an unknown axis": (
        added(SWEEP + CLAIM % ", where: {model.nrom: none}, at_least: 1"),
        "6:55: claims[0].where.model.nrom: not swept, expected model.norm, got 'model.nrom';",
    ),
    "claim of no such value": (
        added(SWEEP + CLAIM % ", where: {model.norm: layer}, at_least: 1"),
        "6:67: claims[0].where.model.norm: no value of the axis, expected one of ... got layer",
    ),
    "residual blocks that are not whole": (
        changed("batch}", "batch, residual: {layers: 2}}"),
        "3:48: model.residual: no whole blocks, expected 1 hidden layer, then blocks of 2, got 2",
    ),
    "skip connections of a cnn without a block": (
        changed(
            "{hidden: [8, 8],", "{kind: cnn, residual: {}, blocks: [{kind: conv, features: 2}],"
        ),
        "3:30: model.residual: without effect, expected {kind: residual, blocks: [...]} among",
    ),
    "hidden layers of a residual cnn": (
        changed(
            "{hidden: [8, 8],",
            "{kind: cnn, residual: {layers: 2}, blocks: [{kind: residual, blocks: "
            "[{kind: conv, features: 2}]}],",
        ),
        "3:39: model.residual.layers: without effect in a cnn, expected blocks of kind residual",
    ),
    "fixup that stays 0": (
        changed("batch}", "batch, residual: {layers: 1, init: fixup, scale: 0.0}}"),
        "3:80: model.residual.scale: keeps blocks at 0 for good, expected another scale",
    ),
    "fixup of fitted weights": (
        changed("batch}", "batch, init: lsuv, residual: {layers: 1, init: fixup}}"),
        "3:44: model.init: fits weights to data, expected another one with residual.init: fixup",
    ),
    "fixup of weight norm": (
        changed("batch}", "weight, residual: {layers: 1, init: fixup}}"),
        "3:67: model.residual.init: starts with weights of 0, expected plain with model.norm: "
        "weight, got fixup: weight norm divides weights by their length, which is 0",
    ),
    "weight norm of zeros": (
        changed("batch}", "{kind: weight, mean_only: true}, init: zeros}"),
        "3:70: model.init: weights of 0, expected another one with model.norm: weight, got zeros",
    ),
    "weight norm of a layer of zeros": (
        changed("batch}", "weight, layer_init: {2: {kind: constant, value: 0.0}}}"),
        "3:55: model.layer_init.2: weights of 0, expected another one with model.norm: weight",
    ),
    "the book's code with skip connections": (
        BOOK.replace("  hidden: [8]", "  hidden: [8, 8]\n  residual: {layers: 1}"),
        "4:13: model.residual: not in the book's code, expected none for random.stream: book",
    ),
    "claim of test images": (
        added("claims: [{says: x, measure: final_gap, at_least: 1}]"),
        "5:29: claims[0].measure: no test images, expected data.test above 0 for gap, got 0",
    ),
    "claim of a probe not there": (
        added("claims: [{says: x, measure: {quantity: dead}, at_least: 1}]"),
        "5:40: claims[0].measure.quantity: not recorded, expected probes that read dead, got",
    ),
    "claim of an empty range": (
        added(
            "sweep: {train.l2: [0.0, 0.1]}\n"
            + CLAIM % ", where: {train.l2: {at_least: 1, at_most: 0}}, at_least: 1"
        ),
        "6:65: claims[0].where.train.l2: an empty range, expected at_least <= at_most, got 1",
    ),
    "claim along no axis": (
        added(SWEEP + CLAIM % ", non_decreasing: train.l2"),
        "6:63: claims[0].non_decreasing: not swept, expected model.norm, got 'train.l2'",
    ),
    "claim against itself": (
        added(SWEEP + CLAIM % ", where: {model.norm: none}, above: {where: {model.norm: none}}"),
        "6:81: claims[0].above: compared with itself, expected other points, got model.norm =",
    ),
    "claim with a stray tolerance": (
        added(CLAIM % ", at_least: 1, tolerance: 1"),
        "5:71: claims[0].tolerance: no use here, expected it beside one of non_decreasing,",
    ),
    "claim of two distances": (
        added(CLAIM % ", within: {of: 1, by: 1, relative: 1}"),
        "5:55: claims[0].within: no single distance, expected either by or relative, got both",
    ),
    "claim of too few numbers": (
        added(SWEEP + CLAIM % ", equals: [1]"),
        "6:55: claims[0].equals: not one for each point, expected 2 numbers, got 1",
    ),
    "claim at too many points": (
        added(SWEEP + CLAIM % ", at_least: 1, in_at_least: 3"),
        "6:73: claims[0].in_at_least: more than there are, expected at most 2 points, got 3",
    ),
    "unknown probe": (
        added("probes: {read: [layer]}"),
        "5:17: probes.read[0]: unknown kind, expected one of ... did you mean 'layers'?",
    ),
    "no probes": (
        added("probes: {read: []}"),
        "5:16: probes.read: not a valid value, expected a list of at least 1, got a list of 0",
    ),
    "probe of no such layer": (
        added("probes: {read: [{kind: percentiles, layer: 4, unit: 0}]}"),
        "5:44: probes.read[0].layer: no such layer, expected at most 3, the output layer, got 4",
    ),
    "probe twice": (
        added("probes: {read: [layers, layers]}"),
        "5:25: probes.read[1]: a probe twice, expected each once, got 'layers' again: its",
    ),
    "percentiles of no such unit": (
        added("probes: {read: [{kind: percentiles, layer: 1, unit: 8}]}"),
        "5:53: probes.read[0].unit: no such unit, expected at most 7, got 8",
    ),
    "percentile above 100": (
        added("probes: {read: [{kind: percentiles, layer: 1, percentiles: [50, 101]}]}"),
        "5:65: probes.read[0].percentiles[1]: not a percentile, expected a number from 0 to",
    ),
    "probes not in order": (
        added("probes: {at: [2, 1], read: [layers]}"),
        "5:14: probes.at: not in order, expected ascending steps, each once",
    ),
    "init of no such layer": (
        changed("batch}", "batch, layer_init: {3: he}}"),
        "3:51: model.layer_init.3: no such layer, expected one of 1, 2, output, got '3'",
    ),
    "init of a layer by a list": (
        changed("batch}", "batch, layer_init: [he]}"),
        "3:50: model.layer_init: not a valid value, expected a mapping, got a list of 1",
    ),
    "init of the last layer by name": (
        changed("batch}", "batch, layer_init: {outptu: he}}"),
        "3:51: model.layer_init.outptu: no such layer, expected one of ... did you mean 'output'?",
    ),
    "groups that do not divide": (
        changed("batch}", "{kind: group, groups: 3}}"),
        "3:31: model.norm: layers do not fit together, group norm: 8 channels do not split into 3",
    ),
    "unknown schedule": (
        changed("size: 10", "size: 10, schedule: cosin"),
        "4:46: train.schedule: unknown kind, expected one of ... did you mean 'cosine'?",
    ),
    "schedule of another kind": (
        changed("size: 10", "size: 10, schedule: {kind: cosine, every: 9}"),
        "4:61: train.schedule.every: unknown key, expected one of ... got 'every'",
    ),
    "schedule with a bad factor": (
        changed("size: 10", "size: 10, schedule: {kind: step, gamma: 1.5}"),
        "4:66: train.schedule.gamma: not a valid value, expected a number <= 1, got 1.5",
    ),
    "image too small for its window": (
        changed("hidden: [8, 8]", "kind: cnn, blocks: [{kind: conv, features: 2, size: 40}]"),
        "3:29: model.blocks[0]: layers do not fit together, a window of 40 does not fit an image",
    ),
    "convolution after a dense layer": (
        changed(
            "hidden: [8, 8]",
            "kind: cnn, blocks: [{kind: dense, features: 2}, {kind: conv, features: 2}]",
        ),
        "3:57: model.blocks[1]: layers do not fit together, a window needs images, a dense layer",
    ),
    "pooling after a dense layer": (
        changed(
            "hidden: [8, 8]",
            "kind: cnn, blocks: [{kind: dense, features: 2}, {kind: global_average_pool}]",
        ),
        "3:57: model.blocks[1]: layers do not fit together, a mean of pixels needs images",
    ),
    "pooling of the frame alone": (
        changed("hidden: [8, 8]", "kind: cnn, blocks: [{kind: max_pool, padding: 2}]"),
        "3:29: model.blocks[0]: layers do not fit together, a pooling window of 2 with a",
    ),
    "swept groups that do not divide": (
        changed("batch}", "group}") + "sweep: {model.norm.groups: [2, 4, 3]}\n",
        "5:35: sweep.model.norm.groups[2]: layers do not fit together, group norm: 8 channels",
    ),
    "swept init of no such layer": (
        added("sweep: {model.layer_init.9: [he, zeros]}"),
        "5:9: sweep.model.layer_init.9: no such layer, expected one of 1, 2, output, got '9'",
    ),
    "batches by class without their number": (
        changed("size: 10", "size: 10, sampling: by_class"),
        "4:46: train.sampling: by_class without classes_per_batch, expected both, also where a "
        "sweep varies them",
    ),
    "a number of classes of shuffled batches": (
        changed("size: 10", "size: 10, classes_per_batch: 2"),
        "4:55: train.classes_per_batch: of no use, expected it beside sampling: by_class, got",
    ),
    "more classes than images": (
        changed("size: 10", "size: 10, sampling: by_class, classes_per_batch: 11"),
        "4:75: train.classes_per_batch: more classes than images, expected at most batch_size,",
    ),
    "more classes than there are": (
        changed("size: 10", "size: 20, sampling: by_class, classes_per_batch: 11"),
        "4:75: train.classes_per_batch: more classes than there are, expected at most 10 in",
    ),
    "early stopping without validation images": (
        changed("size: 10", "size: 10, early_stopping: {patience: 2}"),
        "4:52: train.early_stopping: no validation images, expected data.validation above 0, got 0",
    ),
    "early stopping by what is not scored": (
        changed("test: 0", "validation: 20").replace(
            "size: 10", "size: 10, early_stopping: {patience: 2, metric: confidence}"
        ),
        "4:74: train.early_stopping.metric: not scored, expected one of loss, accuracy, got",
    ),
    "scored after the last epoch": (
        changed("size: 10", "size: 10, evaluate: [1, 99]"),
        "4:46: train.evaluate: after the end, expected at most step 20, got 99",
    ),
    "swept scoring after the last epoch": (
        added("sweep: {train.evaluate: [epoch, [1, 99]]}"),
        "5:33: sweep.train.evaluate[1]: after the end, expected at most step 20, got 99",
    ),
    "probed after the last score": (
        added("probes: {at: [1, 99], read: [layers]}"),
        "5:14: probes.at: after the end, expected at most step 20, where the networks are scored",
    ),
    "unit of no such class": (
        added("probes: {read: [{kind: percentiles, layer: 3, unit: 10}]}"),
        "5:53: probes.read[0].unit: no such unit, expected at most 9, got 10",
    ),
    "quantity twice": (
        added("probes: {read: [{kind: layers, quantities: [dead, rank, dead]}]}"),
        "5:57: probes.read[0].quantities[2]: a value twice, expected each once, got dead again",
    ),
    "percentile twice": (
        added("probes: {read: [{kind: percentiles, layer: 1, percentiles: [50, 50]}]}"),
        "5:65: probes.read[0].percentiles[1]: a value twice, expected each once, got 50 again",
    ),
    "strength below 0": (
        changed("test: 0", "test: 9")
        + "probes: {read: [{kind: robustness, to: blur, strengths: [1, -1]}]}\n",
        "5:61: probes.read[0].strengths[1]: not a strength, expected a number from 0, got -1",
    ),
    "shift by half a pixel": (
        changed("test: 0", "test: 9")
        + "probes: {read: [{kind: robustness, to: shift, strengths: [1.5]}]}\n",
        "5:59: probes.read[0].strengths[0]: not a strength, expected a whole number of pixels from",
    ),
    "strength twice": (
        changed("test: 0", "test: 9")
        + "probes: {read: [{kind: robustness, to: fgsm, strengths: [0.1, 0.1]}]}\n",
        "5:63: probes.read[0].strengths[1]: a value twice, expected each once, got 0.1 again",
    ),
    "robustness to one change twice": (
        changed("test: 0", "test: 9")
        + "probes: {read: [{kind: robustness, to: blur, strengths: [1]}, "
        "{kind: robustness, to: fgsm, strengths: [1]}, "
        "{kind: robustness, to: blur, strengths: [2]}]}\n",
        "5:109: probes.read[2]: a probe twice, expected each once, got 'robustness' again",
    ),
    "all images held out": (
        changed("train: 200", "validation: 2000"),
        "2:37: data.validation: no image is left to train on, expected less than 2000, got 2000",
    ),
    "no blocks": (
        changed("hidden: [8, 8]", "kind: cnn, blocks: []"),
        "3:28: model.blocks: not a valid value, expected a list of at least 1, got a list of 0",
    ),
    "histogram without bins": (
        added("probes: {read: [{kind: histogram, low: 1, high: 0}]}"),
        "5:49: probes.read[0].high: not above low, expected a number > 1, got 0",
    ),
    "padding too wide": (
        changed("hidden: [8, 8]", "kind: cnn, blocks: [{kind: max_pool, padding: 65}]"),
        "3:55: model.blocks[0].padding: not a valid value, expected a number <= 64, got 65",
    ),
}
