"""Steps whose inputs and outputs keep their places, as a CUDA graph needs them; here in the CPU's memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from helpers.artifacts import OBJECTIVES, network_for

from pixelgrad.errors import DeviceError
from pixelgrad.exporters import write_artifact
from pixelgrad.runtime import Artifact, Choice, captured, choose_device
from pixelgrad.runtime.captured import CapturedStep
from pixelgrad.runtime.devices import CAPTURE, DEVICES
from pixelgrad.runtime.memory import DeviceArray, Memory
from pixelgrad.runtime.optimizers import OPTIMIZERS, make_optimizer
from pixelgrad.runtime.placement import SIZES
from pixelgrad.runtime.session import open_session
from pixelgrad.runtime.verify import pattern

CAPTURES = Choice(DEVICES["cuda"], {CAPTURE: "1"})


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """What is asked of CUDA is done by the CPU; the sizes of the sessions that are opened for one size."""
    sizes: list[dict[str, int]] = []

    def open_on_the_cpu(model: Any, choice: Choice, **given: Any) -> Any:
        if given.get("sizes"):
            sizes.append(given["sizes"])
        return open_session(model, choose_device("cpu"), **given)

    for module in ("captured", "artifact"):
        monkeypatch.setattr(f"pixelgrad.runtime.{module}.open_session", open_on_the_cpu)
    for module in ("captured", "artifact", "optimizers.adam", "optimizers.lbfgs_vectors"):
        monkeypatch.setattr(f"pixelgrad.runtime.{module}.memory_of", lambda _: Memory("cpu"))
    return sizes


@pytest.mark.parametrize("kind", list(OBJECTIVES))
def test_a_captured_step_is_the_step(kind: str, opened: list[dict[str, int]], tmp_path: Path) -> None:
    folder = write_artifact(network := network_for(kind, tmp_path), OBJECTIVES[kind](network), tmp_path / kind)
    plain, step = Artifact(folder, device="cpu"), Artifact(folder, device=CAPTURES)
    for size in ((20, 24), (20, 24), (28, 16)):
        image = pattern((plain.batch, 3, *size), 1)
        targets = plain.targets(pattern((1, 3, *size), 2)) | {n: pattern(s, 3) for n, s in plain.given.items()}
        targets |= {term.mask: pattern((1, 1, 9, 7), 4) for term in plain.terms if term.mask}
        for shift in (0, 0.1):
            expected, found = (one.evaluate(image * (1 - shift), targets) for one in (plain, step))
            assert found.loss == pytest.approx(expected.loss, rel=1e-5)
            np.testing.assert_allclose(np.asarray(found.gradient), expected.gradient, rtol=1e-4, atol=1e-7)
    # The session of one size serves all its steps.
    assert [(sizes["H"], sizes["W"]) for sizes in opened] == [(20, 24), (28, 16)]


@pytest.mark.parametrize("kind", list(OBJECTIVES))
def test_at_one_size_nothing_is_left_to_compute_sizes(kind: str, tmp_path: Path) -> None:
    """What the CPU would do on a GPU, and what keeps ONNX Runtime from capturing, is folded into constants."""
    folder = write_artifact(network := network_for(kind, tmp_path), OBJECTIVES[kind](network), tmp_path / kind)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    for name, size in captured._sizes(
        {"image": (1, 3, 24, 20), "mask.1": (1, 1, 9, 7), "mask.2": (1, 1, 9, 7)}
    ).items():
        options.add_free_dimension_override_by_name(name, size)
    opened = onnxruntime.InferenceSession(folder / "training_model.onnx", options, providers=["CPUExecutionProvider"])
    nodes = [node.name for part in opened.get_provider_graph_assignment_info() for node in part.get_nodes()]
    assert len(nodes) > 50
    assert [name for name in nodes if name.startswith(SIZES)] == []


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimisers_keep_what_they_need(name: str, opened: list[dict[str, int]], style_artifact: Path) -> None:
    """L-BFGS looks back at gradients of steps before, whose place the next step has written to."""
    start, pictures = pattern((1, 3, 24, 20), 1), []
    for device in (choose_device("cpu"), CAPTURES):
        artifact = Artifact(style_artifact, device=device)
        targets = artifact.targets(pattern(start.shape, 2))
        optimizer = make_optimizer(name, start, artifact, 0.02)
        for _ in range(8):
            step = artifact.evaluate(optimizer.image, targets)
            optimizer.update(step.loss, step.gradient)
        pictures.append(np.asarray(optimizer.result))
    np.testing.assert_allclose(*pictures, atol=1e-4)
    assert len(opened) == 1


def test_places_stay_and_results_move(opened: list[dict[str, int]], style_artifact: Path) -> None:
    image = pattern((1, 3, 24, 20), 1)
    targets = Artifact(style_artifact, device="cpu").targets(pattern(image.shape, 2))
    model = style_artifact / "training_model.onnx"
    step = CapturedStep(model, CAPTURES, {"image": image, **targets}, ["gradient", "loss"])
    places = {name: place.value.data_ptr() for name, place in {**step._inputs, **step._outputs}.items()}
    first, loss = step.run({"image": image, **targets}, ["loss"])
    kept = np.array(first)
    second, _ = step.run({"image": Memory("cpu").put(image * np.float32(0.5)), **targets}, ["loss"])
    assert loss.shape == ()
    assert isinstance(first, DeviceArray)
    assert len({first.value.data_ptr(), second.value.data_ptr(), *places.values()}) == 2 + len(places)
    np.testing.assert_array_equal(first.value.numpy(), kept)
    assert float(np.abs(np.asarray(second) - kept).max()) > 0
    assert {name: place.value.data_ptr() for name, place in {**step._inputs, **step._outputs}.items()} == places


def test_memory_that_cannot_be_reached(
    opened: list[dict[str, int]], style_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captured, "memory_of", lambda _: None)
    with pytest.raises(
        DeviceError, match=r"enable_cuda_graph=1 needs tensors in the memory of 'cuda'.*leave the option out"
    ):
        CapturedStep(style_artifact / "training_model.onnx", CAPTURES, {"image": pattern((1, 3, 24, 20), 1)}, ["loss"])


def test_the_copying_graph_is_sound() -> None:
    model = onnx.load_from_string(captured._COPY)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Identity"]
