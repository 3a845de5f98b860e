"""``pixelgrad models show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import print_json, reports_errors, tell
from pixelgrad.cli.models.tables import columns, megabytes
from pixelgrad.errors import NetworkError, SettingsError
from pixelgrad.models import CATALOGUE, PREPROCESSINGS, Entry, plain_name
from pixelgrad.networks import load_network, locate, records
from pixelgrad.networks.lookup import exporters

if TYPE_CHECKING:
    from pixelgrad.exporters import LayerFacts, Network

_SIZE = 224


@reports_errors
def show_command(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A network.")],
    size: Annotated[
        int | None, typer.Option("--size", metavar="PIXELS", help="Edge of the image that the shapes are for.")
    ] = None,
    preprocess: options.Preprocess = None,
    prototxt: options.Prototxt = None,
    json: options.Json = False,
) -> None:
    """Show a network: where it is, its licence, how it wants its input, and its layers.

    Of a network that is not here yet, what the catalogue knows.

    Example: pixelgrad models show googlenet
    """
    if size is not None and size < 1:
        raise SettingsError(f"--size is {size}; it must be at least 1")
    row = _only_known(model)
    if row is not None:
        _print(_of_row(row), [], None, json=json)
        return
    network = load_network(model, preprocess=preprocess, prototxt=prototxt)
    edge = size or (network.entry.input_size if network.entry is not None else None) or _SIZE
    layers = exporters().summary(network, (edge, edge))
    located = locate(model)
    facts = {
        **(_of_row(network.entry) if network.entry is not None else {}),
        "name": network.name,
        "path": str(located.path),
        "licence": network.licence,
        "format": network.format,
        "assumed": list(network.notes),
        "preprocessing": _preprocessing(network.preprocessing.name),
        "sha256": network.sha256,
        "classes": network.classes,
        "labels": network.labels.name if network.labels is not None else None,
        "image": "x".join(map(str, network.declared_size)) if network.declared_size is not None else None,
        **_defaults(network),
    }
    facts["status"] = located.record.kind if located.record is not None else "file"
    _print(facts, layers, edge, json=json)


def _only_known(model: str) -> Entry | None:
    """The row of a network that is in the catalogue and not on this computer."""
    try:
        locate(model)
    except NetworkError:
        row = next((row for row in CATALOGUE.values() if plain_name(row.name) == plain_name(model)), None)
        if row is None or row.name in records():
            raise
        return row
    return None


def _of_row(row: Entry) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "task": row.task,
        "status": "available",
        "licence": row.licence,
        "preprocessing": _preprocessing(row.preprocessing),
        "labels": row.labels if isinstance(row.labels, str) or row.labels is None else row.labels.name,
        "format": row.reader,
        "architecture": row.architecture,
        "files": [
            {"url": file.url, "size": file.size, "about": file.about, "published": file.published} for file in row.files
        ],
        "aliases": row.aliases,
        "note": row.note or None,
    }


def _preprocessing(name: str) -> str:
    known = PREPROCESSINGS.get(name)
    return f"{name}: {known.note}" if known is not None and known.note else name


def _defaults(network: Network) -> dict[str, list[str]]:
    try:
        style, content = exporters().default_layers(network)
    except NetworkError:
        return {}
    return {"style_layers": style, "content_layers": content}


def _print(facts: dict[str, Any], layers: list[LayerFacts], edge: int | None, *, json: bool) -> None:
    if json:
        rows = [{**vars(layer), "shape": list(layer.shape), "aliases": list(layer.aliases)} for layer in layers]
        print_json({**facts, **({"layers": rows, "layers_at": edge} if layers else {})})
        return
    title = facts.get("title")
    tell(f"{facts['name']}: {title}" if title else facts["name"])
    if facts["status"] == "available":
        tell(f"  not here yet: pixelgrad models pull {facts['name']}" if facts["files"] else "  nothing to pull")
    for key, label in _LABELS.items():
        value = facts.get(key)
        if value:
            separator = ", " if key.endswith("_layers") else f"\n  {'':18}"
            tell(f"  {label:18}{separator.join(value) if isinstance(value, list) else value}")
    if not layers:
        for file in facts.get("files", []):
            size = megabytes(file["size"] or file["about"])
            exact = "" if file["size"] else ", about" if file["about"] else ", size not published"
            shown = f"{exact} {size}" if file["about"] and not file["size"] else exact or f", {file['size']:,} bytes"
            tell(f"  {'file':18}{file['url']}")
            tell(f"  {'':18}{file['published']}{shown}")
        for alias, name in facts.get("aliases", {}).items():
            tell(f"  {'alias':18}{alias} is {name}")
        return
    tell(f"\nLayers, for an image of {edge}x{edge}:" if not facts.get("image") else "\nLayers:")
    heads = ("LAYER", "OPERATOR", "SHAPE", "STRIDE", "SEES", "ALSO CALLED")
    for line in columns(heads, [_cells(layer) for layer in layers], right=[3, 4]):
        tell(line)
    tell("\nSEES is the receptive field in image pixels; - sees all of the image.")


_LABELS = {
    "note": "note",
    "task": "task",
    "path": "file",
    "licence": "licence",
    "preprocessing": "input",
    "format": "format",
    "architecture": "architecture",
    "classes": "classes",
    "labels": "labels",
    "image": "declared size",
    "assumed": "assumed",
    "sha256": "sha256",
    "style_layers": "style layers",
    "content_layers": "content layers",
}


def _cells(layer: LayerFacts) -> tuple[str, ...]:
    shape = "x".join("?" if size is None else str(size) for size in layer.shape)
    stride = "-" if layer.stride is None else f"{layer.stride:g}"
    field = "-" if layer.receptive_field is None else f"{layer.receptive_field:g}"
    return layer.name, layer.operator, shape, stride, field, ", ".join(layer.aliases)
