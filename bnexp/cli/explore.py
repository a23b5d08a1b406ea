"""The command `explain`, and what it prints: a key in words, readable in 80 columns."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from textwrap import indent, shorten
from typing import TYPE_CHECKING, Any

import click

from bnexp.text import counted, labeled, paragraph

if TYPE_CHECKING:
    from bnexp.config.reference import Shape, Topic

WIDTH = 79
COLUMN = 26


def by_source() -> Iterator[str]:
    """A line for each experiment under the source that it is from."""
    groups: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    from bnexp.config import document, shipped

    for name in shipped.experiment_names():
        values = document.read_document(shipped.experiments_folder() / f"{name}.yaml").value
        groups.setdefault(origin(str(values.get("source", ""))), []).append((name, values))
    for source in sorted(groups, key=lambda source: (source == "bnexp", source)):
        yield f"{source}:"
        for name, values in groups[source]:
            yield from _entry(name, values)
        yield ""


def origin(source: str) -> str:
    """The work that a source is a part of: its text up to a comma, a bracket or a colon."""
    return re.split(r"[,(:;]", source.removeprefix("after "))[0].strip() or "bnexp"


def _entry(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    kinds = [str(figure.get("kind")) for figure in values.get("figures") or []]
    facts = [cost(values), ", ".join(dict.fromkeys(kinds)) or "panels, scale"]
    claims = len(values.get("claims") or [])
    facts += [counted(claims, "claim")] if claims else []
    title = str(values.get("title", ""))
    yield from labeled(name, [title, "; ".join(fact for fact in facts if fact)], COLUMN, WIDTH)


def cost(values: Mapping[str, Any]) -> str:
    """How long a run takes, as the experiment says."""
    seconds = values.get("seconds")
    if not isinstance(seconds, int | float):
        return ""
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"


def description(experiment: str) -> Iterator[str]:
    """The question, the set-up and the claims of one experiment."""
    from bnexp.config import document, shipped
    from bnexp.config.yaml import block_style

    values = document.read_document(shipped.find_experiment(experiment)).value
    yield f"{values['name']}: {values.get('title', '')}"
    yield from paragraph(f"source: {values.get('source', 'bnexp')}", WIDTH, hanging=2)
    yield f"{cost(values) or 'of unknown length'} on two cores"
    yield from ["", *paragraph(" ".join(str(values.get("description", "")).split()), WIDTH), ""]
    setup = {
        key: values[key]
        for key in ("data", "model", "train", "random", "sweep", "probes", "figures")
        if values.get(key)
    }
    yield indent(block_style(setup).rstrip(), "  ")
    for number, claim in enumerate(values.get("claims") or [], 1):
        yield from ["", *paragraph(f"claim {number}: {claim['says']}", WIDTH, hanging=2)]
        if "source" in claim:
            yield from paragraph(claim["source"], WIDTH, indent=2)


@click.command()
@click.argument("name")
@click.option(
    "--from", "experiment", metavar="EXPERIMENT", help="Copy this shipped experiment or file."
)
def new(name: str, experiment: str | None) -> None:
    """Write NAME.yaml, a commented experiment to start from.

    It runs as it is, in seconds. The file bnexp.schema.json is written next to it, with which
    editors complete keys and check values. With --from, NAME.yaml is a copy of that experiment,
    complete in one file.

    \b
    Example: bnexp new my_scales
             bnexp new my_scales --from weight_scale
    """
    from bnexp import files
    from bnexp.config import template
    from bnexp.config.jsonschema import FILE, schema_text
    from bnexp.errors import ConfigError

    path = template.path_of(name)
    if os.path.lexists(path):
        raise ConfigError(f"{path}: there already, expected a new name; remove it, or take another")
    text = template.copy(path.stem, experiment) if experiment else template.lesson(path.stem)
    schema = path.with_name(FILE)
    current = schema_text().encode()
    if files.read_file(schema) != current:
        files.write_file(schema, current)
        click.echo(f"{schema}: written; with it editors complete and check {path.name}")
    files.write_file(path, text.encode())
    click.echo(f"{path}: written; what to do next:")
    click.echo(f"  bnexp check {path}\n  bnexp run {path}\n  bnexp explain KEY")


COLUMN_explaining = 18


@click.command()
@click.argument("key", required=False)
def explain(key: str | None) -> None:
    """Say what a config key means and which experiments use it.

    KEY is a dotted key or its last part; KEY=KIND is one kind of it. Without KEY, the keys of an
    experiment are listed.

    \b
    Example: bnexp explain model.norm.eps
             bnexp explain model.norm=batch
             bnexp explain lr
    """
    click.echo("\n".join(top() if key is None else answer(key)))


def top() -> Iterator[str]:
    """The keys of an experiment, a line each."""
    from bnexp.config.reference import catalogue

    yield "The keys of an experiment; `bnexp explain KEY` says more about one."
    yield ""
    yield from _table((key.last, key.meaning) for key in catalogue())


def answer(asked: str) -> Iterator[str]:
    """The page of what is asked for, or a line for each thing that is called so."""
    from bnexp.config import reference

    every = reference.topics()
    found = reference.find(asked, every)
    if len(found) == 1 or all(asked in topic.called for topic in found):
        pages = ("\n".join(page(topic, every)) for topic in found)
        yield "\n\n".join(pages)
        return
    yield from _wrapped(
        f"{asked}: {len(found)} keys or kinds have this name; `bnexp explain NAME` says more.", 0
    )
    yield ""
    yield from _table(((_spoken(topic), _line(topic)) for topic in found), 32)


def page(topic: Topic, every: Iterable[Topic]) -> Iterator[str]:
    """All about one of them."""
    yield from _kind(topic, topic.shape) if topic.shape else _key(topic, every)
    yield from ["", *_users(topic)]


def _key(topic: Topic, every: Iterable[Topic]) -> Iterator[str]:
    yield _spoken(topic)
    for variant in topic.variants:
        of = f"of {', '.join(variant.of)}: " if variant.of else ""
        yield from _wrapped(f"{of}{variant.key.meaning}", 2)
        yield from _wrapped(f"type: {variant.key.type}", 4, 6)
        yield from _wrapped(f"default: {variant.key.default}", 4, 6)
    inner = [other for other in every if other.inside == topic.name]
    kinds = [
        (other.name.rpartition("=")[2], _line(other))
        for other in inner
        if other.shape and not other.dialect
    ]
    keys = [(other.variants[0].key.last, _line(other)) for other in inner if not other.shape]
    for head, rows in (("kinds", kinds), ("keys", keys)):
        yield from ["", f"  {head}:", *_table(rows)] if rows else []
    if kinds:
        yield from ["", f"  `bnexp explain {_spoken(topic)}={kinds[0][0]}` says more about a kind"]
    yield from _settable(topic)


def _settable(topic: Topic) -> Iterator[str]:
    """How a single value is set and swept."""
    from bnexp.config.reference import SWEPT

    mapping = all(variant.key.type.startswith("a mapping") for variant in topic.variants)
    if mapping or topic.free or "[]" in topic.name or topic.name == "extends":
        return
    yield from ["", f"  --set {topic.name}=VALUE"]
    if topic.inside.partition(".")[0] in SWEPT:
        yield f"  sweep: {{{topic.name}: [VALUE, ...]}}"


def _kind(topic: Topic, shape: Shape) -> Iterator[str]:
    from bnexp.config.descriptions import shown

    kind = topic.called[0].rpartition(".")[2] if not topic.dialect else shape.label
    alone = f", or {kind} alone" if shape.bare and not topic.dialect else ""
    dialect = f", dialect: {topic.dialect}" if topic.dialect else ", ..." if shape.keys else ""
    yield f"{topic.inside.replace('[]', '')}: {{kind: {kind}{dialect}}}{alone}"
    for text in _items(shape.text):
        yield from _wrapped(text, 2, 4 if _ITEM.match(text) else 2)
    if topic.dialect:
        preset = shape.dialects[topic.dialect].items()
        yield from ["", "  it sets:", *_table((key, shown(value)) for key, value in preset)]
    elif shape.keys:
        rows = [(key.last, f"{key.meaning}; default: {key.default}") for key in shape.keys]
        yield from ["", "  keys:", *_table(rows)]
    if shape.dialects and not topic.dialect:
        example = f"{topic.called[0]}.{next(iter(shape.dialects))}"
        yield from ["", f"  `bnexp explain {example}` says what a dialect sets"]


# A line of a docstring that says what the names at its beginning are.
_ITEM = re.compile(r"[\w, ]+: ")


def _items(text: str) -> Iterator[str]:
    """A docstring's paragraphs, and in them the lines `name, name: what it is`."""
    for part in text.split("\n\n"):
        item: list[str] = []
        for line in part.splitlines():
            if item and _ITEM.match(line):
                yield " ".join(item)
                item = []
            item.append(line)
        yield " ".join(item)


def _users(topic: Topic) -> Iterator[str]:
    from bnexp.config import reference, shipped

    users, number = reference.users(topic), len(shipped.experiment_names())
    swept = [name for name, is_swept in users.items() if is_swept]
    if len(users) == number:
        yield f"used by all {number} shipped experiments" + ("; these sweep over it:" * bool(swept))
        names = " ".join(swept)
    else:
        yield f"used by {len(users) or 'none'} of {number} shipped experiments" + (
            ", * sweeps over it:" if swept else ":" if users else ""
        )
        names = " ".join(f"{name}{'*' * (name in swept)}" for name in users)
    yield from _wrapped(names, 2)


def _line(topic: Topic) -> str:
    """What it is in a line or two, and whose key it is."""
    if topic.shape:
        dialect = f"dialect {topic.dialect} of {topic.shape.label}: " if topic.dialect else ""
        return dialect + topic.shape.line
    owners = dict.fromkeys(owner for variant in topic.variants for owner in variant.of)
    of = f" ({', '.join(owners)})" if owners else ""
    return shorten(topic.variants[0].key.meaning, 110, placeholder=" ...") + of


def _spoken(topic: Topic) -> str:
    """As the user would ask for it; a shell has its own idea of brackets."""
    return topic.called[0] if topic.dialect else topic.name.replace("[]", "")


def _table(rows: Iterable[tuple[str, str]], column: int = COLUMN_explaining) -> Iterator[str]:
    for name, text in rows:
        yield from labeled(name, [text], column, WIDTH)


def _wrapped(text: str, first: int, rest: int | None = None) -> list[str]:
    return paragraph(text, WIDTH, first, rest, hyphens=False)
