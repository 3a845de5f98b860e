"""Choosing a device, and never getting another one silently."""

from __future__ import annotations

import importlib.machinery
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest

from pixelgrad.errors import ArtifactError, DeviceError, SettingsError
from pixelgrad.runtime import Artifact, Choice, choose_device, choosing, devices, onnx_runtime, session
from pixelgrad.runtime.plugins import Plugin, plugins


def with_providers(monkeypatch: pytest.MonkeyPatch, *providers: str, platform: str = "linux") -> None:
    """An ONNX Runtime with these providers and the CPU's, and no plugins."""
    module = SimpleNamespace(get_available_providers=lambda: [*providers, "CPUExecutionProvider"])
    monkeypatch.setattr(devices, "onnxruntime", lambda: module)
    monkeypatch.setattr(devices, "endpoints", lambda _: [])
    monkeypatch.setattr(devices, "plugins", tuple)
    monkeypatch.setattr(devices, "installed_distributions", lambda: {"onnxruntime": "1.32.0"})
    monkeypatch.setattr(devices.sys, "platform", platform)
    monkeypatch.setattr(choosing, "try_device", lambda _: None)


def test_auto_takes_the_best_there_is_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with_providers(monkeypatch)
    choice = choose_device("auto")
    assert choice.name == "cpu"
    assert list(choice.rejected) == ["cuda", "directml", "coreml", "openvino", "webgpu"]
    assert "pixelgrad[cuda]" in choice.rejected["cuda"]
    assert choice.rejected["directml"] == "it exists on Windows only"
    with_providers(monkeypatch, "CUDAExecutionProvider")
    assert choose_device("auto").name == "cuda"
    assert choose_device("auto").rejected == {}


def test_auto_passes_over_a_device_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(choice: Choice) -> None:
        raise DeviceError(f"device {choice.name!r} failed to start: no CUDA-capable device")

    with_providers(monkeypatch, "CUDAExecutionProvider", "OpenVINOExecutionProvider")
    monkeypatch.setattr(choosing, "try_device", fails)
    choice = choose_device("auto")
    assert choice.name == "cpu"
    assert "no CUDA-capable device" in choice.rejected["cuda"]
    assert choice.rejected["openvino"] == "taken only when asked for (--device openvino)"


def test_devices_by_name_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    with_providers(monkeypatch, "CUDAExecutionProvider", "WebGpuExecutionProvider")
    assert choose_device("cpu").device.provider == "CPUExecutionProvider"
    second = choose_device("cuda:1")
    assert (second.name, second.options["device_id"]) == ("cuda:1", "1")
    with pytest.raises(SettingsError, match="'webgpu' takes no number; only cuda:N and directml:N do"):
        choose_device("webgpu:1")


def test_how_names_may_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with_providers(monkeypatch, "CUDAExecutionProvider")
    assert choose_device(" auto ").name == "cuda"
    assert choose_device(" cuda:01 ").name == "cuda:1"
    for wrong in ("auto,use_tf32=0", "auto:1"):
        with pytest.raises(SettingsError, match="auto takes neither a number nor options"):
            choose_device(wrong)
    with pytest.raises(SettingsError, match="there is no device 'cuda:\u0661'"):
        choose_device("cuda:\u0661")


def test_provider_options(monkeypatch: pytest.MonkeyPatch) -> None:
    with_providers(monkeypatch, "CUDAExecutionProvider")
    assert choose_device("cuda").options == {
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": "1",
    }
    chosen = choose_device("cuda:2, use_tf32=0, gpu_mem_limit=6GB,prefer_nhwc=1").options
    assert (chosen["device_id"], chosen["use_tf32"], chosen["prefer_nhwc"]) == ("2", "0", "1")
    assert chosen["gpu_mem_limit"] == str(6 * 10**9)
    assert choose_device("cuda,gpu_mem_limit=512Mi").options["gpu_mem_limit"] == str(2**29)
    for wrong in ("cuda,tf32=0", "cuda,use_tf32", "cpu,use_tf32=0", "directml,enable_cuda_graph=1"):
        with pytest.raises(SettingsError, match=r"has no option '\w+(=\d)?'; it has"):
            choose_device(wrong)
    with pytest.raises(SettingsError, match="enable_cuda_graph is 'yes'; it must be 0 or 1"):
        choose_device("cuda,enable_cuda_graph=yes")
    with pytest.raises(SettingsError, match="cudnn_conv_algo_search is 'FAST'; it must be EXHAUSTIVE or HEURISTIC or"):
        choose_device("cuda,cudnn_conv_algo_search=FAST")
    with pytest.raises(SettingsError, match="use_tf32 is 'true'; it must be 0 or 1"):
        choose_device("cuda,use_tf32=true")
    with pytest.raises(SettingsError, match="gpu_mem_limit is 'lots'; it must be a size such as 4GB"):
        choose_device("cuda,gpu_mem_limit=lots")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", "CPU"])
def test_unknown_names_list_what_there_is(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with_providers(monkeypatch)
    with pytest.raises(SettingsError, match=r"there is no device .*choose auto, cuda, directml"):
        choose_device(name)


def test_a_device_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    with_providers(monkeypatch)
    with pytest.raises(
        DeviceError,
        match=r"'cuda' cannot be used: it is not in the installed onnxruntime. There is cpu; for cuda: "
        r"pip uninstall -y onnxruntime && pip install 'pixelgrad\[cuda\]'",
    ):
        choose_device("cuda")
    with pytest.raises(DeviceError, match=r"'directml' cannot be used: it exists on Windows only. There is cpu$"):
        choose_device("directml")
    with pytest.raises(DeviceError, match="for webgpu: pip install onnxruntime-ep-webgpu"):
        choose_device("webgpu")


def test_a_plugin_that_finds_no_hardware_is_not_told_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    with_providers(monkeypatch)
    plugin = Plugin("onnxruntime-ep-webgpu", "0.4.0", ("WebGpuExecutionProvider",))
    monkeypatch.setattr(devices, "plugins", lambda: (plugin,))
    with pytest.raises(DeviceError, match=r"onnxruntime-ep-webgpu is installed and finds no GPU here.*There is cpu$"):
        choose_device("webgpu")


_ASKED: list[tuple[str, dict[str, str]]] = []
_SIZES: dict[str, int] = {}


def _session_module(placed: list[str] | Exception, nodes: Sequence[tuple[str, str, str]] = ()) -> SimpleNamespace:
    """An ONNX Runtime whose sessions have these providers, and these nodes: (provider, operator, name)."""

    class Session:
        def __init__(
            self, source: Any, *_: Any, enable_fallback: int, providers: list[tuple[str, dict[str, str]]]
        ) -> None:
            assert not enable_fallback
            self._source = source
            _ASKED[:] = providers
            if isinstance(placed, Exception):
                raise placed

        def get_providers(self) -> list[str]:
            assert isinstance(placed, list)
            return placed

        def get_inputs(self) -> list[SimpleNamespace]:
            return self._values("input")

        def get_outputs(self) -> list[SimpleNamespace]:
            return self._values("output")

        def _values(self, end: str) -> list[SimpleNamespace]:
            values = getattr(onnx.load(self._source, load_external_data=False).graph, end)
            shapes = [
                [edge.dim_value or edge.dim_param for edge in value.type.tensor_type.shape.dim] for value in values
            ]
            return [SimpleNamespace(name=v.name, shape=shape) for v, shape in zip(values, shapes, strict=True)]

        def get_provider_graph_assignment_info(self) -> list[SimpleNamespace]:
            return [
                SimpleNamespace(
                    ep_name=provider, get_nodes=lambda op=op, name=name: [SimpleNamespace(op_type=op, name=name)]
                )
                for provider, op, name in nodes
            ]

    class Options(SimpleNamespace):
        def add_session_config_entry(self, *_: str) -> None:
            """ONNX Runtime keeps it; nobody here asks."""

        def add_free_dimension_override_by_name(self, name: str, size: int) -> None:
            _SIZES[name] = size

    return SimpleNamespace(
        SessionOptions=Options,
        InferenceSession=Session,
        get_available_providers=lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
    )


def cuda(monkeypatch: pytest.MonkeyPatch, *session_arguments: Any, strict: bool | None = None) -> Choice:
    with_providers(monkeypatch, "CUDAExecutionProvider")
    monkeypatch.setattr(session, "_cuda_libraries", lambda: None)
    monkeypatch.setattr(session, "onnxruntime", lambda: _session_module(*session_arguments))
    return choose_device("cuda", strict=strict)


def test_a_silent_fallback_is_refused(monkeypatch: pytest.MonkeyPatch, style_artifact: Path) -> None:
    """ONNX Runtime replaces a provider that fails to start by the CPU and goes on."""
    choice = cuda(monkeypatch, ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match="'cuda' failed to start and ONNX Runtime fell back to CPUExecutionProvider"):
        _ = Artifact(style_artifact, device=choice).training
    choice = cuda(monkeypatch, RuntimeError("no CUDA-capable device"))
    with pytest.raises(DeviceError, match="'cuda' failed to start: no CUDA-capable device; try --device cpu"):
        _ = Artifact(style_artifact, device=choice).training


_PARTLY = (
    ["CUDAExecutionProvider", "CPUExecutionProvider"],
    [
        ("CUDAExecutionProvider", "Conv", "conv1"),
        ("CPUExecutionProvider", "Sign", "gradient/Sign"),
        ("CPUExecutionProvider", "Size", "shape/tv/Size"),
    ],
)


def test_nodes_on_the_cpu_are_reported(
    monkeypatch: pytest.MonkeyPatch, style_artifact: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "pixelgrad")  # whatever a command before has left
    _ = Artifact(style_artifact, device=cuda(monkeypatch, *_PARTLY)).training
    assert caplog.messages == ["training_model.onnx on cuda: 1 of 2 nodes run on the CPU: 1 Sign"]


def test_strict_mode_refuses_nodes_on_the_cpu(monkeypatch: pytest.MonkeyPatch, style_artifact: Path) -> None:
    message = r"does not run all of 'training_model.onnx': 1 of 2 nodes .*1 Sign \(such as 'gradient/Sign'\)"
    with pytest.raises(DeviceError, match=message):
        _ = Artifact(style_artifact, device=cuda(monkeypatch, *_PARTLY, strict=True)).training
    monkeypatch.setenv("PIXELGRAD_STRICT", "1")
    with pytest.raises(DeviceError, match=message):
        _ = Artifact(style_artifact, device=cuda(monkeypatch, *_PARTLY)).training
    # What only computes sizes belongs on the CPU.
    providers, nodes = _PARTLY
    _ = Artifact(style_artifact, device=cuda(monkeypatch, providers, [nodes[0], nodes[2]])).training


def test_options_reach_the_session(monkeypatch: pytest.MonkeyPatch, style_artifact: Path) -> None:
    cuda(monkeypatch, ["CUDAExecutionProvider"])
    chosen = choose_device("cuda:1,use_tf32=0,gpu_mem_limit=2GB,arena_extend_strategy=kNextPowerOfTwo")
    _ = Artifact(style_artifact, device=chosen).training
    ((provider, given),) = _ASKED
    assert provider == "CUDAExecutionProvider"
    assert given == {
        "device_id": "1",
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kNextPowerOfTwo",
        "use_tf32": "0",
        "gpu_mem_limit": str(2 * 10**9),
    }


def test_only_sessions_of_one_size_are_captured(monkeypatch: pytest.MonkeyPatch, style_artifact: Path) -> None:
    providers, nodes = _PARTLY
    cuda(monkeypatch, providers, nodes[:1])
    choice = choose_device("cuda,enable_cuda_graph=1")
    model = style_artifact / "training_model.onnx"
    session.open_session(model, choice)
    assert "enable_cuda_graph" not in _ASKED[0][1]
    session.open_session(model, choice, sizes={"H": 64, "W": 48})
    assert (_ASKED[0][1]["enable_cuda_graph"], _SIZES) == ("1", {"H": 64, "W": 48})
    # ONNX Runtime captures nothing of which a part runs on the CPU, not even what computes sizes.
    for left, said in ((nodes, "1 of 2 nodes run on the CPU: 1 Sign"), (nodes[::2], "1 that compute sizes")):
        cuda(monkeypatch, providers, left)
        with pytest.raises(DeviceError, match=rf"enable_cuda_graph=1 needs every node .*{said}.*leave the option out"):
            session.open_session(model, choice, sizes={"H": 64, "W": 48})
    cuda(monkeypatch, RuntimeError("cannot use the graph capture feature"))
    with pytest.raises(DeviceError, match=r"failed to start: cannot use the graph .*; leave enable_cuda_graph out"):
        session.open_session(model, choice, sizes={"H": 64, "W": 48})


@pytest.mark.parametrize(("said", "found"), [(None, "1"), ("0", "0")])
def test_onnx_runtime_reports_to_nobody(tmp_path: Path, said: str | None, found: str) -> None:
    """Unless the environment says so: nothing about the user is kept, so nothing is sent."""
    environment = {key: value for key, value in os.environ.items() if key not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment |= {"HOME": str(tmp_path), **({} if said is None else {"ORT_DISABLE_TELEMETRY": said})}
    environment.pop("XDG_CACHE_HOME", None)
    code = (
        "import os; from pixelgrad.runtime import choose_device; choose_device('cpu'); "
        "from pixelgrad.runtime.onnx_runtime import onnxruntime; onnxruntime(); "
        "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    assert told == found
    if said is None:
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and "pixelgrad" not in path.parts]


def test_the_least_graph_is_sound() -> None:
    session.try_device(choose_device("cpu"))
    model = onnx.load_from_string(session._LEAST)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Relu"]


def test_a_plugin_that_is_broken_and_a_wheel_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as onnxruntime-ep-nv-tensorrt-rtx, which only installs the one for the CUDA that there is."""
    for name, files in (("broken", "onnxruntime_ep_broken.py,,\n"), ("meta", "")):
        folder = tmp_path / f"onnxruntime_ep_{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: onnxruntime-ep-{name}\nVersion: 1.0\n")
        (folder / "RECORD").write_text(f"{files}{folder.name}/METADATA,,\n")
    (tmp_path / "onnxruntime_ep_broken.py").write_text("raise OSError('libfoo.so: no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    found = [plugin for plugin in plugins.__wrapped__() if plugin.version == "1.0"]
    assert found == [Plugin("onnxruntime-ep-broken", "1.0", (), "libfoo.so: no such file")]


def test_two_onnx_runtimes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        onnx_runtime, "installed_distributions", lambda: {"onnxruntime": "1.30", "onnxruntime-gpu": "1.30"}
    )
    onnx_runtime.onnxruntime.cache_clear()
    with pytest.raises(
        DeviceError, match=r"pip uninstall -y onnxruntime onnxruntime-gpu && pip install .pixelgrad\[cuda\]"
    ):
        onnx_runtime.onnxruntime()
    onnx_runtime.onnxruntime.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="a name that is no UTF-8")
def test_a_folder_whose_name_is_no_text(style_artifact: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(style_artifact, tmp_path / "caf\udce9")
    with pytest.raises(ArtifactError, match=r"its path holds bytes that are no text; move it to another folder"):
        _ = Artifact(folder, device="cpu").training


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            'raise AttributeError("_ARRAY_API not found")',
            r"cannot be imported \(_ARRAY_API not found\); install it again",
        ),
        (
            'raise OSError("libfoo.so: no such file")',
            r"cannot be imported \(libfoo.so: no such file\); install it again",
        ),
        (None, r"what is called onnxruntime in \S+ is not ONNX Runtime"),  # as pip uninstall leaves it
    ],
)
def test_a_broken_onnx_runtime(
    source: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx_runtime.onnxruntime()  # the real one, to be put back
    folder = tmp_path / "onnxruntime"
    folder.mkdir()
    if source is not None:
        (folder / "__init__.py").write_text(source)
    spec = importlib.machinery.PathFinder.find_spec("onnxruntime", [str(tmp_path)])
    finder = SimpleNamespace(find_spec=lambda name, *_: spec if name == "onnxruntime" else None)
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    monkeypatch.delitem(sys.modules, "onnxruntime")
    monkeypatch.setattr(onnx_runtime, "installed_distributions", lambda: {"onnxruntime-gpu": "1.30"})
    onnx_runtime.onnxruntime.cache_clear()
    try:
        with pytest.raises(DeviceError, match=message) as caught:
            onnx_runtime.onnxruntime()
    finally:
        onnx_runtime.onnxruntime.cache_clear()
    assert str(caught.value).endswith(': pip uninstall -y onnxruntime-gpu && pip install "pixelgrad[cuda]"')


def test_no_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_runtime, "installed_distributions", dict)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    onnx_runtime.onnxruntime.cache_clear()
    with pytest.raises(DeviceError, match=r"ONNX Runtime cannot be imported.*pip install .pixelgrad\[cpu\]"):
        onnx_runtime.onnxruntime()
    onnx_runtime.onnxruntime.cache_clear()
