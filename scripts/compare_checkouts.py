#!/usr/bin/env python3
"""Compare what two checkouts show to a user, and list every difference.

    scripts/compare_checkouts.py OLD NEW [--only SECTION ...] [--keep DIR] [--show LINES]

Each checkout is asked, by its command line and its public names only, for artifacts: one file
each. Those of OLD are kept under DIR/COMMIT where its tree is clean, so that they are made once.
Ends with status 1 where an artifact differs. BNEXP_DATA_DIR names the folder of MNIST; where it is
not set, random images take its place.

ids      ids and complete settings of all networks of all shipped experiments
tables   run directories of shipped experiments cut short, and of each kind of part; stops, -j 2
texts    what the commands print, and what they write when asked for pages and exports
messages what is said of bad configs, bad command lines and damaged files
figures  every figure of the cut runs and of some references, PNG and SVG
files    run directories, checkpoints and models of OLD, used by each of the two
names    public names, signatures, fields and registries
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import dataclasses
import difflib
import fcntl
import gzip
import hashlib
import importlib
import inspect
import io
import json
import os
import re
import runpy
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

# --- what is asked for -----------------------------------------------------------------------

# Each is added in turn where the experiment is still valid with it.
CUTS = (
    ("random.seeds=[0, 1]",),
    ("train.epochs=1", "data.train=100"),
    ("train.epochs=null", "train.steps=4", "train.evaluate=[0, 1, 4]", "probes.at=[0, 1, 4]"),
    ("train.epochs=null", "train.steps=4", "train.evaluate=[0, 1, 4]"),
    ("data.train=100",),
    ("data.train=1000",),
    ("data.test=20",),
    ("train.batch_size=10",),
    ("train.evaluate_train=all",),
)
# Where all the units or points of a sweep would take too long.
SPARSE = {
    "correlation": (f"model.hidden={[20] * 50}",),
    "gradient_growth": (f"model.hidden={[20] * 25}",),
    "gradient_growth_activations": (f"model.hidden={[20] * 25}",),
    "variance_propagation": (f"model.hidden={[20] * 20}",),
    "book_hyperparameters": (
        "sweep.zip={train.optimizer.lr: [0.001, 0.01, 0.1], train.l2: [0.1, 0.01, 0.0]}",
    ),
}
FLOAT64 = ("weight_scale", "landscape", "conv_position", "ioffe_figure1", "norm_position")
SMALL = """\
name: small
data: {name: synthetic, train: 110, test: 20}
model: {hidden: [6, 4], init: {kind: normal, std: 0.1}}
train:
  steps: 12
  batch_size: 40
  sampling: shuffle
  evaluate: [0, 1, 4, 6, 9, 12]
  optimizer: {kind: sgd, lr: 0.1}
random: {seeds: [0, 1]}
sweep: {model.init.std: [0.3, 0.05]}
"""
IMAGES = """\
name: images
data: {name: synthetic, train: 110, test: 20}
model:
  kind: cnn
  blocks:
    - {kind: conv, features: 4, size: 3}
    - {kind: max_pool, size: 2}
    - {kind: conv, features: 4, size: 3, padding: 1}
    - {kind: average_pool, size: 3}
    - {kind: dense, features: 6}
  init: {kind: normal, std: 0.1}
  norm: batch
train: {steps: 6, batch_size: 40, evaluate: [0, 2, 6], optimizer: {kind: momentum, lr: 0.05}}
random: {seeds: [0, 1]}
"""
READ = "probes={read: [layers, landscape, covariate_shift, {kind: histogram, low: 0, high: 1}, "
READ += "{kind: percentiles, layer: 1}], at: [0, 3, 5]}"
EVALUATIONS = ("running", "debiased", "population", "batch")
DIALECTS = ("book", "cs231n", "paper", "pytorch", "keras", "tensorflow", "darknet", "darknet_fixed")
# Settings of the small experiments; the kinds of each registry come on top.
VARIANTS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "float64": ("train.precision=float64", "train.optimizer=adam", "model.norm=batch"),
    "float64 probes": ("train.precision=float64", "model.norm=batch", READ),
    "book adam": ("train.optimizer={kind: adam, dialect: book, lr: 0.05}",),
    "weight data": ("model.norm={kind: weight, start: data}",),
    "dropout": ("model.dropout={ratio: 0.4}", "train.optimizer=adam"),
    "dropout evaluation": ("model.dropout={ratio: 0.4, scale: evaluation}",),
    "replacement": ("train.sampling=with_replacement",),
    "book": ("random.stream=book", "train.sampling=with_replacement", "train.evaluate=book"),
    "step": ("train.schedule={kind: step, every: 3, gamma: 0.5, warmup: 2}",),
    "cosine": ("train.schedule={kind: cosine, warmup: 3}",),
    "decay": ("train.l2=0.01", "train.weight_decay=0.01", "train.clip_norm=0.5"),
    "probes": (READ,),
    "probes norm": (READ, "model.norm=batch", "model.activation=tanh"),
    "rates": ("sweep.train.optimizer.lr=[0.5, 0.01]",),
    "zip": ("sweep.zip={train.l2: [0.0, 0.1], train.clip_norm: [1.0, 2.0]}",),
    "diverged": ("sweep.model.init.std=[1e25, 0.05]", "model.norm=batch"),
    "after": ("model.norm=batch", "model.norm_position=after", "model.bias=false"),
    "layer_init": ("model.layer_init={1: he, output: {kind: normal, std: 1.0}}",),
    "centred": ("data.pixels=centred",),
    "binary": ("data.pixels=binary",),
    "epochs": ("train.steps=null", "train.epochs=2", "train.evaluate=epoch"),
    "cs231n": ("train.steps=null", "train.epochs=2", "train.evaluate=cs231n"),
    "gaussian": ("data.name=gaussian",),
    "scored": ("train.evaluate_train=30", "data.test=0"),
    **{f"batch {how}": (f"model.norm={{kind: batch, evaluation: {how}}}",) for how in EVALUATIONS},
    **{f"batch {name}": (f"model.norm={{kind: batch, dialect: {name}}}",) for name in DIALECTS},
}
# What kinds need.
OPTIONS = {"constant": ", value: 0.1", "uniform": ", limit: 0.1", "truncated": ", std: 0.1"}
ONLY_IMAGES = "model.blocks=[{kind: conv, features: 4}, {kind: global_average_pool}]"
REGISTRIES = {
    "ACTIVATIONS": "model.activation",
    "INITIALISERS": "model.init",
    "NORMALISERS": "model.norm",
    "OPTIMISERS": "train.optimizer",
}
# Stopped after so many updates, and run again.
STOPPED = {
    "small": ("plain", "dropout", "probes norm", "float64", "batch population", "book", "step"),
    "images": ("plain", "float64"),
}
UPDATES = 17
REFERENCES = (
    "weight_scale",
    "landscape",
    "ioffe_figure1",
    "dialects",
    "book_activations",
    "gradient_growth",
    "book_hyperparameters",
    "output_scale",
)
CLOCK = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?")

# --- collecting: this part runs in a process of its own, with one checkout's bnexp ----------------


class Artifacts:
    """The folder of one section's artifacts, and what is masked in them."""

    def __init__(self, folder: Path, masks: Mapping[str, str]) -> None:
        self.folder, self.masks = folder, masks

    def put(self, name: str, content: str | bytes) -> None:
        path = self.folder / quote(name, safe=" /=[]{},:+@()'<>")
        if path.exists():
            raise ValueError(f"two artifacts have the name {name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else self.masked(content).encode())

    def masked(self, text: str) -> str:
        for secret, shown in self.masks.items():
            text = text.replace(secret, shown)
        text = re.sub(r"tfevents\.\d+", "tfevents.<time>", CLOCK.sub("<time>", text))
        return re.sub(r" at 0x[0-9a-f]+", " at <address>", text)

    def command(self, name: str, *words: str) -> int:
        """Keep what a command prints, and its exit status."""
        status, text = command(*words)
        self.put(name, f"$ bnexp {' '.join(words)}\n{text}exit status {status}\n")
        return status

    def tree(self, name: str, folder: Path, leave: Sequence[str] = ()) -> None:
        """Keep every file of a folder, volatile parts masked; those in `leave` by name alone."""
        listed = []
        for path in sorted(folder.rglob("*")):
            own = path.relative_to(folder).as_posix()
            listed.append(own + "/" * path.is_dir())
            if path.is_file() and not own.startswith(tuple(leave)):
                self.put(f"{name}/{own}", stable(path))
        self.put(f"{name}/listing", "\n".join(listed) + "\n")


def stable(path: Path) -> str | bytes:
    """A file's content without what depends on the machine and the time."""
    content = path.read_bytes()
    if path.name == "summary.csv":
        lines = [line.split(",") for line in content.decode().split("\n")]
        assert lines[0][-1] == "seconds", "the last column is no longer the seconds"
        return "\n".join(",".join([*line[:-1], "<s>"]) if line[1:] else line[0] for line in lines)
    if path.name == "manifest.json":
        manifest = json.loads(content)
        return json.dumps(without_clock(manifest), indent=2)
    if path.parent.name == "cells":
        head, body = content.decode().split("\n", 1)
        if '"seconds":0.0,' in body:  # made in this process, where the clock stands
            return content
        head = re.sub(r"[0-9a-f]{64}", "<sha256>", head)
        body = re.sub(r'"seconds":[^,}]+', '"seconds":<s>', body)
        return f"{head}\n{body}"
    if path.suffix == ".parquet":
        return parquet(path)
    if path.suffix == ".npz":
        return npz(content)
    if path.suffix == ".html":
        return re.sub(r"(<code>seconds</code></th><td>)[^<]*", r"\1<s>", content.decode())
    return content if path.suffix in (".png", ".gz") else text_or_bytes(content)


def text_or_bytes(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def without_clock(value: Any, key: str = "") -> Any:
    if key in ("started", "seconds", "git_commit", "platform", "cpu"):
        return f"<{type(value).__name__}>"
    if isinstance(value, dict):
        return {name: without_clock(inner, name) for name, inner in value.items()}
    return value


def npz(content: bytes) -> str:
    """Every entry of an npz file with the hash of its bytes; headers as text."""
    lines = []
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        for entry in file.infolist():
            raw = file.read(entry)
            digest = hashlib.sha256(raw).hexdigest()[:20]
            lines.append(f"{entry.filename} {entry.compress_type} {len(raw)} {digest}")
            if entry.filename.startswith("bnexp"):
                lines.append(repr(raw.replace(b"\0\0\0", b"")))
    return "\n".join([*lines, hashlib.sha256(content).hexdigest(), ""])


def parquet(path: Path) -> str:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    columns = {name: table[name].to_pylist() for name in table.column_names if name != "seconds"}
    lines = [f"{name}: {values}" for name, values in columns.items()]
    return "\n".join([str(table.schema), *lines, ""])


def events(path: Path) -> str:
    """An event file of TensorBoard as text."""
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    texts = [str(Event.FromString(raw)) for raw in RawEventFileLoader(str(path)).Load()]
    return re.sub(r"(wall_time: |_secs: )\S+", r"\1<time>", "\n".join(texts))


def command(*words: str) -> tuple[int, str]:
    """Exit status and output of a command, in this process."""
    main = entry_point()
    sys.argv = ["bnexp", *words]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main()
            status: Any = 0
        except SystemExit as end:
            status = end.code
    return (status if isinstance(status, int) else int(status is not None)), said.getvalue()


def entry_point() -> Callable[[], None]:
    """The function behind the command, as the checkout's pyproject.toml names it."""
    text = (Path(os.environ["PYTHONPATH"]) / "pyproject.toml").read_text()
    found = re.search(r'^bnexp = "([\w.]+):(\w+)"$', text, re.MULTILINE)
    assert found, "pyproject.toml names no command bnexp"
    function: Callable[[], None] = getattr(importlib.import_module(found[1]), found[2])
    return function


def process(*words: str, **variables: str) -> str:
    """What `python -m bnexp` prints in a process of its own."""
    made = subprocess.run(
        [sys.executable, "-m", "bnexp", *words],
        capture_output=True, text=True, env=os.environ | variables,
    )  # fmt: skip
    return f"{made.stdout}--\n{made.stderr}--\nexit status {made.returncode}\n"


def sets(assignments: Iterable[str]) -> list[str]:
    return [word for assignment in assignments for word in ("--set", assignment)]


def shipped(checkout: Path) -> list[str]:
    return sorted(path.stem for path in (checkout / "configs").glob("*.yaml"))


def collect_ids(kept: Artifacts, checkout: Path, old: Path, store: Path) -> None:
    """The tasks that a run hands to its place, which ends it; and the settings that it writes."""
    import bnexp

    class Enough(Exception):
        pass

    class Asked:
        workers = 1

        def records(self, tasks: Any, *rest: Any) -> Any:
            self.tasks = list(tasks)
            raise Enough

    for name in shipped(checkout):
        out, place = Path("ids") / name, Asked()
        with contextlib.suppress(Enough):
            # By position, as older versions call the last argument `place`.
            bnexp.run(bnexp.load_config(name), out, 1, None, False, None, 60.0, None, place)
        stacks = [re.findall(r"'([0-9a-f]{20})'", repr(task)) for task in place.tasks]
        assert sum(map(len, stacks)), "no ids were found"
        kept.put(f"{name}/ids", "\n".join(" ".join(stack) for stack in stacks) + "\n")
        kept.put(f"{name}/config.yaml", (out / "config.yaml").read_text())


def collect_tables(kept: Artifacts, checkout: Path, old: Path, store: Path) -> None:
    for name in shipped(checkout):
        train(kept, name, name, cut(name))
    for name in FLOAT64:
        train(kept, f"{name}-float64", name, (*cut(name), "train.precision=float64", "figures=[]"))
    for name, text in (("small", SMALL), ("images", IMAGES)):
        Path(f"{name}.yaml").write_text(text)
        for variant, assignments in variants().items():
            train(kept, f"{name} {variant}", f"{name}.yaml", (*assignments, "figures=[]"))
        for variant in STOPPED[name]:
            words = [f"{name}.yaml", *sets((*VARIANTS[variant], "figures=[]"))]
            stopped(kept, f"{name} {variant} stopped", words)
    words = ["run", "small.yaml", "--out", "runs/two", "--set", "figures=[]"]
    text = process(*words, "-j", "2")
    kept.put("two/output", text)
    kept.tree("two", Path("runs/two"))
    models(kept)


def cut(name: str) -> tuple[str, ...]:
    """Assignments that make an experiment short and leave it valid."""
    chosen: tuple[str, ...] = SPARSE.get(name, ())
    for assignments in CUTS:
        if not command("check", name, *sets((*chosen, *assignments)))[0]:
            chosen = (*chosen, *assignments)
    return chosen


def variants() -> Mapping[str, tuple[str, ...]]:
    from bnexp import nn

    kinds = {
        f"{key} {kind}": (
            "sweep.model.init.std=null",
            f"{key}={{kind: {kind}{OPTIONS.get(kind, '')}}}",
        )
        for registry, key in REGISTRIES.items()
        for kind in getattr(nn, registry)
    }
    only_images = {"instance images": ("model.norm=instance", ONLY_IMAGES)}
    return VARIANTS | kinds | only_images


def train(kept: Artifacts, name: str, experiment: str, assignments: Sequence[str]) -> None:
    """Run into runs/NAME; keep what is printed and what is left but for the figures."""
    out = Path("runs") / name
    kept.command(
        f"{name}/output", "run", experiment, *sets(assignments), "-j", "1", "--out", str(out)
    )
    if out.is_dir():
        kept.tree(name, out, leave=("figures/",))


def stopped(kept: Artifacts, name: str, words: Sequence[str]) -> None:
    """A run that is interrupted after some updates, with a checkpoint after each, and goes on."""
    out = Path("runs") / name
    line = ["run", *words, "-j", "1", "--checkpoint", "1e-9", "--out", str(out)]
    with interruption(UPDATES):
        kept.command(f"{name}/output", *line)
    kept.tree(f"{name}/stopped", out)
    shutil.copytree(out, Path("stopped") / name)
    (Path("stopped") / name / "words").write_text(json.dumps(list(words)))
    kept.command(f"{name}/output again", *line)
    kept.tree(f"{name}/again", out)


@contextlib.contextmanager
def interruption(updates: int) -> Iterator[None]:
    """Ctrl-C at an optimizer's update number `updates`."""
    from bnexp import nn

    count = 0
    classes = {cls for optimizer in nn.OPTIMISERS.values() for cls in optimizer.__mro__}
    originals = {cls: vars(cls)["update"] for cls in classes if "update" in vars(cls)}

    def interrupted(original: Any) -> Any:
        def update(*arguments: Any) -> Any:
            nonlocal count
            count += 1
            if count > updates:
                raise KeyboardInterrupt
            return original(*arguments)

        return update

    for cls, original in originals.items():
        cls.update = interrupted(original)
    yield
    for cls, original in originals.items():
        cls.update = original


def models(kept: Artifacts) -> None:
    """Trained models, and the bytes of their files."""
    import bnexp

    Path("models").mkdir()
    for name in ("small", "images"):
        for variant in ("plain", "float64", "centred", "dropout", "batch population"):
            config = bnexp.load_config(f"{name}.yaml", assignments=VARIANTS[variant])
            point = {"model.init.std": 0.05} if name == "small" else None
            if variant == "float64" and name == "images":
                point = {}
            model = bnexp.fit(config, point, seed=1)
            path = bnexp.save_model(model, f"models/{name} {variant}.npz")
            kept.put(f"models/{name} {variant}", stable(path))
            kept.put(f"models/{name} {variant} answers", answers(model))


def answers(model: Any) -> str:
    """What a model says of some images, to the last bit."""
    import numpy as np

    images = np.random.default_rng(0).integers(0, 256, (20, *model.shape), np.uint8)
    logits, labels = model.logits(images), np.arange(20) % model.classes
    made = [repr(model), repr(logits.dtype), logits.tobytes().hex()]
    made += [model.probabilities(images).tobytes().hex(), repr(model.predict(images))]
    return "\n".join([*made, repr(model.score(images, labels)), ""])


def collect_texts(kept: Artifacts, checkout: Path, old: Path, store: Path) -> None:
    for words in ("schema", "list", "list --verbose", "data info", "--version", "explain"):
        kept.command(f"{words}/all", *words.split())
    for name in ("mnist", "mnist-5k", "synthetic", "gaussian"):
        kept.command(f"data info/{name}", "data", "info", name)
    for name in shipped(checkout):
        kept.command(f"list/{name}", "list", "--verbose", name)
        kept.command(f"check/{name}", "check", name)
        kept.command(f"dry-run/{name}", "run", name, "--dry-run", "--seeds", "2")
        kept.command(f"new/{name}", "new", f"new/{name}", "--from", name)
    kept.command("new/lesson", "new", "new/lesson")
    kept.tree("new/files", Path("new"))
    explained(kept)
    helped(kept)
    for shell in ("bash", "zsh", "fish"):
        kept.put(f"completion/{shell}", process(_BNEXP_COMPLETE=f"{shell}_source"))
    for name in shipped(checkout):
        reference = copied(checkout / "results" / "reference" / name, Path("reference") / name)
        kept.command(f"reference/{name}/claims", "claims", str(reference))
    for name in REFERENCES:
        kept.command(f"reference/{name}/report", "report", f"reference/{name}")
        kept.tree(f"reference/{name}", Path("reference") / name, leave=("figures/",))
    used(kept, Path("runs"), Path("used"))


def used(kept: Artifacts, runs: Path, own: Path, names: Iterable[str] = ()) -> None:
    """What the commands make of run directories, or of some; `runs` are not changed."""
    import bnexp

    pairs = (
        ("weight_scale", "weight_scale-float64"),
        ("small plain", "small diverged"),
        ("conv_norm", "conv_spatial"),
        ("small dropout", "two"),
    )
    wanted = {name for pair in pairs for name in pair} | {"landscape", *names}
    for path in sorted(runs.iterdir()):
        if names and path.name not in wanted:
            continue
        run = copied(path, own / path.name)
        name = path.name
        if not (run / "metrics.csv").exists():
            continue
        manifest = run / "manifest.json"  # exports hand on its times
        manifest.write_text(CLOCK.sub("2026-01-01T00:00:00+00:00", manifest.read_text()))
        kept.command(f"used/{name}/claims", "claims", str(run))
        kept.command(f"used/{name}/verify", "verify", str(run), "--sample", "2", "-j", "1")
        result = bnexp.load_run(run)
        tables = (result.metrics, result.summary, result.probes)
        kept.put(f"used/{name}/result", "\n".join(map(repr, (result, *tables[:1], tables[2]))))
        kept.put(f"used/{name}/result.html", result._repr_html_())
        if (run / "figures").is_dir():
            kept.command(f"used/{name}/report", "report", str(run))
    for first, second in pairs:
        one, two = str(own / first), str(own / second)
        kept.command(f"used/compare {first}, {second}", "compare", one, two)
        kept.command(
            f"used/compare {first}, {second}, 0.1", "compare", one, two, "--tolerance", "0.1"
        )
        kept.command(f"used/report {first}, {second}", "report", one, two)
    for name in ("weight_scale", "landscape", "small diverged"):
        for target in ("parquet", "tensorboard"):
            kept.command(f"used/export {name} {target}", "export", str(own / name), "--to", target)
            exported = own / name / "export" / target
            if target == "parquet":
                kept.tree(f"used/exported {name}", exported)
            for event in sorted(exported.rglob("*tfevents*")):
                kept.put(f"used/exported {name}/events/{event.parent.name}", events(event))
    for path in sorted(own.iterdir()):
        kept.tree(
            f"used/{path.name}/after", path, leave=("figures/", "export/", "cells/", "metrics")
        )


def copied(source: Path, place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, place)
    return place


def explained(kept: Artifacts) -> None:
    """Every page of `explain` that can be reached from its first one."""
    todo, seen, texts = ["kind", "lr", "eps", "norm", "nothing", ""], set(), set()
    while todo:
        topic = todo.pop()
        if topic in seen:
            continue
        seen.add(topic)
        words = ["explain", topic] if topic else ["explain"]
        status, text = command(*words)
        kept.put(f"explain/{topic or 'top'}", f"{text}exit status {status}\n")
        if not status and text not in texts:  # a page may have several names
            texts.add(text)
            todo += linked(topic, text)


def linked(topic: str, text: str) -> Iterator[str]:
    """The topics that a page of `explain` names."""
    yield from re.findall(r"`bnexp explain ([a-z_.=0-9]+)`", text)
    sign = "." if topic else ""
    for line in text.partition("\nused by ")[0].splitlines():
        if line in ("  kinds:", "  keys:"):
            sign = "=" if line == "  kinds:" else "."
        elif found := re.match(r"  ([a-z_.=0-9]+)(  |$)", line):
            yield from (found[1], f"{topic}{sign}{found[1]}") if sign and topic else (found[1],)


def helped(kept: Artifacts) -> None:
    """The help of every command."""
    todo: list[tuple[str, ...]] = [()]
    while todo:
        words = todo.pop()
        text = command(*words, "--help")[1]
        kept.put(f"help/{' '.join(words) or 'bnexp'}", text)
        commands = text.partition("\nCommands:\n")[2]
        todo += [(*words, name) for name in re.findall(r"^  (\S+)  ", commands, re.MULTILINE)]


def collect_messages(kept: Artifacts, checkout: Path, old: Path, store: Path) -> None:
    cases = runpy.run_path(str(old / "tests" / "bad_configs.py"))
    for name, (text, _) in cases["CASES"].items():
        Path("bad.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        kept.command(f"config/{name}", "check", "bad.yaml")
    for number, text in enumerate(spoiled(cases["RICH"])):
        Path("bad.yaml").write_text(text)
        kept.command(f"spoiled/{number}", "check", "bad.yaml")
    bad_lines(kept)
    damaged(kept)


def spoiled(text: str) -> Iterator[str]:
    """The text with each of its words replaced by something else, or left out."""
    for found in re.finditer(r"[\w.]+", text):
        for other in ("", "nonsense", "-1", "1.5", "[1, 2]", "{a: 1}", "null", "1e400", "'batch'"):
            yield text[: found.start()] + other + text[found.end() :]


BAD_LINES = """\
run nothing
run quickstar
run nothing.yaml
run .
run small.yaml --set tran.epochs=1
run small.yaml --set train.epochs
run small.yaml --set =1
run small.yaml --set train.epochs=[
run small.yaml --set train.epochs=0
run small.yaml --set model.norm=bach
run small.yaml --set sweep.model.norm=[batch,batch]
run small.yaml --set sweep.model.init.std=[]
run small.yaml --set model.init.std=1
run small.yaml --set random.seeds=[0,0]
run small.yaml --set model.hidden=[100000000]
run small.yaml --set data.train=5000
run small.yaml --set data.name=nothing
run small.yaml --set data.name=./nothing
run small.yaml --set extends=nothing
run small.yaml --seeds 0
run small.yaml --seeds x
run small.yaml --seeds 1,1
run small.yaml --seeds 99999999999
run small.yaml -j 0
run small.yaml -j x
run small.yaml --out=
run small.yaml --out small.yaml
run small.yaml --cell-timeout 0
run small.yaml --checkpoint 0
run small.yaml --executor dask
run small.yaml --scheduler x
run small.yaml --executor dask --scheduler x -j 2
run small.yaml --executor slurm
run small.yaml --executor dask --scheduler nothing.json --out cluster
run small.yaml --nothing
run quickstart --data-dir nothing --out other
run weight_scale --data-dir empty --out other
run weight_scale --data-dir small.yaml --out other
run
run small.yaml other
check nothing
check
check weight_scale --seeds 2000
list nothing
list quickstar --verbose
explain nothing
explain model.nrom
explain model.norm=bach
explain a b
new small
new small.yaml
new empty/a/b --from nothing
new other --from nothing
new ../x/
new 1 2
plot nothing
plot empty
plot small.yaml
claims nothing
claims empty
report nothing
report empty
report empty empty
report made --out empty
compare made nothing
compare empty made
compare made
compare made made --tolerance -1
verify nothing
verify empty
verify made --sample 0
verify made --tolerance x
export made --to nothing
export made
export empty --to parquet
export nothing --to tensorboard
data
data nothing
data info nothing
data info ./nothing
data info --data-dir nothing
data verify --data-dir nothing
data verify --data-dir empty
schema x
nothing
--nothing
--import nothing check small.yaml
--import a-b check small.yaml
--import broken check small.yaml
--import small.yaml check small.yaml
"""


def bad_lines(kept: Artifacts) -> None:
    Path("small.yaml").write_text(SMALL)
    Path("broken.py").write_text("1 / 0\n")
    Path("empty").mkdir()
    kept.command("line/made", "run", "small.yaml", "-j", "1", "--out", "made")
    for line in BAD_LINES.splitlines():
        words = line.split()
        kept.command(f"line/{line.replace('/', '|')}", *words)
    kept.put("line/no words", process())
    kept.put("line/unknown, as a module", process("nothing"))


def damaged(kept: Artifacts) -> None:
    """A run directory with each of its files damaged in some ways, and what commands say of it."""
    import bnexp

    ways: dict[str, Callable[[bytes], bytes]] = {
        "empty": lambda content: b"",
        "half": lambda content: content[: len(content) // 2],
        "other": lambda content: b"\xff\x00 nonsense\n",
        "digits": lambda content: content.replace(b"1", b"2").replace(b"0.", b"7."),
    }
    cells = sorted(Path("made/cells").iterdir())
    names = ["config.yaml", "metrics.csv", "summary.csv", "manifest.json"]
    lines = [
        "claims broken",
        "compare made broken",
        "export broken --to parquet",
        "verify broken -j 1",
        "run small.yaml --dry-run --out broken",
    ]
    drawing = ["plot broken", "report broken", "run small.yaml -j 1 --out broken"]
    for name in (*names, f"cells/{cells[0].name}"):
        for way in (*ways, "gone"):
            for line in lines + drawing * (way in ("half", "gone")):
                shutil.rmtree("broken", ignore_errors=True)
                shutil.copytree("made", "broken")
                path = Path("broken") / name
                if way == "gone":
                    path.unlink()
                else:
                    path.write_bytes(ways[way](path.read_bytes()))
                short = name if "/" not in name else "cell"
                kept.command(f"damaged/{short} {way}/{line}", *line.split())
    model = bnexp.fit(bnexp.load_config("small.yaml"), {"model.init.std": 0.3}, seed=0)
    whole = bnexp.save_model(model, "model.npz").read_bytes()
    for way, damage in ways.items():
        Path("model.npz").write_bytes(damage(whole))
        kept.put(f"damaged/model {way}", said(lambda: bnexp.load_model("model.npz")))
    kept.put("damaged/no model", said(lambda: bnexp.load_model("nothing.npz")))
    calls = {
        "point": lambda: bnexp.fit(bnexp.load_config("small.yaml"), {"model.norm": "x"}),
        "no point": lambda: bnexp.fit(bnexp.load_config("small.yaml")),
        "seed": lambda: bnexp.fit(bnexp.load_config("small.yaml"), {"model.init.std": 0.3}, seed=9),
        "images": lambda: model.logits([[1, 2]]),
        "labels": lambda: model.score([[0] * 784], [99]),
        "run": lambda: bnexp.run(3),
        "jobs": lambda: bnexp.run("quickstart", jobs=0),
        "figure": lambda: bnexp.load_run("made").figure("nothing"),
        "option": lambda: bnexp.load_run("made").figure("panels", nothing=1),
        "load_run": lambda: bnexp.load_run("nothing"),
        "export": lambda: bnexp.export("made", "nothing"),
        "attribute": lambda: bnexp.nothing,
        "load_config": lambda: bnexp.load_config("small.yaml", {"train.epochs": {}}),
    }
    for name, call in calls.items():
        kept.put(f"call/{name}", said(call))


def said(call: Callable[[], Any]) -> str:
    """The exception of a call, or what it returns."""
    try:
        return f"{call()!r}\n"
    except Exception as error:
        return f"{type(error).__name__}: {error}\n"


def collect_figures(kept: Artifacts, checkout: Path, old: Path, store: Path) -> None:
    for run in sorted(Path("runs").iterdir()):
        if (run / "figures").is_dir():
            kept.tree(run.name, run / "figures")
    for name in REFERENCES:
        run = copied(old / "results" / "reference" / name, Path("drawn") / name)
        kept.command(f"reference/{name}/output", "plot", str(run))
        kept.tree(f"reference/{name}", run / "figures")
    missing = {"panels", "scale", "curves", "percentiles", "histograms", "heatmap", "landscape"}
    missing |= {"depth"}
    for path in Path("drawn").rglob("config.yaml"):
        missing -= set(re.findall(r"kind: (\w+)", path.read_text()))
    assert not missing, f"not drawn: {missing}"


def collect_files(kept: Artifacts, checkout: Path, old: Path, store: Path) -> None:
    """`store` is what OLD left: its runs, stopped runs and models."""
    import bnexp

    for path in sorted((store / "runs").iterdir()):
        words = ["run", str(Path("old") / path.name / "config.yaml"), "-j", "1", "--out"]
        if not (path / "config.yaml").exists() or path.name.endswith("stopped"):
            continue
        whole = copied(path, Path("old") / path.name)
        kept.command(f"whole/{path.name}/output", *words, str(whole))
        kept.tree(f"whole/{path.name}", whole, leave=("figures/",))
        if (whole / "figures").is_dir() and path.name not in REFERENCES:
            continue  # drawing takes long
        half = whole.rename(Path("old") / f"{path.name} half")
        words[1] = str(half / "config.yaml")
        for cell in sorted((half / "cells").iterdir())[::3]:
            cell.unlink()
        kept.command(f"half/{path.name}/output", *words, str(half))
        kept.tree(f"half/{path.name}", half, leave=("figures/",))
    for path in sorted((store / "stopped").iterdir()):
        run = copied(path, Path("old") / path.name)
        words = json.loads((run / "words").read_text())
        kept.command(f"stopped/{path.name}/output", "run", *words, "-j", "1", "--out", str(run))
        kept.tree(f"stopped/{path.name}", run)
    for path in sorted((store / "models").iterdir()):
        model = bnexp.load_model(path)
        kept.put(f"models/{path.stem}", answers(model))
        kept.put(f"models/{path.stem} again", stable(bnexp.save_model(model, "again.npz")))
    used(kept, store / "runs", Path("old used"), REFERENCES)


def collect_names(kept: Artifacts, checkout: Path, old: Path, store: Path) -> None:
    import bnexp
    from bnexp import nn

    for module in (bnexp, nn):
        kept.put(f"{module.__name__}/doc", module.__doc__ or "")
        for name in module.__all__:
            about = described(getattr(module, name))
            kept.put(f"{module.__name__}/{name}.json", json.dumps(about, indent=1))
    for registry in REGISTRIES:
        table = getattr(nn, registry)
        kept.put(
            f"registries/{registry}", "\n".join([repr(table.noun), repr(table.methods), *table])
        )
        for kind, cls in table.items():
            kept.put(f"registries/{registry} {kind}.json", json.dumps(described(cls), indent=1))
    kept.put("version", bnexp.__version__)
    kept.put("dir", "\n".join(sorted(dir(bnexp))))


def described(thing: Any) -> dict[str, Any]:
    """What can be done with a public name: parameters, fields, and so on for its own names."""
    about: dict[str, Any] = {"type": type(thing).__name__}
    if inspect.isclass(thing):
        about["bases"] = [base.__name__ for base in thing.__mro__[1:]]
        if dataclasses.is_dataclass(thing):
            about["fields"] = {f.name: field(f) for f in dataclasses.fields(thing)}
        about["names"] = {
            name: described(inspect.getattr_static(thing, name))
            for name in sorted(dir(thing))
            if not name.startswith("_") or name == "__call__"
        }
        about["exit_status"] = repr(getattr(thing, "exit_status", None))
    if isinstance(thing, property):
        about["doc"] = thing.__doc__ or ""
    if callable(thing):
        about["doc"] = inspect.getdoc(thing) or ""
        with contextlib.suppress(ValueError, TypeError):
            about["parameters"] = [
                [p.name, p.kind.name, str(p.default), p.default is p.empty]
                for p in inspect.signature(thing).parameters.values()
            ]
    return about


def field(f: dataclasses.Field[Any]) -> list[str]:
    return [str(f.type), str(f.default), str(dict(f.metadata)), str(f.init)]


COLLECTORS = {
    "ids": collect_ids,
    "tables": collect_tables,
    "texts": collect_texts,
    "messages": collect_messages,
    "figures": collect_figures,
    "files": collect_files,
    "names": collect_names,
}
AFTER_TABLES = ("texts", "figures", "files")


def collect(section: str, checkout: Path, old: Path, side: Path, store: Path) -> None:
    """One section's artifacts of the checkout whose bnexp this process has."""
    if sys.platform == "linux":  # end with the process that started this one
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    clock = time.perf_counter
    time.perf_counter = lambda: 0.0  # what is trained takes no time, so that cells are equal
    import bnexp

    assert Path(bnexp.__file__).resolve().is_relative_to(checkout.resolve()), bnexp.__file__
    folders = {side: "<side>", checkout: "<checkout>", old: "<checkout>"}
    masks = {str(path): shown for path, shown in folders.items()}
    masks |= {str(path.resolve()): shown for path, shown in folders.items()}
    started = clock()
    COLLECTORS[section](Artifacts(side / "artifacts" / section, masks), checkout, old, store)
    print(f"{section}: {clock() - started:.0f} s")


# --- comparing ---------------------------------------------------------------------------------


def main() -> None:
    options = parsed()
    wanted = [name for name in COLLECTORS if not options.only or name in options.only]
    old, new = options.old.resolve(), options.new.resolve()
    with tempfile.TemporaryDirectory(prefix="bnexp-compare-") as temporary:
        script = shutil.copy(__file__, temporary)  # this file may change meanwhile
        keep = (options.keep or Path(temporary) / "keep").resolve()
        before = keep / (commit(old) or f"old-{quote(str(old), safe='')}")
        after = keep / f"new-{quote(str(new), safe='')}"
        data = data_folder(Path(temporary))
        with alone(before):
            if not commit(old):
                shutil.rmtree(before, ignore_errors=True)
            collect_all(script, old, old, before, before, wanted, data)
        with alone(after):
            shutil.rmtree(after, ignore_errors=True)
            collect_all(script, new, old, after, before, wanted, data)
            differ = sum(
                compared(
                    name, before / "artifacts" / name, after / "artifacts" / name, options.show
                )
                for name in wanted
            )
    sys.exit(1 if differ else 0)


@contextlib.contextmanager
def alone(side: Path) -> Iterator[None]:
    """Hold a side's folder against other comparisons that keep theirs in the same place."""
    side.parent.mkdir(parents=True, exist_ok=True)
    with side.with_name(f"{side.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(COLLECTORS), metavar="SECTION")
    parser.add_argument("--keep", type=Path, help="where artifacts stay; default: nowhere")
    parser.add_argument("--show", type=int, default=20, help="lines of each difference")
    return parser.parse_args()


def commit(checkout: Path) -> str | None:
    """The commit and this script's hash, None where the tree is not clean."""

    def git(*words: str) -> str:
        made = subprocess.run(["git", "-C", str(checkout), *words], capture_output=True, text=True)
        return made.stdout.strip()

    script = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:6]
    data = "real" if os.environ.get("BNEXP_DATA_DIR") else "random"
    dirty = git("status", "--porcelain")
    return None if dirty else f"{git('rev-parse', 'HEAD')[:12]}-{data}-{script}"


def data_folder(folder: Path) -> Path:
    """MNIST, or random images of its form, and beside it a made `mnist_5k.csv.gz`."""
    import numpy as np

    made = folder / "data"
    made.mkdir()
    if given := os.environ.get("BNEXP_DATA_DIR"):
        for path in Path(given).iterdir():
            (made / path.name).symlink_to(path.resolve())
    random = np.random.default_rng(0)
    if not given:
        for name, count in (("train", 60000), ("t10k", 10000)):
            images = random.integers(0, 256, (count, 28, 28), np.uint8) & 15
            labels = np.arange(count, dtype=np.uint8) % 10
            for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
                head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
                (made / f"{name}-{kind}-ubyte").write_bytes(head + array.tobytes())
    sample = made / "mnist_5k.csv.gz"
    if not sample.exists():
        rows = random.integers(0, 256, (5000, 785)) * (random.random((5000, 785)) < 0.2)
        rows[:, -1] = np.repeat(np.arange(10), 500)
        text = "\n".join(",".join(map(str, row)) for row in rows.tolist())
        sample.write_bytes(gzip.compress(text.encode(), 1, mtime=0))
    return made


def collect_all(
    script: str,
    checkout: Path,
    old: Path,
    side: Path,
    store: Path,
    wanted: Sequence[str],
    data: Path,
) -> None:
    """Collect what is not there yet, two sections at a time, first what others need."""
    needed = [
        name for name in COLLECTORS if name in wanted and not (side / f"{name}.done").exists()
    ]
    if set(needed) & set(AFTER_TABLES) and not (side / "tables.done").exists():
        needed = ["tables", *(name for name in needed if name != "tables")]
    first = [name for name in needed if name not in AFTER_TABLES]
    first.sort(key=lambda name: name != "tables")
    started: dict[str, Future[None]] = {}
    with ThreadPoolExecutor(2) as pool:

        def one(name: str) -> None:
            if name in AFTER_TABLES and "tables" in started:
                started["tables"].result()
            collect_one(script, name, checkout, old, side, store, data)

        for name in (*first, *(name for name in needed if name in AFTER_TABLES)):
            started[name] = pool.submit(one, name)
        for made in started.values():
            made.result()


def collect_one(
    script: str, section: str, checkout: Path, old: Path, side: Path, store: Path, data: Path
) -> None:
    """A process with the checkout's bnexp, in a folder of its own that `tables` fills first."""
    work = side / "work" / section
    if section in ("texts", "figures"):
        work = side / "work" / "tables"
    for leftover in {
        "tables": [work], "ids": [work], "messages": [work], "files": [work], "names": [work],
        "texts": [work / part for part in ("new", "reference", "used")],
        "figures": [work / "drawn"],
    }[section]:  # fmt: skip
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.rmtree(side / "artifacts" / section, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    if section == "files":
        for name in ("small.yaml", "images.yaml"):
            shutil.copy(store / "work" / "tables" / name, work)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BNEXP", "PYTHON"))
    } | {
        "PYTHONPATH": str(checkout),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "BNEXP_DATA_DIR": str(data),
        "BNEXP_CACHE_DIR": str(side / "cache"),
        "OPENBLAS_NUM_THREADS": "1",
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "SOURCE_DATE_EPOCH": "0",
    }
    words = [section, checkout, old, side, store / "work" / "tables"]
    made = subprocess.run(
        [sys.executable, "-P", script, "--collect", *map(str, words)],
        cwd=work, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    if made.returncode:
        sys.exit(f"{checkout}, {section}:\n{made.stdout}{made.stderr}")
    print(f"  {checkout}, {made.stdout.strip()}", flush=True)
    (side / f"{section}.done").write_text("")


def compared(section: str, before: Path, after: Path, show: int) -> int:
    """Print a section's differences; how many there are."""
    names = sorted(
        {str(path.relative_to(side)) for side in (before, after) for path in side.rglob("*")
         if path.is_file()}
    )  # fmt: skip
    found, notes = [], []
    for name in names:
        old, new = (
            (side / name).read_bytes() if (side / name).is_file() else None
            for side in (before, after)
        )
        if old == new:
            continue
        if section == "names" and name.endswith(".json") and new is not None:
            wrong, extra = accepted(json.loads(old) if old else {}, json.loads(new))
            notes += [f"{name}: {line}" for line in extra or ["new name"] * (old is None)]
            if wrong:
                found.append((name, wrong))
        else:
            found.append((name, difference(old, new)))
    for note in notes:
        print(f"{section}: note: {note}")
    for name, lines in found:
        print(f"{section}: DIFFERS: {name}")
        more = [f"... {len(lines) - show} more lines"] if len(lines) > show else []
        print("".join(f"    {line[:200]}\n" for line in [*lines[:show], *more]), end="")
    print(
        f"{section}: {len(found)} of {len(names)} artifacts differ"
        if found
        else f"{section}: identical ({len(names)} artifacts)",
        flush=True,
    )
    return len(found)


def difference(old: bytes | None, new: bytes | None) -> list[str]:
    if old is None or new is None:
        return ["only in NEW" if old is None else "only in OLD"]
    try:
        texts = [content.decode().splitlines() for content in (old, new)]
    except UnicodeDecodeError:
        return [f"{len(old)} bytes, {len(new)} bytes now", *pixels(old, new)]
    return list(difflib.unified_diff(*texts, "OLD", "NEW", lineterm="", n=1)) or ["line ends"]


def pixels(old: bytes, new: bytes) -> list[str]:
    """How far two PNG images differ."""
    if not (old.startswith(b"\x89PNG") and new.startswith(b"\x89PNG")):
        return []
    import numpy as np
    from PIL import Image

    one, two = (np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"), int) for raw in (old, new))
    if one.shape != two.shape:
        return [f"{one.shape} pixels, {two.shape} now"]
    changed = (one != two).any(axis=-1)
    return [f"{changed.sum()} of {changed.size} pixels differ, by up to {abs(one - two).max()}"]


def accepted(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What of the old name the new one does not do, and what is new."""
    wrong: list[str] = []
    notes: list[str] = []
    if not old:
        return wrong, notes
    for key in ("type", "bases", "fields", "exit_status", "doc"):
        if old.get(key) != new.get(key):
            lines = notes if key == "doc" else wrong
            lines.append(f"{key}: {old.get(key)}, now {new.get(key)}")
    was, now = old.get("parameters") or [], new.get("parameters") or []
    if now[: len(was)] != was:
        wrong.append(f"parameters: {was}, now {now}")
    elif now != was:
        lines = wrong if any(required for *_, required in now[len(was) :]) else notes
        lines.append(f"new parameters: {now[len(was) :]}")
    for name, about in old.get("names", {}).items():
        if name not in new.get("names", {}):
            wrong.append(f"{name}: gone")
            continue
        inner = accepted(about, new["names"][name])
        wrong += [f"{name}: {line}" for line in inner[0]]
        notes += [f"{name}: {line}" for line in inner[1]]
    notes += [f"{name}: new" for name in new.get("names", {}) if name not in old.get("names", {})]
    return wrong, notes


if __name__ == "__main__":
    if sys.argv[1:2] == ["--collect"]:
        collect(sys.argv[2], *map(Path, sys.argv[3:]))
    else:
        main()
