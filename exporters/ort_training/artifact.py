"""Writing an artifact whose gradient ONNX Runtime has built."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import onnx

from pixelgrad.errors import NetworkError, SettingsError, UnsupportedOperatorError
from pixelgrad.exporters.artifact import check_directory, commit
from pixelgrad.exporters.networks import Network
from pixelgrad.exporters.objectives import Objective, build_loss_graphs
from pixelgrad.exporters.optimizer import adam_model
from pixelgrad.exporters.ort_training import builder
from pixelgrad.exporters.ort_training.environment import training_python
from pixelgrad.exporters.ort_training.lowering import lower
from pixelgrad.exporters.self_check import self_check

__all__ = ["write_ort_training_artifact"]

_OPERATOR = re.compile(r"gradient builder has not been registered:?\s*(\w+)|Gradient not registered for (?:op )?(\w+)")


def write_ort_training_artifact(
    network: Network,
    objective: Objective,
    directory: str | Path,
    *,
    size: tuple[int, int] = (256, 256),
    force: bool = False,
) -> Path:
    """Write ``objective`` over ``network`` as ONNX Runtime's own training artifacts, whole or not at all.

    size: (height, width) of the image, the one trainable parameter in the checkpoint. ONNX Runtime's gradients of
        poolings hold for one size only; it must be a multiple of the coarsest stride in use.
    Beside ONNX Runtime's training_model.onnx, eval_model.onnx, optimizer_model.onnx and checkpoint there are
    target_model.onnx (a reference image -> targets), pixel_optimizer.onnx (the standard optimiser) and artifact.json.

    Raises :class:`DeviceError` where onnxruntime-training is not to be found, :class:`UnsupportedOperatorError` for
    what it cannot differentiate, and as :func:`pixelgrad.exporters.write_artifact` does.
    """
    directory = Path(directory)
    python = training_python()
    check_directory(directory, force=force)
    standard = build_loss_graphs(network, objective)
    if standard.fixed_size is not None:
        size = standard.fixed_size
    if min(size) < standard.minimum_size:
        raise SettingsError(
            f"the image size is {size[1]}x{size[0]} and the layers in use need at least {standard.minimum_size} pixels "
            "along each edge"
        )
    step = standard.alignment
    if any(edge % step for edge in size):
        near = "x".join(str(max(step, round(edge / step) * step)) for edge in size[::-1])
        raise SettingsError(
            f"the image size is {size[1]}x{size[0]}, and ort-training needs a multiple of {step} for these layers, say "
            f"{near}"
        )
    graphs = build_loss_graphs(network, objective, size=size, differentiate=lambda model, *_: lower(model))
    forward = graphs.training
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _build(python, _parameters_as_inputs(forward), folder, size)
        models = {path.name: onnx.load(path) for path in sorted(folder.glob("*.onnx"))}
        checkpoint = (folder / "checkpoint").read_bytes()
    models["pixel_optimizer.onnx"] = adam_model()
    if graphs.evaluation is not None:
        models["target_model.onnx"] = graphs.evaluation
    commit(
        network,
        objective,
        directory,
        graphs,
        models,
        self_check(build_loss_graphs(network, objective, size=size)),
        gradient="ort-training",
        extra={"checkpoint": checkpoint},
        force=force,
    )
    return directory


def _parameters_as_inputs(forward: onnx.ModelProto) -> onnx.ModelProto:
    """Weights of terms as inputs without default values, which the training API does not know."""
    names = {value.name for value in forward.graph.input}
    kept = [tensor for tensor in forward.graph.initializer if tensor.name not in names]
    del forward.graph.initializer[:]
    forward.graph.initializer.extend(kept)
    return forward


def _build(python: Path, forward: onnx.ModelProto, folder: Path, size: tuple[int, int]) -> None:
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "forward.onnx"
        onnx.save(forward, source)
        command = [str(python), str(builder.__file__), str(source), str(folder), *map(str, size)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode == builder.UNSUPPORTED:
        raise _unsupported(found.stderr)
    if found.returncode:
        reason = (found.stderr.strip().splitlines() or [f"exit code {found.returncode}"])[-1]
        raise NetworkError(f"onnxruntime-training could not build the gradient: {reason}; use --gradient standard")


def _unsupported(message: str) -> UnsupportedOperatorError:
    match = _OPERATOR.search(message)
    operator = next((group for group in match.groups() if group), None) if match else None
    what = f"the operator {operator}" if operator else "this graph"
    reason = "" if operator else f" ({' '.join(message.split())[-200:]})"
    return UnsupportedOperatorError(
        f"onnxruntime-training cannot differentiate {what}{reason}; the standard builder can: --gradient standard",
        [operator] if operator else [],
    )
