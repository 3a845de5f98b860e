"""``pixelgrad models add``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import note, print_json, reports_errors
from pixelgrad.networks import add


@reports_errors
def add_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A network file.")],
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="What to call it.")] = None,
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            metavar="imagenet|FILE",
            help="What its classes are called: a known list, or a file with a name per line.",
        ),
    ] = None,
    licence: Annotated[str | None, typer.Option("--licence", metavar="TEXT", help="Its licence.")] = None,
    link: Annotated[bool, typer.Option("--link", help="Do not copy the file; it stays where it is.")] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace a network that was added before.")] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Register a network file of your own, so that --model NAME finds it.

    Example: pixelgrad models add birds.onnx --labels birds.txt --preprocess imagenet
    """
    chosen = name or re.sub(r"[^A-Za-z0-9._+-]+", "-", file.stem).strip("-.") or "network"
    record, network = add(
        file,
        chosen,
        preprocess=preprocess,
        prototxt=prototxt,
        labels=labels,
        licence=licence,
        link=link,
        force=force,
    )
    if json:
        print_json({"name": record.name, "path": str(record.path), "size": record.size, "classes": network.classes})
        return
    classes = f", {network.classes} classes" if network.classes else ""
    note(f"added {record.name}{classes}: --model {record.name} finds it", quiet=quiet)
    if preprocess is None and (network.entry is None or network.entry.name == record.name):
        note(f"its input is taken to be {network.preprocessing.name}; --preprocess says otherwise", quiet=quiet)
