"""The commands that show what there is, before anything is trained: list, explain, new, schema.

`list` prints the shipped experiments and `explain` the reference of keys, both in 79 columns; `new`
writes an experiment to start from; `schema` prints what editors read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import indent, shorten
from typing import TYPE_CHECKING, Any

import click

from bnexp.cli.terminal import echo
from bnexp.text import counted, labeled, paragraph

if TYPE_CHECKING:
    from bnexp.config.experiment import Reference
    from bnexp.config.reference import MappingType, Topic

WIDTH = 79
CUT = " ..."  # the end of a text that is too long for a list
LIST_COLUMN, KEY_COLUMN, NAME_COLUMN = 26, 18, 32  # where the text of a table begins
# A line of a docstring that says what the names at its beginning are.
_ITEM = re.compile(r"[\w, ]+: ")


@click.command("list")
@click.argument("experiments", metavar="[EXPERIMENT]...", nargs=-1)
@click.option("--verbose", is_flag=True, help="Show the question, the settings and the claims.")
@click.option("--bibtex", is_flag=True, help="Print the publications as BibTeX.")
@click.option(
    "--tag", "tags", metavar="TAG", multiple=True, help="Only those with this tag; repeatable."
)
def list_experiments(
    experiments: tuple[str, ...], verbose: bool, bibtex: bool, tags: tuple[str, ...]
) -> None:
    """List the shipped experiments by source, or describe some.

    \b
    Example: bnexp list --verbose book_weight_scale
             bnexp list --bibtex ioffe_figure1 landscape
             bnexp list --tag cnn
    """
    from bnexp.config import document

    if verbose and bibtex:
        raise click.UsageError("--verbose and --bibtex: expected one of them, got both")
    names = tagged(experiments or document.experiment_names(), tags)
    if bibtex:
        lines = bibliography(names)
    elif not experiments and not verbose:
        lines = experiments_by_source(names)
    else:
        lines = (line for name in names for line in (*experiment_description(name), ""))
    echo(*"\n".join(lines).rstrip().split("\n"))


def bibliography(experiments: Sequence[str]) -> Iterator[str]:
    """The publications of experiments as BibTeX, and a comment for each that names none."""
    from bnexp.config import document, load_config
    from bnexp.config.bibliography import bibtex

    references: list[Reference] = []
    for name in experiments:
        text = document.experiment_text(name)
        # Only what may have some is read in full, which takes longer.
        if "references" not in document.read_document(text).value:
            yield f"% {name}: no references"
            continue
        references += load_config(text).experiment.references or ()
    yield bibtex(references)


def tagged(experiments: Sequence[str], tags: Sequence[str]) -> Sequence[str]:
    """Those of the experiments that have all of the tags; ConfigError if there is none."""
    from bnexp.config import document
    from bnexp.errors import ConfigError
    from bnexp.text import choices, listed

    if not tags:
        return experiments
    tags_of = {
        name: document.read_document(document.experiment_text(name)).value.get("tags") or ()
        for name in experiments
    }
    known = sorted({tag for names in tags_of.values() for tag in names})
    for tag in tags:
        if tag not in known:
            if not known:
                raise ConfigError(f"--tag {tag}: no experiment has tags, expected `tags: [{tag}]`")
            raise ConfigError(f"--tag: expected {choices(tag, known)}")
    if names := [name for name, names in tags_of.items() if set(tags) <= {*names}]:
        return names
    raise ConfigError(f"--tag: no experiment has all of {listed(tags, 'and')}; expected fewer tags")


def experiments_by_source(experiments: Iterable[str]) -> Iterator[str]:
    """The lines of the list: each source, and below it the experiments that come from it."""
    from bnexp.config import document

    by_work: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for name in experiments:
        values = document.read_document(document.experiments_folder() / f"{name}.yaml").value
        by_work.setdefault(work_of(str(values.get("source", ""))), []).append((name, values))
    for work in sorted(by_work, key=lambda work: (work == "bnexp", work)):
        yield f"{work}:"
        for name, values in by_work[work]:
            figures = values.get("figures") or []
            kinds = [str(f.get("kind") if isinstance(f, Mapping) else f) for f in figures]
            facts = [cost(values), ", ".join(dict.fromkeys(kinds)) or "panels, scale"]
            if claims := values.get("claims"):
                facts.append(counted(len(claims), "claim"))
            if tags := values.get("tags"):
                facts.append(f"tags: {', '.join(map(str, tags))}")
            texts = [str(values.get("title", "")), "; ".join(filter(None, facts))]
            yield from labeled(name, texts, LIST_COLUMN, WIDTH)
        yield ""


def work_of(source: str) -> str:
    """The work that a source is a part of: its text up to a comma, a bracket or a colon.

    >>> work_of("after CS231n, assignment 2"), work_of("")
    ('CS231n', 'bnexp')
    """
    return re.split(r"[,(:;]", source.removeprefix("after "))[0].strip() or "bnexp"


def cost(values: Mapping[str, Any]) -> str:
    """How long a run takes, as the experiment says; empty if it does not."""
    seconds = values.get("seconds")
    if not isinstance(seconds, int | float):
        return ""
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"


def experiment_description(experiment: str) -> Iterator[str]:
    """The lines that describe one experiment: its question, its set-up and its claims."""
    from bnexp.config import document
    from bnexp.config.yaml import block_style

    values = document.read_document(document.experiment_text(experiment)).value
    yield f"{values['name']}: {values.get('title', '')}"
    yield from paragraph(f"source: {values.get('source', 'bnexp')}", WIDTH, hanging=2)
    yield f"{cost(values) or 'of unknown length'} on two cores"
    if tags := values.get("tags"):
        yield from paragraph(f"tags: {', '.join(map(str, tags))}", WIDTH, hanging=2)
    yield from ["", *paragraph(" ".join(str(values.get("description", "")).split()), WIDTH), ""]
    parts = ("data", "model", "train", "random", "sweep", "probes", "figures")
    setup = {part: values[part] for part in parts if values.get(part)}
    yield indent(block_style(setup).rstrip(), "  ")
    for number, claim in enumerate(values.get("claims") or [], 1):
        head = f"claim {number}, {claim.get('kind', 'measured')}"
        yield from ["", *paragraph(f"{head}: {claim['says']}", WIDTH, hanging=2)]
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
    from bnexp.config.jsonschema import SCHEMA_FILE, schema_text
    from bnexp.errors import ConfigError

    path = template.experiment_path(name)
    if os.path.lexists(path):
        raise ConfigError(f"{path}: there already, expected a new name; remove it, or take another")
    if experiment:
        text = template.copy_of_experiment(path.stem, experiment)
    else:
        text = template.explained_experiment(path.stem)
    schema_file, content = path.with_name(SCHEMA_FILE), schema_text().encode()
    if files.read_file(schema_file) != content:
        files.write_file(schema_file, content)
        echo(f"{schema_file}: written; with it editors complete and check {path.name}")
    files.write_file(path, text.encode())
    echo(f"{path}: written; what to do next:")
    echo(f"  bnexp check {path}", f"  bnexp run {path}", "  bnexp explain KEY")


@click.command()
def schema() -> None:
    """Print the JSON Schema of experiments, for editors.

    \b
    Example: bnexp schema > bnexp.schema.json
    """
    from bnexp.config.jsonschema import schema_text

    echo(*schema_text().removesuffix("\n").split("\n"))


@click.command()
@click.argument("words", nargs=-1, metavar="[KEY]")
def explain(words: tuple[str, ...]) -> None:
    """Say what a config key means and which experiments use it.

    KEY is a dotted key or its last part; KEY=KIND is one kind of it. Any other word or phrase is
    searched for in the texts of all of them. Without KEY, the keys of an experiment are listed.

    \b
    Example: bnexp explain model.norm.eps
             bnexp explain model.norm=batch
             bnexp explain lr
             bnexp explain "running average"
    """
    from bnexp.config.reference import experiment_keys

    key = " ".join(words)  # a phrase needs no quotes
    if not words:
        echo("The keys of an experiment; `bnexp explain KEY` says more about one.")
        echo("--set KEY=null is a key's default, KEY={} an empty mapping:")
        lines = _table((each.last, each.meaning) for each in experiment_keys())
    else:
        lines = explanation(key) if is_name(key) else search_results(key)
    echo(*"\n".join(lines).split("\n"))


def is_name(query: str) -> bool:
    """Whether to explain `query` as a name; if not, it is a word or a phrase of the texts.

    A name of nothing is a misspelt one, unless it is a word that some text has.
    """
    from bnexp.config.document import experiment_names
    from bnexp.config.reference import find_topics, search_experiments, search_topics
    from bnexp.data.datasets import DATASETS
    from bnexp.errors import ConfigError

    if re.search(r"[.=\[]", query) or query in (*experiment_names(), *DATASETS):
        return True
    try:
        find_topics(query)
    except ConfigError:
        return not (search_topics(query) or search_experiments(query))
    return True


def search_results(query: str) -> Iterator[str]:
    """A line for each topic whose text has the words of `query`, and the experiments about them."""
    from bnexp.config.reference import hint_of, search_experiments, search_topics

    matches, experiments = search_topics(query), search_experiments(query)
    number = counted(len(matches), "text")
    explained = hint_of(query)
    yield from _wrapped(
        f"{query}: not the name of a key{f'; {explained}' if explained else ''}; "
        f"found in {number} about keys and kinds"
        + "; `bnexp explain NAME` says more."
        * bool(matches)
    )
    yield ""
    rows = ((_shell_name(topic), shorten(s, 200, placeholder=CUT)) for topic, s in matches)
    yield from _table(rows, NAME_COLUMN)
    if experiments:
        yield from [""] * bool(matches)
        yield "experiments with it in their title or description:"
        yield from _wrapped(" ".join(experiments), 2)


def explanation(query: str) -> Iterator[str]:
    """All about the topic that is called `query`, or a line for each topic if there are many.

    A page has everything about a key, a kind or a dialect, and the experiments that use it.
    """
    from bnexp.config.reference import all_topics, find_topics, hint_of

    topics = all_topics()
    matches = find_topics(query, topics)
    if len(matches) == 1 or all(query in topic.spellings for topic in matches):
        for number, topic in enumerate(matches):
            yield from [""] * (number > 0)
            kind = topic.mapping
            yield from _kind_page(topic, kind) if kind else _key_page(topic, topics)
            yield ""
            yield from _users(topic)
        if "." not in query and (explained := hint_of(query)):
            yield from ["", *_wrapped(f"In another framework's words: {explained}")]
        return
    yield from _wrapped(
        f"{query}: {len(matches)} keys or kinds have this name; `bnexp explain NAME` says more."
    )
    yield ""
    yield from _table(((_shell_name(topic), _summary(topic)) for topic in matches), NAME_COLUMN)
    if explained := hint_of(query):
        yield from ["", *_wrapped(f"In another framework's words: {explained}")]


def _key_page(topic: Topic, topics: Sequence[Topic]) -> Iterator[str]:
    """Meaning, type and default of a key; the kinds and keys inside it; how it is set and swept."""
    from bnexp.config.reference import SWEPT

    yield _shell_name(topic)
    for variant in topic.variants:
        owners = ", ".join(variant.owners_to_name)
        yield from _wrapped(f"of {owners}: " * bool(owners) + variant.key.meaning, 2)
        yield from _wrapped(f"type: {variant.key.type}", 4, 6)
        yield from _wrapped(f"default: {variant.key.default}", 4, 6)
    yield from _names_elsewhere(topic)
    inner = [other for other in topics if other.parent == topic.name and not other.dialect]
    kinds = [(t.name.rpartition("=")[2], _summary(t)) for t in inner if t.mapping]
    keys = [(t.variants[0].key.last, _summary(t)) for t in inner if not t.mapping]
    for heading, rows in (("kinds", kinds), ("keys", keys)):
        if rows:
            yield from ["", f"  {heading}:", *_table(rows)]
    if kinds:
        example = f"{_shell_name(topic)}={kinds[0][0]}"
        yield from ["", f"  `bnexp explain {example}` says more about a kind"]
    cut = [t for t in inner if not t.mapping and CUT in _summary(t)]
    if cut:
        yield from ["", f"  `bnexp explain {_shell_name(cut[0])}` says all about a key"]
    if all(variant.key.default == "{}" for variant in topic.variants):
        yield from ["", f"  --set {topic.name}={{}} leaves it empty"]
    is_mapping = all(variant.key.type.startswith("a mapping") for variant in topic.variants)
    if is_mapping or topic.has_placeholder or "[]" in topic.name or topic.name == "extends":
        return  # it has no single value
    yield from ["", f"  --set {topic.name}=VALUE"]
    if topic.parent.partition(".")[0] in SWEPT:
        yield f"  sweep: {{{topic.name}: [VALUE, ...]}}"


def _kind_page(topic: Topic, mapping: MappingType) -> Iterator[str]:
    """How a kind or a dialect is written, what its class says of itself, and its keys."""
    from bnexp.config.descriptions import value_in_words

    if topic.dialect:
        written = f"{{kind: {mapping.label}, dialect: {topic.dialect}}}"
    else:
        kind = topic.spellings[0].rpartition(".")[2]
        more = ", ..." if mapping.keys else ""
        by_name = f", or {kind} alone" if mapping.name_suffices else ""
        written = f"{{kind: {kind}{more}}}{by_name}"
    yield f"{topic.parent.replace('[]', '')}: {written}"
    for text in _paragraphs_and_items(mapping.docstring):
        if text.startswith(" "):
            yield f"  {text}"
        else:
            yield from _wrapped(text, 2, 4 if _ITEM.match(text) else 2)
    yield from _names_elsewhere(topic)
    if topic.dialect:
        preset = mapping.dialects[topic.dialect].items()
        yield from ["", "  it sets:", *_table((key, value_in_words(v)) for key, v in preset)]
    elif mapping.keys:
        rows = [(key.last, f"{key.meaning}; default: {key.default}") for key in mapping.keys]
        yield from ["", "  keys:", *_table(rows)]
    if mapping.dialects and not topic.dialect:
        example = f"{topic.spellings[0]}.{next(iter(mapping.dialects))}"
        yield from ["", f"  `bnexp explain {example}` says what a dialect sets"]


def _names_elsewhere(topic: Topic) -> Iterator[str]:
    """What other frameworks call a key or a kind."""
    from bnexp.config.frameworks import names_elsewhere

    lines = list(names_elsewhere(topic.name.replace("[]", "")))
    if lines:
        yield "  called elsewhere:"
        for line in lines:
            yield from _wrapped(line, 4, 6)


def _paragraphs_and_items(docstring: str) -> Iterator[str]:
    """The paragraphs of a docstring, each of its items `name, name: what it is` alone.

    Lines of indented formulas are alone, too, and keep their spaces.
    """
    for part in docstring.split("\n\n"):
        if part.startswith(" "):
            yield from part.splitlines()
            continue
        lines: list[str] = []
        for line in part.splitlines():
            if lines and _ITEM.match(line):
                yield " ".join(lines)
                lines = []
            lines.append(line)
        yield " ".join(lines)


def _users(topic: Topic) -> Iterator[str]:
    """The shipped experiments that use a topic; a star marks those that sweep over it."""
    from bnexp.config.document import experiment_names
    from bnexp.config.reference import experiments_using

    users, number = experiments_using(topic), len(experiment_names())
    swept = [name for name, is_swept in users.items() if is_swept]
    if len(users) == number:
        yield f"used by all {number} shipped experiments" + "; these sweep over it:" * bool(swept)
        names = swept
    else:
        end = ", * sweeps over it:" if swept else ":" if users else ""
        yield f"used by {len(users) or 'none'} of {number} shipped experiments{end}"
        names = [f"{name}{'*' * (name in swept)}" for name in users]
    yield from _wrapped(" ".join(names), 2)


def _summary(topic: Topic) -> str:
    """What a topic is in a line or two, and whose key it is."""
    if topic.mapping:
        dialect = f"dialect {topic.dialect} of {topic.mapping.label}: " if topic.dialect else ""
        return dialect + topic.mapping.summary
    owners = dict.fromkeys(owner for v in topic.variants for owner in v.owners_to_name)
    suffix = f" ({', '.join(owners)})" if owners else ""
    return shorten(topic.variants[0].key.meaning, 110, placeholder=CUT) + suffix


def _shell_name(topic: Topic) -> str:
    """The topic's name as the user types it, without brackets, which a shell interprets."""
    return topic.spellings[0] if topic.dialect else topic.name.replace("[]", "")


def _table(rows: Iterable[tuple[str, str]], column: int = KEY_COLUMN) -> Iterator[str]:
    for name, text in rows:
        yield from labeled(name, [text], column, WIDTH)


def _wrapped(text: str, first: int = 0, hanging: int | None = None) -> list[str]:
    return paragraph(text, WIDTH, first, hanging, hyphens=False)
