"""The command that begins an experiment: `new`."""

from __future__ import annotations

import os

import click


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
        click.echo(f"{schema}: written; with it editors complete and check {path.name}")
    files.write_whole(path, text.encode())
    click.echo(f"{path}: written; what to do next:")
    click.echo(f"  bnexp check {path}\n  bnexp run {path}\n  bnexp explain KEY")
