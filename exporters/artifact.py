"""Writing an artifact: the folder that is all that passes from an exporter to a runtime.

The file names and their split are those of ONNX Runtime's own training artifacts; ``artifact.json`` follows
``artifact.schema.json`` beside this module.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import onnx
from onnx.external_data_helper import set_external_data

from pixelgrad.errors import OutputError, UncomputableError
from pixelgrad.exporters.abandoned import remove_abandoned
from pixelgrad.exporters.handlers import handlers_heard
from pixelgrad.exporters.lbfgs import lbfgs_models
from pixelgrad.exporters.memory import bytes_per_pixel, memory_rates
from pixelgrad.exporters.networks import Geometry, Network
from pixelgrad.exporters.objectives import LossGraphs, Objective, TileGraphs, build_loss_graphs, build_tile_graphs
from pixelgrad.exporters.optimizer import adam_model
from pixelgrad.exporters.projections import Projection, ProjectionGraphs, build_projection_graphs
from pixelgrad.exporters.self_check import projection_self_check, self_check
from pixelgrad.version import __version__

T = TypeVar("T")
FORMAT = "pixelgrad-artifact"
FORMAT_VERSION = 1
MANIFEST = "artifact.json"
WEIGHTS = "weights.bin"
# Tensors below this stay in their graph: a file offset costs about as much.
_EXTERNAL_FROM = 1024
_ALIGNMENT = 64


@handlers_heard()
def write_artifact(
    network: Network,
    objective: Objective,
    directory: str | Path,
    *,
    profile: str = "portable",
    precision: str = "fp32",
    tiles: bool = False,
    force: bool = False,
) -> Path:
    """Write ``objective`` over ``network`` as an artifact folder, whole or not at all.

    profile: ``portable`` for any device, ``fast`` for what is fastest on a CPU.
    precision: ``fp32``, or ``fp16``: the network in float16, the losses in float32; for GPUs.
    tiles: whether to write the graphs of :func:`build_tile_graphs` too, for images larger than the memory allows.
    force: replace an artifact that is there. A folder that holds anything else is never touched.
    Raises :class:`OutputError` where the folder cannot be written, and what :func:`build_loss_graphs` raises.
    """
    directory = Path(directory)
    check_directory(directory, force=force)

    def checked_at(size: tuple[int, int] | None) -> tuple[LossGraphs, dict[str, Any]]:
        """The graphs, and what a device is held to: exact arithmetic in the plainest form, whatever its own are."""
        graphs = build_loss_graphs(network, objective, profile, precision, size=size)
        plain = (profile, precision) == ("portable", "fp32")
        return graphs, self_check(graphs if plain else build_loss_graphs(network, objective, size=size), precision)

    graphs, checked = _at_its_size(network, checked_at)
    models = {"training_model.onnx": graphs.training, "optimizer_model.onnx": adam_model(), **lbfgs_models()}
    if graphs.evaluation is not None:
        models["eval_model.onnx"] = graphs.evaluation
    tiled = None
    if tiles and graphs.fixed_size is None:
        tiled = build_tile_graphs(network, objective, profile, precision)
    if tiled is not None:
        models |= _tile_models(tiled)
    commit(
        network,
        objective,
        directory,
        graphs,
        models,
        checked,
        profile=profile,
        precision=precision,
        tiles=tiled,
        force=force,
    )
    return directory


def _at_its_size(network: Network, checked_at: Callable[[tuple[int, int] | None], T]) -> T:
    """What ``checked_at`` makes for images of any size, else for that of the file.

    A network may have been traced for the one size that it was made for, and only seem to take any: that is found when
    it is computed at another.
    """
    try:
        return checked_at(None)
    except UncomputableError:
        if network.declared_size is None:
            raise
        return checked_at(network.declared_size)


def _tile_models(tiles: TileGraphs) -> dict[str, onnx.ModelProto]:
    parts = {"sums": tiles.sums, "training": tiles.training, "loss": tiles.loss, "target": tiles.targets}
    return {f"tile_{name}_model.onnx": model for name, model in parts.items() if model is not None}


def commit(
    network: Network,
    objective: Objective,
    directory: Path,
    graphs: LossGraphs,
    models: Mapping[str, onnx.ModelProto],
    checked: Mapping[str, Any],
    *,
    profile: str = "portable",
    precision: str = "fp32",
    gradient: str = "standard",
    tiles: TileGraphs | None = None,
    extra: Mapping[str, bytes] | None = None,
    force: bool = False,
) -> None:
    """Write the folder beside its place and move it there when it is whole.

    models, extra: what goes into it, by file name. gradient: who built it, tiles: whose models are among them, for the
    manifest. force: replace an artifact that is there.
    """
    parts = {
        **_objective(objective.kind, objective.settings),
        "image": _image(objective.batch, graphs.minimum_size, graphs.fixed_size, graphs.alignment),
        "layers": _layers(graphs.layers),
        "terms": [
            {
                "name": term.name,
                "kind": term.kind,
                "layer": term.layer,
                "weight": term.weight,
                "target": f"target.{term.name}" if _has_target(graphs.training, term.name) else None,
                "mask": term.mask,
                "given": _has_target(graphs.training, term.name) and not _has_target(graphs.evaluation, term.name),
            }
            for term in objective.terms
        ],
        "profile": profile,
        "precision": precision,
        "gradient": gradient,
        "memory": memory_rates(graphs.training, graphs.fixed_size),
        "tiles": None if tiles is None else _tiles(tiles),
        "self_check": checked,
    }
    _write_folder(network, models, parts, directory, extra, force=force)


@handlers_heard()
def write_projection(
    network: Network,
    projection: Projection,
    directory: str | Path,
    *,
    precision: str = "fp32",
    force: bool = False,
) -> Path:
    """Write ``projection`` over ``network`` as an artifact folder, whole or not at all.

    Its graphs are those of :func:`build_projection_graphs`; ``projection`` in the manifest says what is what.
    precision, force and errors as of :func:`write_artifact`.
    """
    directory = Path(directory)
    check_directory(directory, force=force)

    def checked_at(size: tuple[int, int] | None) -> tuple[ProjectionGraphs, dict[str, Any]]:
        graphs = build_projection_graphs(network, projection, precision, size=size)
        # As in write_artifact: a device is held to exact arithmetic.
        exact = graphs if precision == "fp32" else build_projection_graphs(network, projection, size=size)
        return graphs, projection_self_check(exact, precision)

    graphs, checked = _at_its_size(network, checked_at)
    models = {"training_model.onnx": graphs.training, "eval_model.onnx": graphs.evaluation}
    parts = {
        **_objective("projection", {"layer": projection.layer, "rule": projection.rule}),
        "image": _image(graphs.batch, graphs.minimum_size, graphs.fixed_size, 1),
        "layers": _layers(graphs.geometry),
        "terms": [],
        "projection": {
            "layer": graphs.layer,
            "rule": projection.rule,
            "channels": graphs.channels,
            "watched": list(graphs.watched),
            "fields": _fields(graphs.geometry.get(graphs.layer)),
        },
        "profile": "portable",
        "precision": precision,
        "gradient": "standard",
        "self_check": checked,
    }
    _write_folder(network, models, parts, directory, force=force)
    return directory


def _write_folder(
    network: Network,
    models: Mapping[str, onnx.ModelProto],
    parts: Mapping[str, Any],
    directory: Path,
    extra: Mapping[str, bytes] | None = None,
    *,
    force: bool = False,
) -> None:
    """Write the graphs and ``parts`` of their manifest beside ``directory``, then put the folder in its place."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(directory, MANIFEST)
        beside = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        try:
            _write_models(models, beside)
            for name, content in (extra or {}).items():
                (beside / name).write_bytes(content)
            manifest = _manifest(network, models, parts, beside)
            (beside / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
            beside.chmod(0o755)
            _move(beside, directory, force=force)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"the artifact {str(directory)!r} cannot be written: {error.strerror or error}; free some space, or choose "
            "another folder"
        ) from error


def check_directory(directory: Path, *, force: bool) -> None:
    """Refuse a place that an artifact could not or should not be written to."""
    if directory.name in ("", ".."):  # it is put in its place by a new name
        raise OutputError(f"{str(directory)!r} does not name the folder to make; name one, such as style.pixelgrad")
    if directory.is_dir() and any(directory.iterdir()):
        if not (directory / MANIFEST).is_file():
            raise OutputError(f"the folder {str(directory)!r} holds other files; choose a new or empty one")
        if not force:
            raise OutputError(f"there is an artifact in {str(directory)!r} already; --force (force=True) replaces it")
    elif directory.exists() and not directory.is_dir():
        raise OutputError(f"{str(directory)!r} is a file; an artifact is a folder, choose another name")
    parent = next(folder for folder in directory.absolute().parents if folder.exists())
    if not os.access(parent, os.W_OK):
        raise OutputError(f"the folder {str(parent)!r} cannot be written to; choose another place")


def _move(source: Path, target: Path, *, force: bool) -> None:
    """Put a finished folder in its place; the one it replaces goes only when it is there.

    Unless forced, only an empty folder is replaced: an artifact that came there meanwhile may be in use already.
    """
    if force and target.exists():
        old = target.with_name(f".{target.name}.old-{time.time_ns()}")
        target.rename(old)
        try:
            source.rename(target)
        except OSError:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
        return
    try:
        with suppress(FileNotFoundError):
            target.rmdir()
        source.rename(target)
    except OSError:
        check_directory(target, force=False)
        raise


def _write_models(models: Mapping[str, onnx.ModelProto], folder: Path) -> None:
    """Each graph as a file, their larger tensors in one file that they share."""
    places: dict[tuple[str, int], int] = {}
    with (folder / WEIGHTS).open("wb") as weights:
        for name, model in models.items():
            model.producer_name, model.producer_version = "pixelgrad", __version__
            for tensor in model.graph.initializer:
                content = _raw(tensor)
                if len(content) < _EXTERNAL_FROM:
                    continue
                key = (hashlib.sha256(content).hexdigest(), tensor.data_type)
                if key not in places:
                    weights.write(b"\0" * (-weights.tell() % _ALIGNMENT))
                    places[key] = weights.tell()
                    weights.write(content)
                set_external_data(tensor, WEIGHTS, offset=places[key], length=len(content))
                tensor.ClearField("raw_data")
            (folder / name).write_bytes(model.SerializeToString())


def _raw(tensor: onnx.TensorProto) -> bytes:
    """The content of a tensor as bytes, whichever field holds it."""
    if not tensor.raw_data and tensor.data_type != onnx.TensorProto.STRING:
        array = onnx.numpy_helper.to_array(tensor)
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    return bytes(tensor.raw_data)


def _manifest(
    network: Network, models: Mapping[str, onnx.ModelProto], parts: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """parts: what differs between kinds of artifact, under their keys."""
    chosen = network.preprocessing
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "pixelgrad_version": __version__,
        "network": {
            "name": network.name,
            "licence": network.licence,
            "sha256": network.sha256,
            "pool": network.pool,
            "preprocessing": {
                "order": chosen.order,
                "scale": chosen.scale,
                "mean": list(chosen.mean),
                "std": list(chosen.std),
            },
        },
        **parts,
        "opset": models["training_model.onnx"].opset_import[0].version,
        "operators": {name: sorted({node.op_type for node in model.graph.node}) for name, model in models.items()},
        "files": {
            path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
            for path in sorted(folder.iterdir())
        },
    }


def _objective(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"objective": {"kind": kind, "settings": dict(settings)}}


def _image(batch: int | None, minimum_size: int, fixed_size: tuple[int, int] | None, alignment: int) -> dict[str, Any]:
    return {
        "layout": "NCHW",
        "order": "RGB",
        "range": [0, 1],
        "batch": batch,
        "minimum_size": minimum_size,
        "fixed_size": list(fixed_size) if fixed_size else None,
        "alignment": alignment,
    }


def _layers(layers: Mapping[str, Geometry]) -> dict[str, Any]:
    return {name: {"stride": g.stride, "receptive_field": g.receptive_field} for name, g in layers.items()}


def _tiles(tiles: TileGraphs) -> dict[str, Any]:
    """How far tiles look beyond themselves, the sizes of maps, and what they take, for the manifest."""
    return {
        "before": tiles.tiling.before,
        "after": tiles.tiling.after,
        "sizes": {name: list(size) for name, size in tiles.tiling.sizes.items()},
        "bytes_per_pixel": max(bytes_per_pixel(model) for model in (tiles.sums, tiles.training)),
    }


def _fields(geometry: Geometry | None) -> dict[str, Any] | None:
    """Where the layer's positions look; ``None`` where each sees the whole image."""
    if geometry is None or geometry.spans is None:
        return None
    return {axis: asdict(span) for axis, span in zip(("height", "width"), geometry.spans, strict=True)}


def _has_target(model: onnx.ModelProto | None, term: str) -> bool:
    """Whether a model takes a term's target, or makes it."""
    return model is not None and any(
        value.name == f"target.{term}" for value in [*model.graph.input, *model.graph.output]
    )
