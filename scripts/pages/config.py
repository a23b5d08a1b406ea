"""docs/config.md: all keys of an experiment, from their catalogue."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from bnexp.config import document, load_config
from bnexp.config.descriptions import value_in_words
from bnexp.config.frameworks import NAMES
from bnexp.config.reference import SWEPT, Key, MappingType, Topic, all_topics
from bnexp.config.yaml import block_style
from bnexp.text import listed

INTRO = """\
# Config reference

This page is written by `scripts/docs.py` from the schema that checks every experiment. To see
one key with the shipped experiments that use it, type `bnexp explain KEY`. `bnexp new NAME` writes
a commented experiment to start from; its first line and the file `bnexp.schema.json` next to it let
an editor that knows YAML schemas complete keys and check values.

An experiment is one YAML file with the keys below. Nested keys are written with dots:
`train.optimizer.lr` is `lr` in `optimizer` in `train`, and `[]` marks a list of mappings. KEY
stands for a swept key with its dots, LAYER for the number of a layer or `output`. `null` means not
set. Where a key takes a *kind*, its name alone is enough unless one of the kind's own keys is
required:
"""
# The one key of mappings with a single key each that has a section: how values are given.
RANGES = ("sweep.KEY", "sweep.zip.KEY")
SWEEP = """\
Every combination of values is trained once for each seed; keys under `zip` change together. Random
keys (`uniform`, `loguniform`) change together, too: a random search with 20 points draws 20 values
of each of them. They must be equally many; `crossed: true` beside such a range combines each of its
values with each of the other keys'. The ends of ranges are values; only those of `logspace` are
powers of ten, as in NumPy. Any key under {swept} can be swept, and a value can be a whole
mapping:"""
EXTENDS = """\
## `extends`

A file that `extends` another one, a shipped experiment or a path relative to the file, contains
only what is different. Mappings are merged key by key; a list, a single value, an axis of the sweep
or a mapping of a different `kind` replaces the inherited one. What describes an experiment
({own}) is not inherited.

`null` and `{{}}` have one meaning in such a file, in `--set` and in overrides from Python:

- `KEY: null` takes an inherited value away, so that the key's default holds. An axis of the sweep
  is not swept then.
- `KEY: {{}}` replaces an inherited mapping by an empty one. `sweep: {{}}` leaves no sweep.

This is `{name}`:
"""
SET = """\
## `--set`

`bnexp run`, `bnexp check` and `bnexp.load_config` can override single keys of a file, with the same
rules and the same checks; the value is YAML. A key that is swept cannot be set; set its axis
instead. A key inside a swept value, such as `model.norm.dialect` where `model.norm` is swept, is
set in each of the swept values that has such an option; if none has it, that is an error.
"""
ELSEWHERE = "Names in other frameworks"
ELSEWHERE_TEXT = """\
What PyTorch, Keras, flax and optax, CS231n's assignment, Darknet and the book's own code call these
keys and kinds, where the name is another one. A message about such a name, and `bnexp explain KEY`,
say the same. Where a value converts, the last column says what to write here.
"""
# What `--set` is shown with; the generator loads it.
ASSIGNED = (
    "train.epochs=5",
    "train.optimizer={kind: momentum, lr: 0.05}",
    "random.seeds=[0, 1, 2]",
    "sweep.model.init.std=[0.1, 0.01]",
    "sweep.model.norm=null",
)
SHOWN = "quickstart"
# For each kind of figure, the experiment whose figure is shown as an example.
EXAMPLES = {
    "panels": "weight_scale",
    "scale": "ioffe_learning_rate",
    "curves": "ioffe_figure1",
    "percentiles": "ioffe_figure1",
    "histograms": "book_activations",
    "heatmap": "dialects",
    "landscape": "landscape",
    "depth": "variance_propagation",
    "confusion": "random_labels",
    "filters": "book_filters",
    "trajectory": "book_optimizer_paths",
}


def page() -> str:
    every = {topic.name: topic for topic in all_topics() if topic.mapping is None}
    top = [topic for topic in every.values() if not topic.parent]
    sections = [topic for topic in every.values() if _section_of(topic, every) == topic.name]
    lines = [
        INTRO,
        *_yaml({"norm": "batch"}, {"norm": {"kind": "batch", "dialect": "keras"}}),
        "## Contents\n",
        *_contents(topic.name for topic in sections),
        "",
        "## The experiment\n",
        *_table(top, every),
        "",
        *(line for topic in sections for line in _section(topic, every)),
        *_extends(),
        *_set(),
        "",
        *_elsewhere(),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _section_of(topic: Topic, every: dict[str, Topic]) -> str | None:
    """The section that has the keys inside a key: that of the first which takes the same."""
    own = [_signature(mapping) for mapping in _mappings(topic)]
    same = (one.name for one in every.values() if own == [_signature(s) for s in _mappings(one)])
    return next(same) if own else None


def _mappings(topic: Topic) -> list[MappingType]:
    """The mappings that it can be, each once, where the key's type does not say it all."""
    mappings = [mapping for variant in topic.variants for mapping in variant.key.mappings]
    once = {_signature(mapping): mapping for mapping in mappings}.values()
    told = topic.name.startswith(RANGES)
    return [mapping for mapping in once if len(mapping.keys) > 1 or mapping.kinds or told]


def _signature(mapping: MappingType) -> str:
    return json.dumps([mapping.kinds, mapping.docstring, [key.texts for key in mapping.keys]])


def _contents(sections: Iterable[str]) -> Iterator[str]:
    for name in ["The experiment", *sections, "extends", "--set", ELSEWHERE]:
        title = name if name in ("The experiment", ELSEWHERE) else f"`{name}`"
        yield f"{'  ' * name.count('.')}- [{title}](#{_anchor(name)})"


def _anchor(name: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-")


def _section(topic: Topic, every: dict[str, Topic]) -> Iterator[str]:
    meanings = dict.fromkeys(variant.key.meaning for variant in topic.variants)
    yield f"{'#' * (2 + topic.name.count('.'))} `{topic.name}`\n"
    text = _cell("; ".join(meanings))
    yield f"{text[:1].upper()}{text[1:].rstrip('.')}.\n"
    if topic.name == "sweep":
        yield from _sweep()
    kinds = [mapping for mapping in _mappings(topic) if mapping.kinds]
    inner = [one for one in every.values() if one.parent == topic.name]
    common = [one for one in inner if one.variants[0].is_common] if kinds else inner
    if common:
        yield from [*_table(common, every), ""]
    for mapping in kinds:
        names = " or ".join(f"`{kind}`" for kind in mapping.kinds)
        yield f"**{names}**: {_cell(mapping.summary)}\n"
        known = [one.name for one in common]
        rows = [_row(key, (), every) for key in mapping.keys if key.name not in known]
        yield from [*_head(), *rows, ""] if rows else []
        yield from _example(mapping.label) if topic.name == "figures[]" else []
        yield from _dialects(mapping) if mapping.dialects else []


def _example(kind: str) -> Iterator[str]:
    """A figure of this kind, from the shipped results."""
    if name := EXAMPLES.get(kind):
        path = f"../results/reference/{name}/figures/{kind}.png"
        yield f"![A figure of the kind {kind}]({path})\n"
        yield f"*An example, from [`{name}`](../results/reference/{name}).*\n"


def _dialects(mapping: MappingType) -> Iterator[str]:
    presets = mapping.dialects
    columns = list(next(iter(presets.values())))
    varying = [c for c in columns if len({value_in_words(p[c]) for p in presets.values()}) > 1]
    same = [c for c in columns if c not in varying]
    yield f"What the dialects of `{mapping.label}` set, the first being the default:\n"
    yield f"| dialect | {' | '.join(f'`{name}`' for name in varying)} |"
    yield "|---" * (len(varying) + 1) + "|"
    for dialect, preset in presets.items():
        yield f"| `{dialect}` | {' | '.join(_cell(value_in_words(preset[c])) for c in varying)} |"
    first = next(iter(presets.values()))
    yield ""
    if same:
        yield f"All of them have {', '.join(f'`{c}`: {value_in_words(first[c])}' for c in same)}.\n"


def _head() -> list[str]:
    return ["| key | meaning | type | default |", "|---|---|---|---|"]


def _table(rows: Iterable[Topic], every: dict[str, Topic]) -> Iterator[str]:
    yield from _head()
    for topic in rows:
        yield from (_row(variant.key, variant.owners_to_name, every) for variant in topic.variants)


def _row(key: Key, of: Sequence[str], every: dict[str, Topic]) -> str:
    """A key, with a link to the section of the keys inside it."""
    inside = (topic for name, topic in every.items() if f"{name}.".startswith(f"{key.name}."))
    sections = (found for topic in inside if (found := _section_of(topic, every)))
    section = next(sections, None)
    name = f"[`{key.last}`](#{_anchor(section)})" if section else f"`{key.last}`"
    owners = f"({', '.join(f'`{name}`' for name in of)}) " if of else ""
    return f"| {name} | {owners}{_cell(key.meaning)} | {_cell(key.type)} | {_cell(key.default)} |"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _yaml(*mappings: dict[str, object]) -> Iterator[str]:
    yield "```yaml"
    yield "".join(map(block_style, mappings)).rstrip()
    yield "```\n"


def _sweep() -> Iterator[str]:
    """Sweeps that are shipped: one by a range, one that moves keys together."""
    swept = listed([f"`{key}`" for key in SWEPT], "or")
    yield f"{SWEEP.format(swept=swept)}\n"
    files = map(document.find_experiment, document.experiment_names())
    sweeps = [document.read_document(path).value.get("sweep") for path in files]
    ranged = next(s for s in sweeps if s and "zip" not in s and _spaced(s))
    zipped = next(s for s in sweeps if s and "zip" in s)
    for one in (ranged, zipped):
        yield from _yaml({"sweep": one})


def _spaced(sweep: dict[str, object]) -> bool:
    return any(isinstance(values, dict) for values in sweep.values())


def _extends() -> Iterator[str]:
    own = ", ".join(f"`{key}`" for key in document.OWN)
    yield EXTENDS.format(own=own, name=SHOWN)
    text = (document.experiments_folder() / f"{SHOWN}.yaml").read_text(encoding="utf-8")
    yield f"```yaml\n{text.rstrip()}\n```\n"


def _set() -> Iterator[str]:
    load_config(SHOWN, assignments=ASSIGNED)
    yield SET
    lines = [f'bnexp run {SHOWN} --set "{assignment}"\n' for assignment in ASSIGNED]
    yield f"```sh\n{''.join(lines)}```"


def _elsewhere() -> Iterator[str]:
    """The table of what other frameworks call the keys."""
    yield f"## {ELSEWHERE}\n"
    yield ELSEWHERE_TEXT
    yield from ["| here | elsewhere | what to write |", "|---|---|---|"]
    for row in NAMES:
        names = (
            f"{', '.join(f'`{name}`' for name in names.split())} ({', '.join(frameworks)})"
            for names, frameworks in row.by_names.items()
        )
        yield f"| `{row.key}` | {'; '.join(names)} | {_cell(row.how) or 'the same'} |"
