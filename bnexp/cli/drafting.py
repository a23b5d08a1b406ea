"""The command that begins an experiment: `new`."""

from __future__ import annotations

import os

import click


@click.command()
@click.argument("name")
@click.option(
    "--from", "experiment", metavar="EXPERIMENT", help="Copy a shipped experiment, or a file."
)
def new(name: str, experiment: str | None) -> None:
    """Write NAME.yaml, an experiment to begin with, each of its keys explained.

    It runs as it is, in seconds. Beside it goes bnexp.schema.json, by which an editor completes and
    checks what you write. With --from: a copy of that experiment, all of it in one file.

    \b
    Example: bnexp new my_scales
             bnexp new my_scales --from weight_scale
    """
    from bnexp import files
    from bnexp.config import drafting
    from bnexp.config.jsonschema import FILE, schema_text
    from bnexp.errors import ConfigError

    path = drafting.path_of(name)
    if os.path.lexists(path):
        raise ConfigError(f"{path}: there already, expected a new name; remove it, or take another")
    text = drafting.copy(path.stem, experiment) if experiment else drafting.lesson(path.stem)
    schema = path.with_name(FILE)
    current = schema_text().encode()
    if files.read(schema) != current:
        files.write_whole(schema, current)
        click.echo(f"{schema}: written, by which editors complete and check {path.name}")
    files.write_whole(path, text.encode())
    click.echo(f"{path}: written; what to do next:")
    click.echo(f"  bnexp check {path}\n  bnexp run {path}\n  bnexp explain KEY")
