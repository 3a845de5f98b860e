"""Reading an artifact folder and evaluating its loss."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from pixelgrad.errors import ArtifactError, ImageError
from pixelgrad.runtime.captured import CapturedStep
from pixelgrad.runtime.choosing import choose_device
from pixelgrad.runtime.devices import Choice
from pixelgrad.runtime.failures import failures, silent
from pixelgrad.runtime.loss_scale import LossScale
from pixelgrad.runtime.manifest import read_manifest
from pixelgrad.runtime.memory import DeviceArray, Memory, memory_of
from pixelgrad.runtime.session import open_session, shrinking
from pixelgrad.runtime.training_api import TrainingModule

__all__ = ["Artifact", "Evaluation", "Term"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Term:
    """One summand of the loss.

    target: the name of its target input, ``None`` where it has none. given: whether the caller brings that target,
    rather than a reference image. mask: the name of an input, [1, 1, any, any] in [0, 1], that says how much each
    place counts, ``None`` where all count the same.
    """

    name: str
    kind: str
    layer: str | None
    weight: float
    target: str | None
    mask: str | None
    given: bool


@dataclass(frozen=True)
class Evaluation:
    """loss: the weighted sum. losses: each term's, unweighted. gradient: d loss / d image, [N, 3, H, W]; on a GPU it
    stays there until somebody looks at it. norm: its L2 norm, where that is known.
    """

    loss: float
    losses: dict[str, float]
    gradient: Array
    norm: float | None = None

    @property
    def finite(self) -> bool:
        """Whether the loss and every element of the gradient are numbers."""
        if self.norm is not None:
            return math.isfinite(self.loss) and math.isfinite(self.norm)
        return math.isfinite(self.loss) and bool(np.isfinite(self.gradient).all())


@dataclass(frozen=True)
class TileSessions:
    """The sessions of ``tile_sums_model.onnx`` and its like; no ``target`` where no target comes of sums.

    sums, training: on the artifact's device. loss, target: on the CPU.
    """

    sums: Any
    training: Any
    loss: Any
    target: Any | None = None


class Artifact:
    """An artifact folder, opened on a device.

    >>> artifact = Artifact("style.pixelgrad", device="cpu")
    >>> targets = artifact.targets(reference)
    >>> artifact.evaluate(image, targets).loss

    Images are float32 [N, 3, H, W], RGB in [0, 1], N of :attr:`batch`. Sessions are opened when first needed.

    Raises :class:`ArtifactError` where the folder is missing, incomplete or of a newer format, and
    :class:`DeviceError`, :class:`SettingsError` for the device.
    """

    def __init__(self, path: str | Path, *, device: str | Choice = "auto") -> None:
        self.path = Path(path)
        self.manifest = read_manifest(self.path)
        self.choice = device if isinstance(device, Choice) else choose_device(device)
        if self.manifest["profile"] == "fast" and self.choice.device.name != "cpu":
            raise ArtifactError(
                f"the artifact {str(self.path)!r} was written for a CPU (--profile fast) and is to run on "
                f"{self.choice.name}; export it with --profile portable, or use --device cpu"
            )
        self.terms = tuple(
            Term(**{key: row[key] for key in Term.__dataclass_fields__}) for row in self.manifest["terms"]
        )
        self._scale = LossScale() if self.precision == "fp16" else None
        self._capture: CapturedStep | None = None
        self._on_device: dict[str, tuple[Any, DeviceArray]] = {}
        norm = [] if self._ort_training else ["gradient_norm"]
        self._scalars = ["loss", *(f"loss.{term.name}" for term in self.terms), *norm]

    def __reduce__(self) -> tuple[Any, ...]:
        """Where it is, for another process to open it there: a session cannot be sent, and serves where it was made."""
        return partial(type(self), device=self.choice), (self.path.absolute(),)

    @property
    def minimum_size(self) -> int:
        """The shortest edge, in pixels, that an image may have."""
        return int(self.manifest["image"]["minimum_size"])

    @property
    def batch(self) -> int:
        """How many images are evaluated at once."""
        return int(self.manifest["image"]["batch"])

    @property
    def precision(self) -> str:
        """``fp32``, or ``fp16``: the network in float16 under losses in float32."""
        return str(self.manifest["precision"])

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """(height, width) where the network allows no other."""
        fixed = self.manifest["image"]["fixed_size"]
        return (int(fixed[0]), int(fixed[1])) if fixed else None

    @property
    def tiles(self) -> dict[str, Any] | None:
        """What the manifest says of tiles; ``None`` where the artifact was exported without."""
        return self.manifest.get("tiles")

    def step_memory(self, pixels: int) -> int:
        """About how many bytes the network takes for the gradient of an image of so many pixels, its weights aside."""
        rates = self.manifest["memory"]
        return int(rates["bytes_per_pixel"] * pixels + rates["bytes_per_square"] * pixels**2)

    @cached_property
    def training(self) -> Any:
        """The session that computes loss and gradient."""
        if self._ort_training:
            return TrainingModule(self.path, self.choice, {term.name: term.weight for term in self.terms})
        session = open_session(self.path / "training_model.onnx", self.choice)
        if "projection" not in self.manifest:
            self._check_inputs(session)
            self._check_outputs("training_model.onnx", session, {"gradient", *self._scalars})
        return session

    @cached_property
    def evaluation(self) -> Any:
        """The session that computes targets."""
        session = open_session(self.path / self._target_model, self.choice)
        wanted = {term.target for term in self.terms if term.target is not None and not term.given}
        if "projection" not in self.manifest:
            self._check_outputs(self._target_model, session, wanted)
        return session

    @cached_property
    def tile_sessions(self) -> TileSessions:
        """Those that evaluate an image a tile at a time.

        Raises :class:`ArtifactError` where the artifact was exported without.
        """
        if self.tiles is None:
            raise ArtifactError(
                f"the artifact {str(self.path)!r} has no graphs for tiles; export it with --tiles (tiles=True) if its "
                "layers allow"
            )
        # A few matrices of channels: they are the host's, where the sums of all tiles are added up.
        choices = {"loss": choose_device("cpu"), "target": choose_device("cpu")}
        names = {name: f"tile_{name}_model.onnx" for name in TileSessions.__dataclass_fields__}
        return TileSessions(
            *(
                open_session(self.path / file, choices.get(name, self.choice))
                for name, file in names.items()
                if file in self.manifest["files"]
            )
        )

    @cached_property
    def optimizer(self) -> Any:
        """The session that takes a step of Adam."""
        name = "pixel_optimizer.onnx" if self._ort_training else "optimizer_model.onnx"
        return open_session(self.path / name, self.choice)

    @cached_property
    def lbfgs(self) -> tuple[Any, Any] | None:
        """The sessions of L-BFGS, of an accepted trial and of the next; ``None`` where the device's memory is the
        host's, which needs none.
        """
        paths = [self.path / f"lbfgs_{step}_model.onnx" for step in ("accept", "propose")]
        if memory_of(self.optimizer) is None or not all(path.is_file() for path in paths):
            return None
        return open_session(paths[0], self.choice), open_session(paths[1], self.choice)

    def _check_inputs(self, session: Any) -> None:
        """Raise :class:`ArtifactError` where the graph has other inputs than the manifest says."""
        inputs = {value.name: value.shape for value in session.get_inputs()}
        named = {name for term in self.terms for name in (term.target, term.mask) if name is not None}
        needed = {name for name in inputs if name.startswith(("target.", "mask."))}
        if lost := (named - inputs.keys()) | (needed - named):
            raise self._apart("training_model.onnx", f"the input {min(lost)!r} is in one of them only")
        for term in self.terms:
            if term.given and not (term.target and all(isinstance(edge, int) for edge in inputs[term.target])):
                raise self._apart("training_model.onnx", f"nobody can give {term.name!r} its target")

    def _check_outputs(self, model: str, session: Any, wanted: Set[str]) -> None:
        """Raise :class:`ArtifactError` where it has not those outputs, or takes more or fewer images at once."""
        if lost := wanted - {value.name for value in session.get_outputs()}:
            raise self._apart(model, f"there is no output {min(lost)!r}")
        for value in session.get_inputs():
            if value.name == "image" and isinstance(value.shape[0], int) and value.shape[0] != self.batch:
                raise self._apart(model, f"it takes {value.shape[0]} images at once, not {self.batch}")

    def _apart(self, model: str, why: str) -> ArtifactError:
        return ArtifactError(
            f"artifact.json and {model!r} in {str(self.path)!r} do not belong together: {why}; "
            "export the artifact again"
        )

    @property
    def _ort_training(self) -> bool:
        """Whether onnxruntime-training built the gradient, whose own files then have the usual names."""
        return bool(self.manifest["gradient"] == "ort-training")

    @property
    def _target_model(self) -> str:
        return "target_model.onnx" if self._ort_training else "eval_model.onnx"

    def open(self) -> None:
        """Open every session now rather than when it is first needed."""
        _ = self.optimizer, self.lbfgs
        if not self.choice.captures:  # else one is opened for each size
            _ = self.training
        if self._target_model in self.manifest["files"]:
            _ = self.evaluation

    @cached_property
    def given(self) -> dict[str, tuple[int, ...]]:
        """The targets that the caller brings, with their shapes: [1, channels] for the direction of an activation."""
        names = {term.target for term in self.terms if term.given}
        session = self.training
        if names and self._ort_training:  # whose API tells no shapes, and whose eval_model.onnx is the forward graph
            session = open_session(self.path / "eval_model.onnx", self.choice)
        return {value.name: tuple(value.shape) for value in session.get_inputs() if value.name in names}

    def targets(self, reference: Array) -> dict[str, Array]:
        """What each term with a target would aim for, were ``reference`` the image to be like.

        Without those in :attr:`given`.
        """
        self.check_size(reference)
        names = [term.target for term in self.terms if term.target is not None and not term.given]
        if not names:
            return {}
        with failures():
            return dict(zip(names, self.evaluation.run(names, {"image": reference}, shrinking()), strict=True))

    def evaluate(
        self, image: Array, targets: Mapping[str, Array], weights: Mapping[str, float] | None = None
    ) -> Evaluation:
        """Loss and gradient at ``image``.

        targets: every ``target.*`` input, and ``mask.*`` where not every place counts; on a GPU they are copied there
            once, so do not change them in place.
        weights: by term name, where they differ from the artifact's own.
        """
        everywhere = {term.mask: np.ones((1, 1, 1, 1), np.float32) for term in self.terms if term.mask is not None}
        feeds: dict[str, Any] = {"image": image, **everywhere, **targets}
        for name, weight in (weights or {}).items():
            feeds[f"weight.{name}"] = np.asarray(weight, np.float32)
        memory = None if self.choice.captures else memory_of(self.training)
        if memory is not None:
            feeds |= {name: self._placed(memory, name, target) for name, target in targets.items()}
        return self.scaled(lambda scale: self._step(memory, {**feeds, **scale}))

    def scaled(self, step: Callable[[dict[str, Array]], Evaluation]) -> Evaluation:
        """What ``step`` finds, given what a gradient in float16 takes besides: how far to scale cotangents up."""
        if self._scale is None:
            return step({})
        while True:
            evaluation = step({"loss_scale": np.asarray(self._scale.value, np.float32)})
            if self._scale.accept(overflow=math.isfinite(evaluation.loss) and not evaluation.finite):
                return evaluation

    def _step(self, memory: Memory | None, feeds: Mapping[str, Any]) -> Evaluation:
        outputs = ["gradient", *self._scalars]
        with failures():
            if self.choice.captures:
                gradient, loss, *rest = self._captured(feeds, outputs).run(feeds, self._scalars)
            elif memory is None:
                gradient, loss, *rest = self.training.run(outputs, feeds, silent())
            else:
                gradient, loss, *rest = memory.run(self.training, outputs, feeds, host=self._scalars)
        by_term = {term.name: float(value) for term, value in zip(self.terms, rest, strict=False)}
        norm = None if self._ort_training else float(rest[-1])
        return Evaluation(float(loss), by_term, gradient, norm)

    def _captured(self, feeds: Mapping[str, Any], outputs: Sequence[str]) -> CapturedStep:
        """The step at this size as a CUDA graph; that of the size before is given up."""
        if self._capture is None or not self._capture.fits(feeds):
            self._capture = None  # first, so that there is memory for the next
            self._capture = CapturedStep(self.path / "training_model.onnx", self.choice, feeds, outputs)
        return self._capture

    def _placed(self, memory: Memory, name: str, target: Any) -> DeviceArray:
        """A target on the device; the same array is copied there once."""
        known = self._on_device.get(name)
        if known is None or known[0] is not target:
            self._on_device[name] = known = (target, memory.put(target))
        return known[1]

    def check_size(self, image: Array) -> None:
        """Raise :class:`ImageError` where the network cannot take an image of this size."""
        height, width = image.shape[2:]
        if self.fixed_size is not None and (height, width) != self.fixed_size:
            raise ImageError(
                f"the image is {width}x{height} and the network takes {self.fixed_size[1]}x{self.fixed_size[0]} only; "
                "use layers before its fully connected ones to be free of that"
            )
        if min(height, width) < self.minimum_size:
            raise ImageError(
                f"the image is {width}x{height} and the layers in use need at least {self.minimum_size} pixels along "
                "each edge; use a larger --size, or layers that are less deep"
            )

    def check_reference(self, what: str, size: tuple[int, int]) -> None:
        """Raise :class:`ImageError` where a picture of ``size`` (width, height), called ``what``, shows too little."""
        if self.fixed_size is None and min(size) < self.minimum_size:
            raise ImageError(
                f"the {what} is {size[0]}x{size[1]} pixels and the layers in use need at least {self.minimum_size} "
                "along each edge; use a larger one, or layers that are less deep"
            )

    def check_files(self) -> None:
        """Compare every file with the manifest's size and SHA-256; :class:`ArtifactError` names one that differs."""
        for name, expected in self.manifest["files"].items():
            content = (self.path / name).read_bytes()
            if len(content) != expected["bytes"] or hashlib.sha256(content).hexdigest() != expected["sha256"]:
                raise ArtifactError(
                    f"{name!r} in {str(self.path)!r} is not the file that was exported (its checksum differs); export "
                    "the artifact again"
                )
